//! Names of consumers.

use std::fmt;
use std::str::FromStr;

use repo_core::{Error, ErrorKind, Result};

/// The name of a consumer: 1 to 64 letters, digits, `-`, `_` and `.` of ASCII, the first
/// one a letter or digit.
///
/// ```
/// use repo_feed::ConsumerName;
///
/// assert_eq!(ConsumerName::new("billing-2").unwrap().as_str(), "billing-2");
/// assert!(ConsumerName::new("a/b").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(String);

impl ConsumerName {
    /// Most bytes of a name.
    pub const MAX_BYTES: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// `Invalid` when it breaks the rule.
    pub fn new(name: &str) -> Result<Self> {
        let bytes = name.as_bytes();
        let may_stand = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let begins = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
        if begins && bytes.len() <= Self::MAX_BYTES && bytes.iter().all(may_stand) {
            return Ok(Self(name.to_owned()));
        }
        let why = "the name of a consumer is 1 to 64 letters, digits, `-`, `_` and `.` of ASCII, \
                   the first one a letter or digit";
        let shown: String = name.escape_debug().take(Self::MAX_BYTES).collect();
        Err(Error::new(ErrorKind::Invalid, "name a consumer", why).with("name", shown))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConsumerName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["a", "7", "billing-2", "a.b_C", &"x".repeat(64)] {
            assert_eq!(ConsumerName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a/b", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(ConsumerName::new(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
    }
}
