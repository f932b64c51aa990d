//! 128 bits as text: names of objects, of commits, and digests.

use std::fmt;
use std::str::FromStr;

use repo_core::{Digest, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// 128 bits, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Hex16([u8; 16]);

impl Hex16 {
    /// None of them.
    pub(crate) const ZERO: Self = Self([0; 16]);

    /// Random ones, from the operating system.
    ///
    /// # Errors
    /// `Unavailable` when it has none to give.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|source| {
            let why = "the operating system gives no random bytes";
            Error::new(ErrorKind::Unavailable, "name an object", why).caused_by(source)
        })?;
        Ok(Self(bytes))
    }

    /// Random ones behind the number of a checkpoint, for what is made for it.
    ///
    /// # Errors
    /// As [`random`](Self::random).
    pub(crate) fn for_checkpoint(number: u64) -> Result<Self> {
        let Self(mut bytes) = Self::random()?;
        bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        Ok(Self(bytes))
    }

    /// The number of the checkpoint that it was made for.
    pub(crate) fn checkpoint(self) -> u64 {
        self.0.first_chunk().map_or(0, |number| u64::from_be_bytes(*number))
    }

    /// The first half of a digest.
    pub(crate) fn of(digest: &Digest) -> Self {
        Self(half(digest.as_bytes()))
    }

    /// The first half of the BLAKE3 of a text.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(half(blake3::hash(text.as_bytes()).as_bytes()))
    }
}

fn half(bytes: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    half
}

impl fmt::Display for Hex16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a text that is no such number is refused with.
#[derive(Debug)]
pub(crate) struct NoHex;

impl fmt::Display for NoHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not 32 lower-case hexadecimal digits")
    }
}

impl FromStr for Hex16 {
    type Err = NoHex;

    fn from_str(text: &str) -> Result<Self, NoHex> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 16];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(NoHex);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high).ok_or(NoHex)? << 4 | digit(*low).ok_or(NoHex)?;
        }
        Ok(Self(bytes))
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

impl TryFrom<String> for Hex16 {
    type Error = NoHex;

    fn try_from(text: String) -> Result<Self, NoHex> {
        text.parse()
    }
}

impl From<Hex16> for String {
    fn from(hex: Hex16) -> Self {
        hex.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_text() {
        let number = Hex16::random().unwrap();
        assert_eq!(number.to_string().parse::<Hex16>().unwrap(), number);
        assert_ne!(number, Hex16::random().unwrap());
        let json = serde_json::to_string(&number).unwrap();
        assert_eq!(serde_json::from_str::<Hex16>(&json).unwrap(), number);
        let made = Hex16::for_checkpoint(7).unwrap();
        assert_eq!(made.checkpoint(), 7);
        assert_ne!(made, Hex16::for_checkpoint(7).unwrap());
        let text = "0123456789abcdef0123456789abcdef";
        for wrong in ["", &text[1..], &format!("{text}0"), &text.to_uppercase(), "../../x"] {
            assert!(wrong.parse::<Hex16>().is_err(), "{wrong}");
        }
    }
}
