//! The id by which a store is known, however it is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// A random id of 128 bits that [`prepare`](crate::strategy::StorageStrategy::prepare)
/// gives to a store. Written as 32 lower-case hexadecimal digits.
///
/// Two stores that were made have different ids. A store that was copied has
/// the id of the one it was copied from, so equal ids alone do not say that
/// two handles are on one store.
///
/// ```
/// use repo_core::strategy::StoreId;
///
/// let id: StoreId = "0123456789abcdef0123456789abcdef".parse().unwrap();
/// assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
/// assert!("0123".parse::<StoreId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreId([u8; Self::BYTES]);

impl StoreId {
    /// Bytes of an id.
    pub const BYTES: usize = 16;

    /// A new one, from the operating system's source of random bytes.
    ///
    /// # Errors
    /// `Unavailable` when that has none to give.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; Self::BYTES];
        getrandom::fill(&mut bytes).map_err(|source| {
            Error::new(
                ErrorKind::Unavailable,
                "make an id for the store",
                "the operating system gives no random bytes",
            )
            .caused_by(source)
        })?;
        Ok(Self(bytes))
    }

    /// The id of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

impl FromStr for StoreId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text.as_bytes()).map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            Error::new(
                ErrorKind::Invalid,
                "read the id of a store",
                "the id of a store is 32 lower-case hexadecimal digits",
            )
            .with("id", format!("{shown:?}"))
        })
    }
}

impl TryFrom<String> for StoreId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<StoreId> for String {
    fn from(id: StoreId) -> Self {
        id.to_string()
    }
}

fn parse(text: &[u8]) -> Option<[u8; StoreId::BYTES]> {
    let (pairs, rest) = text.as_chunks::<2>();
    let mut bytes = [0; StoreId::BYTES];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_one_id() {
        let id = StoreId::random().unwrap();
        assert_eq!(id.to_string().parse::<StoreId>().unwrap(), id);
        assert_eq!(StoreId::from_bytes(id.to_bytes()), id);
        assert_ne!(StoreId::random().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<StoreId>(&json).unwrap(), id);
    }

    #[test]
    fn anything_else_is_refused() {
        let id = "0123456789abcdef0123456789abcdef";
        for wrong in ["", &id[1..], &format!("{id}0"), &id.to_uppercase(), &id.replace('0', "é")] {
            assert_eq!(wrong.parse::<StoreId>().unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert!(serde_json::from_str::<StoreId>("\"x\"").is_err());
    }
}
