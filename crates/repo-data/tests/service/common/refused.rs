//! What was refused, and short ways to say what is asked.

use repo_core::{ErrorKind, Result, Version};
use repo_data::{NewContent, NewEntry, Refusal};

use super::story::entry;

pub fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Refusal {
    let error = result.unwrap_err();
    Refusal::of(&error).unwrap_or_else(|| panic!("{error:?}"))
}

pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

pub fn text(name: &str, text: &str) -> NewEntry {
    entry(name, NewContent::Text(text.to_owned()))
}

pub fn other_version() -> Option<Version> {
    Some(Version::new(77).unwrap())
}
