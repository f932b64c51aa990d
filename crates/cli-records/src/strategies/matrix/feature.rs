//! A row: a feature, and what shows it or why it is refused.

use serde::Serialize;

/// A feature of one of the documents that the project began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// What it is.
    pub name: &'static str,
    /// What shows it.
    pub answer: Answer,
}

/// What shows a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A command of `repoctl` or `migrateRepository`, as it is typed: its words, then flags
    /// and, in capitals, what a caller puts there.
    Command(&'static str),
    /// A page that says how it is used.
    Page {
        /// From the folder of the project.
        path: &'static str,
        /// What stands there of it.
        words: &'static str,
    },
    /// It is not there, and will not be.
    Refused {
        /// Why.
        reason: &'static str,
        /// What stands in its place.
        instead: &'static str,
    },
}

pub(super) const fn command(name: &'static str, line: &'static str) -> Feature {
    Feature { name, answer: Answer::Command(line) }
}

pub(super) const fn page(name: &'static str, path: &'static str, words: &'static str) -> Feature {
    Feature { name, answer: Answer::Page { path, words } }
}

pub(super) const fn refused(
    name: &'static str,
    reason: &'static str,
    instead: &'static str,
) -> Feature {
    Feature { name, answer: Answer::Refused { reason, instead } }
}
