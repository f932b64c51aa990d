//! Names of stores of blobs.

use std::fmt;

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The name of a store of blobs in the configuration: `[a-z][a-z0-9_-]{0,47}`. Records keep the
/// name, so that the store can move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(Box<str>);

impl StoreName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// `Invalid` when it is none.
    pub fn new(name: &str) -> Result<Self> {
        let rest = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if begins_well && name.len() <= 48 && name.bytes().all(rest) {
            return Ok(Self(name.into()));
        }
        let why = "the name of a store of blobs is a lower-case letter and at most 47 lower-case \
                   letters, digits, `_` or `-`";
        let shown: String = name.chars().take(64).collect();
        Err(Error::new(ErrorKind::Invalid, "name a store", why).with("name", format!("{shown:?}")))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StoreName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl From<StoreName> for String {
    fn from(name: StoreName) -> Self {
        name.0.into()
    }
}
