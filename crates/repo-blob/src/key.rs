//! The key of a blob.

use std::fmt;
use std::str::FromStr;

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::hex;

/// Bytes of randomness in a key. No two of 2^60 keys are equal, but for a chance of one in a
/// hundred.
const LENGTH: usize = 16;

/// The key under which a blob is kept: 16 random bytes, as 32 lower-case hexadecimal digits.
///
/// It says nothing about the content, and no name or path of a user ever becomes one: nothing
/// else can be built, so a key is safe in a path and in a URL. Keys are ordered by their text.
///
/// ```
/// use repo_blob::BlobKey;
///
/// let key = BlobKey::random()?;
/// assert_eq!(key.to_string().parse::<BlobKey>()?, key);
/// assert!("../../etc/passwd".parse::<BlobKey>().is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BlobKey([u8; LENGTH]);

impl BlobKey {
    /// A key that nobody has.
    ///
    /// # Errors
    /// `Unavailable` if the operating system gives no random bytes.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "key", "the system gave no random bytes")
                .caused_by(error)
        })?;
        Ok(Self(bytes))
    }

    /// The folder of this key, one of 256: its first two digits. Keys in the order of their
    /// paths are in the order of their texts.
    pub(crate) fn fan_out(&self) -> String {
        format!("{:02x}", self.0[0])
    }

    /// The first folder, and the order of folders.
    pub(crate) fn fan_out_number(&self) -> u8 {
        self.0[0]
    }

    /// Where the bytes are kept below the root of a store: `ab/ab01…`.
    pub(crate) fn path(&self) -> String {
        format!("{:02x}/{self}", self.0[0])
    }

    /// The key that is kept at such a path; of another path nothing.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        let (folder, name) = path.split_once('/')?;
        let key = Self(hex::parse(name)?);
        (key.fan_out() == folder).then_some(key)
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobKey({self})")
    }
}

impl FromStr for BlobKey {
    type Err = Error;

    /// # Errors
    /// `Invalid` for all but 32 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        hex::parse(text).map(Self).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "key",
                "the key of a blob is 32 lower-case hexadecimal digits",
            )
            .hint("take keys as they were given; they are never made of names or paths")
        })
    }
}

impl From<BlobKey> for String {
    fn from(key: BlobKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for BlobKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_texts_are_no_keys() {
        let key = "00112233445566778899aabbccddeeff";
        assert!(key.parse::<BlobKey>().is_ok());
        let hostile = [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "/etc/passwd",
            "00/00112233445566778899aabbccddeeff",
            "00112233445566778899AABBCCDDEEFF",
            "00112233445566778899aabbccddeef",
            "00112233445566778899aabbccddeeff0",
            "00112233445566778899aabbccddeef\0",
            "00112233445566778899aabbccddeef%",
            " 0112233445566778899aabbccddeeff",
            "00112233445566778899aabbccddee\u{e9}",
            "../112233445566778899aabbccddeeff",
        ];
        for text in hostile {
            assert_eq!(text.parse::<BlobKey>().unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
        assert!(serde_json::from_str::<BlobKey>(r#""../x""#).is_err());
    }

    #[test]
    fn a_path_of_another_folder_is_no_key() {
        assert!(BlobKey::from_path("00/00112233445566778899aabbccddeeff").is_some());
        assert!(BlobKey::from_path("01/00112233445566778899aabbccddeeff").is_none());
        assert!(BlobKey::from_path("00112233445566778899aabbccddeeff").is_none());
    }

    proptest! {
        #[test]
        fn only_the_text_of_a_key_is_parsed(text in "\\PC{0,40}|[0-9a-f]{30,34}|[0-9a-fA-F]{32}") {
            let shape = text.len() == 32
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            match text.parse::<BlobKey>() {
                Ok(key) => {
                    prop_assert!(shape);
                    prop_assert_eq!(key.to_string(), text);
                }
                Err(error) => {
                    prop_assert!(!shape);
                    prop_assert_eq!(error.kind(), ErrorKind::Invalid);
                }
            }
        }

        #[test]
        fn keys_are_ordered_as_their_texts_and_paths(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (BlobKey(a), BlobKey(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.cmp(&b), a.path().cmp(&b.path()));
            prop_assert_eq!(BlobKey::from_path(&a.path()), Some(a));
        }
    }
}
