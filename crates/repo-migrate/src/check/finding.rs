//! What a check of stored entities lists.

use serde::Serialize;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The collection of the entity.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// What is wrong.
    pub problem: Problem,
    /// The JSON Pointer of the place; empty for the whole document.
    pub pointer: String,
    /// Why, for a person.
    pub detail: String,
}

/// What is wrong with a stored entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Problem {
    /// Its document breaks a rule of the collection or of its schema.
    #[serde(rename = "invalid")]
    Invalid,
    /// It refers to an entity that is not there.
    #[serde(rename = "dangling reference")]
    DanglingReference,
}

impl Problem {
    /// The name as it is written in reports, for example `invalid`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::DanglingReference => "dangling reference",
        }
    }
}
