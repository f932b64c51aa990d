//! The inside of JSON strings, passed over eight bytes at a time.

/// Each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes stand before the first quote, backslash or control
/// character: all, if there is none.
#[inline]
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return number * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let start = bytes.len() - rest.len();
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    start + rest.iter().position(special).unwrap_or(rest.len())
}

/// The highest bit is set of the first byte that is special, and of none before
/// it: a subtraction borrows only from bytes after a special one.
fn specials(word: u64) -> u64 {
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(
            bytes in prop::collection::vec(
                prop_oneof![8 => any::<u8>(), 8 => 0x1e_u8..0x24, 1 => Just(b'\\'), 40 => Just(b'a')],
                0..40,
            )
        ) {
            let found = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20);
            prop_assert_eq!(plain_len(&bytes), found.unwrap_or(bytes.len()));
        }
    }
}
