//! Who wrote something, and why.

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Who wrote a version, and why. Given with a [`Write`](crate::Write); kept with the
/// version that it makes, where the [history](crate::strategy::StoreUpdate::History) of
/// the collection is kept. Elsewhere there is nothing to keep it with, and it is dropped.
///
/// The engine does not check who somebody is: it keeps what the caller says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Attribution {
    author: Option<Box<str>>,
    reason: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Box<str>>,
}

impl Attribution {
    /// Most bytes of an author.
    pub const MAX_AUTHOR_BYTES: usize = 256;
    /// Most bytes of a reason.
    pub const MAX_REASON_BYTES: usize = 4_096;

    /// An author, of one line; a reason, in which lines may end; or both.
    ///
    /// # Errors
    /// `Invalid` for neither of them, an empty or too long text, and control characters
    /// other than line feed and tab in the reason.
    ///
    /// ```
    /// use repo_core::Attribution;
    ///
    /// let by = Attribution::new(Some("ada"), Some("the lease has ended"))?;
    /// assert_eq!(by.author(), Some("ada"));
    /// assert!(Attribution::new(None, None).is_err());
    /// # Ok::<(), repo_core::Error>(())
    /// ```
    pub fn new(author: Option<&str>, reason: Option<&str>) -> Result<Self> {
        if author.is_none() && reason.is_none() {
            return Err(refuse("an attribution has an author or a reason"));
        }
        if author.is_some_and(|text| !fits(text, Self::MAX_AUTHOR_BYTES, &[])) {
            return Err(refuse("an author is 1 to 256 bytes without control characters")
                .with("author", shown(author)));
        }
        if reason.is_some_and(|text| !fits(text, Self::MAX_REASON_BYTES, &['\n', '\t'])) {
            let why = "a reason is 1 to 4096 bytes without control characters but line feed \
                       and tab";
            return Err(refuse(why).with("reason", shown(reason)));
        }
        Ok(Self { author: author.map(Into::into), reason: reason.map(Into::into) })
    }

    /// Who.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

impl TryFrom<Fields> for Attribution {
    type Error = Error;

    fn try_from(fields: Fields) -> Result<Self> {
        Self::new(fields.author.as_deref(), fields.reason.as_deref())
    }
}

impl From<Attribution> for Fields {
    fn from(of: Attribution) -> Self {
        Self { author: of.author, reason: of.reason }
    }
}

fn fits(text: &str, most: usize, allowed: &[char]) -> bool {
    let may_stand = |c: char| !c.is_control() || allowed.contains(&c);
    (1..=most).contains(&text.len()) && text.chars().all(may_stand)
}

fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "attribute a write", why)
}

fn shown(text: Option<&str>) -> String {
    text.unwrap_or_default().escape_debug().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let kind = |author, reason| Attribution::new(author, reason).map_err(|error| error.kind());
        let (author, reason) = ("x".repeat(257), "x".repeat(4_097));
        for author in ["", "a\nb", "\0", &author] {
            assert_eq!(kind(Some(author), None), Err(ErrorKind::Invalid), "{author:?}");
        }
        for reason in ["", "\u{1b}[31m", "\0", &reason] {
            assert_eq!(kind(None, Some(reason)), Err(ErrorKind::Invalid), "{reason:?}");
        }
        let both = Attribution::new(Some(&"ü".repeat(128)), Some("two\n\tlines")).unwrap();
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Attribution>(&text).unwrap(), both);
        for text in ["{}", r#"{"author":""}"#, r#"{"author":"a","who":"b"}"#] {
            assert!(serde_json::from_str::<Attribution>(text).is_err(), "{text}");
        }
    }
}
