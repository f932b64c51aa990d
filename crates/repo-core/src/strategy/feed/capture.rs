//! Who needs the changes of a store.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Whether writes are captured, and for whom. Part of the
/// [store's own record](crate::strategy::StoreRecord).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capture {
    /// How often capture was switched on; 0 while it never was.
    pub generation: u64,
    /// Who needs it. It is on while there is one.
    pub holders: BTreeSet<CaptureHolder>,
}

impl Capture {
    /// Whether writes are captured.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.holders.is_empty()
    }

    /// For strategies: adds a holder; whether that switches capture on. Safe to
    /// repeat.
    pub fn hold(&mut self, holder: CaptureHolder) -> bool {
        let begins = !self.is_on();
        if begins {
            self.generation += 1;
        }
        self.holders.insert(holder);
        begins
    }

    /// For strategies: removes a holder; whether that switches capture off. Safe to
    /// repeat.
    pub fn release(&mut self, holder: &CaptureHolder) -> bool {
        self.holders.remove(holder) && !self.is_on()
    }

    /// Whether it was never switched on.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        *self == Self::default()
    }
}

/// Somebody who needs the changes of a store: `consumer/billing`, `history/items`.
/// At most 200 bytes, a kind of lower-case letters and a name without control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaptureHolder(String);

impl CaptureHolder {
    /// Most bytes of a holder as text.
    pub const MAX_BYTES: usize = 200;

    /// The holder of this kind and name.
    ///
    /// # Errors
    /// `Invalid` when either breaks the rule.
    pub fn new(kind: &str, name: &str) -> Result<Self> {
        format!("{kind}/{name}").parse()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CaptureHolder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rule = |(kind, name): (&str, &str)| {
            let letters = |kind: &str| kind.bytes().all(|byte| byte.is_ascii_lowercase());
            !kind.is_empty()
                && letters(kind)
                && !name.is_empty()
                && !name.contains(char::is_control)
        };
        if text.len() <= Self::MAX_BYTES && text.split_once('/').is_some_and(rule) {
            return Ok(Self(text.to_owned()));
        }
        let why = "a holder of the capture is a kind, `/` and a name, of at most 200 bytes";
        Err(Error::new(ErrorKind::Invalid, "name a holder of the capture", why)
            .with("holder", text.escape_debug().take(Self::MAX_BYTES).collect::<String>()))
    }
}

impl TryFrom<String> for CaptureHolder {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<CaptureHolder> for String {
    fn from(holder: CaptureHolder) -> Self {
        holder.0
    }
}

impl fmt::Display for CaptureHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_is_on_from_the_first_holder_to_the_last() {
        let [a, b] = ["a", "b"].map(|name| CaptureHolder::new("consumer", name).unwrap());
        let mut capture = Capture::default();
        assert!(capture.is_unused() && !capture.release(&a));
        assert!(capture.hold(a.clone()));
        assert!(!capture.hold(a.clone()) && !capture.hold(b.clone()));
        assert!(!capture.release(&a) && !capture.release(&a) && capture.is_on());
        assert!(capture.release(&b) && !capture.is_on());
        assert_eq!(capture.generation, 1);
        assert!(capture.hold(b) && capture.generation == 2);
    }

    #[test]
    fn a_holder_has_a_kind_and_a_name() {
        assert_eq!(CaptureHolder::new("consumer", "a/b").unwrap().as_str(), "consumer/a/b");
        let long = "x".repeat(200);
        for (kind, name) in
            [("", "a"), ("Consumer", "a"), ("a b", "c"), ("a", ""), ("a", "b\n"), ("a", &long)]
        {
            let error = CaptureHolder::new(kind, name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{kind}/{name}");
        }
    }
}
