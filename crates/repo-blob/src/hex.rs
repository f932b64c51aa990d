//! Lower-case hexadecimal text.

use std::fmt::{self, Write as _};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes two digits for each byte, without the formatter of numbers: in a profile of small
/// requests, each of which writes digests, that one was to be seen.
pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            f.write_char(char::from(DIGITS[usize::from(half)]))?;
        }
    }
    Ok(())
}

/// The bytes of exactly `2 * N` lower-case digits; of anything else nothing.
pub(crate) fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
