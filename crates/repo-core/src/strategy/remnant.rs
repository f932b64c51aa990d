//! What could not be erased.

use std::fmt;

/// Something that may still hold a document of an erased record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remnant {
    /// Where: a file or a folder.
    pub place: String,
    /// What it is, and what to do: words that end a sentence.
    pub what: String,
}

impl Remnant {
    /// For strategies.
    #[must_use]
    pub fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }
}
