//! Names of what is leased.

use std::fmt;
use std::str::FromStr;

use repo_core::{EntityId, Error, ErrorKind, Key, Result};

/// What a lease is for: 1 to 240 bytes of what an [`EntityId`] may hold, so without control
/// characters. Two leases exclude each other if their scopes are the same text.
///
/// The records beside the lease have ids with a few characters in front of the scope, and an
/// id has 255 characters; hence 240.
///
/// ```
/// use repo_lease::LeaseScope;
///
/// assert_eq!(LeaseScope::new("nightly report").unwrap().as_str(), "nightly report");
/// assert!(LeaseScope::new("").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseScope(EntityId);

impl LeaseScope {
    /// Most bytes of a scope.
    pub const MAX_BYTES: usize = 240;

    /// Checks and keeps a scope.
    ///
    /// # Errors
    /// `Invalid` when it is empty, longer than [`MAX_BYTES`](Self::MAX_BYTES), or holds a
    /// control character.
    pub fn new(scope: &str) -> Result<Self> {
        match EntityId::new(scope) {
            Ok(id) if scope.len() <= Self::MAX_BYTES => Ok(Self(id)),
            _ => {
                let why = "the scope of a lease is 1 to 240 bytes without control characters";
                let shown: String = scope.escape_debug().take(64).collect();
                Err(Error::new(ErrorKind::Invalid, "name a lease", why)
                    .with("scope", shown)
                    .with("bytes", scope.len()))
            }
        }
    }

    /// The scope of one entity: `COLLECTION/ID`.
    ///
    /// # Errors
    /// `Invalid` when both together are longer than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn of_entity(key: &Key) -> Result<Self> {
        Self::new(&key.to_string())
    }

    /// The scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id of its lease.
    pub(crate) fn id(&self) -> EntityId {
        self.0.clone()
    }
}

impl fmt::Display for LeaseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LeaseScope {
    type Err = Error;

    fn from_str(scope: &str) -> Result<Self> {
        Self::new(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_a_scope() {
        let key = |id: &str| Key::new("machines".parse().unwrap(), id.parse().unwrap());
        assert_eq!(LeaseScope::of_entity(&key("m-1")).unwrap().as_str(), "machines/m-1");
        assert!(LeaseScope::of_entity(&key(&"x".repeat(240))).is_err());
    }

    #[test]
    fn a_scope_is_an_id_of_bounded_length() {
        for good in ["a", "nightly report", "machines/m-1", "ä", &"x".repeat(240)] {
            assert_eq!(LeaseScope::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\n", "\u{85}", &"x".repeat(241), &"ä".repeat(121)] {
            assert_eq!(LeaseScope::new(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }
}
