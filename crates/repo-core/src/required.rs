//! Conditions that a transaction was given, of keys that it need not have read.

use std::collections::BTreeMap;

use crate::{Error, ErrorKind, FailedPrecondition, Key, Precondition, Result, Version};

/// What the commit of a transaction checks because somebody asked for it, at most one
/// condition a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Required(BTreeMap<Key, Precondition>);

impl Required {
    /// # Errors
    /// `Invalid` when the key has another condition already.
    pub(crate) fn add(&mut self, key: Key, condition: Precondition) -> Result<()> {
        match self.0.get(&key) {
            Some(other) if *other != condition => {
                let why = "the key has another condition already";
                Err(Error::new(ErrorKind::Invalid, "transaction", why)
                    .with("key", key)
                    .with("first", other)
                    .with("second", condition))
            }
            _ => {
                self.0.insert(key, condition);
                Ok(())
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the condition of a key away; the caller has one that says no less.
    pub(crate) fn take(&mut self, key: &Key) -> Option<Precondition> {
        self.0.remove(key)
    }

    /// Takes the condition of a key away that was read: the commit checks the version that
    /// was read, which says no less if the condition held then.
    ///
    /// # Errors
    /// `Conflict` when it did not hold.
    pub(crate) fn settle_read(&mut self, key: &Key, live: Option<Version>) -> Result<()> {
        match self.0.remove(key) {
            Some(expected) if !expected.holds(live) => {
                let failed = FailedPrecondition { key: key.clone(), expected, actual: live };
                Err(Error::preconditions("transaction", vec![(failed, true)]))
            }
            _ => Ok(()),
        }
    }

    /// What is left, by key.
    pub(crate) fn into_rest(self) -> impl Iterator<Item = (Key, Precondition)> {
        self.0.into_iter()
    }

    /// Whether one of the conditions is among what failed.
    pub(crate) fn has_failed(&self, error: &Error) -> bool {
        let failed = error.failed_preconditions();
        failed.iter().any(|failure| self.0.get(&failure.key) == Some(&failure.expected))
    }
}
