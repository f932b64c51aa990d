//! A blob that arrives in parts.

use std::fmt;

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::digest::Md5;
use crate::key::BlobKey;

/// The most parts that a blob can arrive in, as S3 has it.
pub const MAX_PARTS: u16 = 10_000;

/// The most bytes of one part: 64 MiB. A part for S3 is held in memory, since its digest has
/// to be known before it is sent.
pub const MAX_PART_BYTES: u64 = 64 * 1024 * 1024;

/// The number of a part: 1 to [`MAX_PARTS`]. The parts of a blob are joined in the order of
/// their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub struct PartNumber(u16);

impl PartNumber {
    /// The first part.
    pub const FIRST: Self = Self(1);

    /// A number of a part.
    ///
    /// # Errors
    /// `Invalid` for 0 and above [`MAX_PARTS`].
    pub fn new(number: u16) -> Result<Self> {
        if (1..=MAX_PARTS).contains(&number) {
            return Ok(Self(number));
        }
        let message = format!("the number of a part is 1 to {MAX_PARTS}");
        Err(Error::new(ErrorKind::Invalid, "part", message).with("number", number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// Counted from 0.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0) - 1
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<PartNumber> for u16 {
    fn from(number: PartNumber) -> Self {
        number.0
    }
}

impl TryFrom<u16> for PartNumber {
    type Error = Error;

    fn try_from(number: u16) -> Result<Self> {
        Self::new(number)
    }
}

/// A blob that arrives in parts. Kept as JSON, it outlives the process that began it; it works
/// with the store that gave it, however often that is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSession {
    key: BlobKey,
    upload: Upload,
}

/// Where the parts are meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Upload {
    /// In a folder beside the blobs, under this random name.
    Folder(BlobKey),
    /// In a multipart upload of the object store, by its id there.
    Multipart(String),
}

impl PartSession {
    pub(crate) fn new(key: BlobKey, upload: Upload) -> Self {
        Self { key, upload }
    }

    /// The key that the blob will have.
    #[must_use]
    pub fn key(&self) -> BlobKey {
        self.key
    }

    pub(crate) fn upload(&self) -> &Upload {
        &self.upload
    }

    /// `Invalid`: another store gave the session.
    pub(crate) fn foreign(operation: &'static str) -> Error {
        Error::new(ErrorKind::Invalid, operation, "the session belongs to another kind of store")
            .hint("go on with the store that began it, or begin anew")
    }

    /// `NotFound`: the session has ended.
    pub(crate) fn ended(&self, operation: &'static str) -> Error {
        Error::new(ErrorKind::NotFound, operation, "there is no such session: it has ended")
            .with("key", self.key)
            .hint("look whether the blob is there, or begin anew")
    }
}

/// What is known of a part that was stored: given by `put_part`, handed in at the completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReceipt {
    /// The number of the part.
    pub number: PartNumber,
    /// Bytes.
    pub size: u64,
    /// MD5 of the bytes.
    pub md5: Md5,
    /// What the object store calls the part; empty for a folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) tag: String,
}

impl PartReceipt {
    /// `Invalid` for a completion: this part is not what the receipt says.
    pub(crate) fn refused(&self) -> Error {
        let message = "a part is not there, or was stored again after its receipt was given";
        Error::new(ErrorKind::Invalid, "complete parts", message).with("part", self.number)
    }
}

/// The receipts in the order of their numbers.
///
/// # Errors
/// `Invalid` unless each number from 1 to the last is there once.
pub(crate) fn in_order(receipts: &[PartReceipt]) -> Result<Vec<&PartReceipt>> {
    let mut sorted: Vec<_> = receipts.iter().collect();
    sorted.sort_by_key(|receipt| receipt.number);
    let refuse = |message: &str, part: usize| {
        Err(Error::new(ErrorKind::Invalid, "complete parts", message).with("part", part))
    };
    if sorted.is_empty() {
        return refuse("a blob has one part at least, which may be empty", 1);
    }
    for (index, receipt) in sorted.iter().enumerate() {
        let number = receipt.number.index();
        if number < index {
            return refuse("a part is given twice", number + 1);
        }
        if number > index {
            return refuse("a part is missing", index + 1);
        }
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;

    fn receipt(number: u16) -> PartReceipt {
        let md5 = BlobDigest::of(b"").md5;
        PartReceipt { number: PartNumber::new(number).unwrap(), size: 0, md5, tag: String::new() }
    }

    #[test]
    fn parts_are_counted_without_a_gap() {
        let order = |numbers: &[u16]| {
            let receipts: Vec<_> = numbers.iter().map(|number| receipt(*number)).collect();
            in_order(&receipts)
                .map(|sorted| sorted.iter().map(|receipt| receipt.number.get()).collect::<Vec<_>>())
                .map_err(|error| {
                    format!("{} {}", error.message(), error.context_value("part").unwrap())
                })
        };
        assert_eq!(order(&[2, 1, 3]), Ok(vec![1, 2, 3]));
        assert_eq!(order(&[1, 3]), Err("a part is missing 2".to_owned()));
        assert_eq!(order(&[2]), Err("a part is missing 1".to_owned()));
        assert_eq!(order(&[1, 2, 2]), Err("a part is given twice 2".to_owned()));
        assert!(order(&[]).is_err());
    }

    #[test]
    fn numbers_end_at_ten_thousand() {
        assert!(PartNumber::new(0).is_err());
        assert!(PartNumber::new(MAX_PARTS).is_ok());
        assert!(PartNumber::new(MAX_PARTS + 1).is_err());
        assert!(serde_json::from_str::<PartNumber>("0").is_err());
    }

    #[test]
    fn a_session_is_kept_as_json() {
        let key = BlobKey::random().unwrap();
        for upload in [Upload::Folder(key), Upload::Multipart("2~a/b+c".to_owned())] {
            let session = PartSession::new(key, upload);
            let json = serde_json::to_string(&session).unwrap();
            assert_eq!(serde_json::from_str::<PartSession>(&json).unwrap(), session);
        }
        let hostile = format!(r#"{{"key":"{key}","upload":{{"folder":"../../x"}}}}"#);
        assert!(serde_json::from_str::<PartSession>(&hostile).is_err());
    }
}
