//! Who holds a lease.

use std::fmt;

use repo_core::strategy::OwnerId;
use repo_core::{Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ttl::LeaseTtl;

/// The name of a holder, for people: 1 to 128 bytes without control characters. It decides
/// nothing, and several holders may have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HolderName(String);

impl HolderName {
    /// Most bytes of a name.
    pub const MAX_BYTES: usize = 128;

    /// Checks and keeps a name.
    ///
    /// # Errors
    /// `Invalid` when it is empty, longer than [`MAX_BYTES`](Self::MAX_BYTES), or holds a
    /// control character.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fits = (1..=Self::MAX_BYTES).contains(&name.len());
        if fits && !name.contains(char::is_control) {
            return Ok(Self(name));
        }
        let why = "the name of a holder is 1 to 128 bytes without control characters";
        let shown: String = name.escape_debug().take(64).collect();
        Err(Error::new(ErrorKind::Invalid, "name a holder", why).with("name", shown))
    }

    /// The name of this process: `HOST/PROCESS`, as far as the system says.
    #[must_use]
    pub fn of_this_process() -> Self {
        let process = std::process::id();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let named = Self::new(format!("{}/{process}", host.trim()));
        named.unwrap_or_else(|_| Self(format!("process {process}")))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HolderName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl From<HolderName> for String {
    fn from(name: HolderName) -> Self {
        name.0
    }
}

/// One holder of a lease, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeaseHolder {
    /// Its name.
    pub name: HolderName,
    /// When it acquired the lease, by its own clock. Nothing is decided by it.
    pub since: Timestamp,
    /// How long it keeps others away without a renewal.
    #[serde(rename = "ttl_ms")]
    pub ttl: LeaseTtl,
    /// Drawn anew for each acquisition.
    pub(crate) owner: OwnerId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_no_control_characters() {
        for good in ["a", "host/7", &"x".repeat(128)] {
            assert_eq!(HolderName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", &"x".repeat(129)] {
            assert_eq!(HolderName::new(bad).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let here = HolderName::of_this_process();
        assert!(here.as_str().ends_with(&std::process::id().to_string()), "{here}");
    }
}
