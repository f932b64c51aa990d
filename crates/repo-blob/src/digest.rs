//! Digests of content, and what a caller expects of it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Digest as _;
use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::hex;

/// A digest of `N` bytes. Written, and kept in JSON, as lower-case hexadecimal text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash<const N: usize>([u8; N]);

/// A SHA-256 digest.
pub type Sha256 = Hash<32>;

/// An MD5 digest: what clients of object stores send along. It finds accidents, no forgery.
pub type Md5 = Hash<16>;

impl<const N: usize> Hash<N> {
    /// A digest that was computed elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// As the headers `Content-MD5` and `x-amz-checksum-sha256` have it: base64 with padding.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// The digest of such a header.
    ///
    /// # Errors
    /// `Invalid` if this is not the base64, with padding, of `N` bytes.
    pub fn from_base64(text: &str) -> Result<Self> {
        let bytes = BASE64_STANDARD.decode(text).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "digest", not_one::<N>("base64")))
    }
}

fn not_one<const N: usize>(form: &str) -> String {
    format!("this is not the {form} text of a digest of {N} bytes")
}

impl<const N: usize> fmt::Display for Hash<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl<const N: usize> fmt::Debug for Hash<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl<const N: usize> FromStr for Hash<N> {
    type Err = Error;

    /// # Errors
    /// `Invalid` if this is not `2 * N` lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        hex::parse(text).map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "digest", not_one::<N>("lower-case hexadecimal"))
        })
    }
}

impl<const N: usize> Serialize for Hash<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hash<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Size and digests of a blob.
///
/// ```
/// use repo_blob::BlobDigest;
///
/// let digest = BlobDigest::of(b"abc");
/// assert_eq!(digest.size, 3);
/// assert_eq!(digest.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
/// assert_eq!(digest.md5.to_base64(), "kAFQmDzST7DWlj99KOF/cg==");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobDigest {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256,
    /// MD5 of the bytes.
    pub md5: Md5,
}

impl BlobDigest {
    /// The digest of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// What a caller knows about a blob before it is written. What is not known is not checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Bytes.
    pub size: Option<u64>,
    /// SHA-256 of the bytes.
    pub sha256: Option<Sha256>,
    /// MD5 of the bytes.
    pub md5: Option<Md5>,
}

impl Expected {
    /// Nothing is known.
    pub const NOTHING: Self = Self { size: None, sha256: None, md5: None };

    /// What is not as expected, with both values; nothing if all is.
    pub(crate) fn differs(&self, found: &BlobDigest) -> Option<Difference> {
        different("size", self.size, found.size)
            .or_else(|| different("sha256", self.sha256, found.sha256))
            .or_else(|| different("md5", self.md5, found.md5))
    }

    /// `Invalid`, naming what differs.
    pub(crate) fn check(&self, operation: &'static str, found: &BlobDigest) -> Result<()> {
        match self.differs(found) {
            None => Ok(()),
            Some(difference) => Err(difference.error(ErrorKind::Invalid, operation)),
        }
    }
}

impl From<BlobDigest> for Expected {
    fn from(digest: BlobDigest) -> Self {
        Self { size: Some(digest.size), sha256: Some(digest.sha256), md5: Some(digest.md5) }
    }
}

/// The first thing that is not as expected.
pub(crate) struct Difference {
    what: &'static str,
    expected: String,
    found: String,
}

impl Difference {
    pub(crate) fn error(self, kind: ErrorKind, operation: &'static str) -> Error {
        Error::new(kind, operation, format!("the {} is not the expected one", self.what))
            .with("differs", self.what)
            .with("expected", self.expected)
            .with("found", self.found)
    }
}

fn different<T: PartialEq + fmt::Display>(
    what: &'static str,
    expected: Option<T>,
    found: T,
) -> Option<Difference> {
    let expected = expected.filter(|expected| *expected != found)?;
    Some(Difference { what, expected: expected.to_string(), found: found.to_string() })
}

/// Size and digests of bytes that come one after another.
#[derive(Clone, Default)]
pub(crate) struct Hasher {
    size: u64,
    sha256: sha2::Sha256,
    md5: md5::Md5,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.md5.update(bytes);
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn finish(self) -> BlobDigest {
        BlobDigest {
            size: self.size,
            sha256: Hash(self.sha256.finalize().into()),
            md5: Hash(self.md5.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_text() {
        let digest = BlobDigest::of(b"");
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.sha256.to_string(), sha256);
        assert_eq!(digest.sha256, sha256.parse().unwrap());
        assert_eq!(Md5::from_base64("1B2M2Y8AsgTpgAmY7PhCfg==").unwrap(), digest.md5);
        assert!(sha256.to_uppercase().parse::<Sha256>().is_err());
        assert!(Md5::from_base64("1B2M2Y8AsgTpgAmY7PhCfg").is_err());
        assert!(Sha256::from_base64("1B2M2Y8AsgTpgAmY7PhCfg==").is_err());
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<BlobDigest>(&json).unwrap(), digest);
    }

    #[test]
    fn what_differs_is_named() {
        let found = BlobDigest::of(b"abc");
        let other = Expected::from(BlobDigest::of(b"abd"));
        let error = other.check("put", &found).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context_value("differs"), Some("sha256"));
        let longer = Expected { size: Some(4), ..other };
        assert_eq!(longer.check("put", &found).unwrap_err().context_value("differs"), Some("size"));
        assert!(Expected::NOTHING.check("put", &found).is_ok());
    }
}
