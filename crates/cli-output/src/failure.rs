//! How a command fails, and how that is reported to people and to programs.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use repo_core::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::exit_code;
use crate::redact::redact;
use crate::remedies::hint_of;

/// What a command returns: what it gives, or why it stopped.
pub type Outcome<T> = std::result::Result<T, Failure>;

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Something failed.
    Error(Error),
    /// Something failed, and the result on standard output says so already.
    Reported(Error),
    /// The reader of standard output has ended (`| head`): nobody is left
    /// to write to, which is not a failure of ours.
    ReaderGone,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// A failed write to standard output.
    #[must_use]
    pub fn writing(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::Error(
            Error::new(ErrorKind::Unavailable, "write the result", "standard output failed")
                .with("reason", &source)
                .caused_by(source),
        )
    }
}

/// An error in what the caller typed: the same words, as `ConfigInvalid`.
#[must_use]
pub fn usage(error: Error) -> Error {
    error.into_kind(ErrorKind::ConfigInvalid)
}

/// An error in what the caller typed.
#[must_use]
pub fn wrong_usage(operation: &'static str, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, operation, why)
}

/// The error of a file that cannot be read.
#[must_use]
pub fn unreadable(operation: &'static str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, operation, "the file cannot be read")
        .with("file", path.display())
        .with("reason", &source)
        .caused_by(source)
}

/// The error for a person: what happened, to what, and what to do now.
#[must_use]
pub fn for_people(error: &Error) -> String {
    let mut text = format!("error: {}: {}\n", error.operation(), error.message());
    for (name, value) in error.context() {
        let _ = writeln!(text, "  {name}: {value}");
    }
    if error.context_value("reason").is_none() {
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let _ = writeln!(text, "  because: {cause}");
            source = cause.source();
        }
    }
    if let Some(hint) = hint_of(error) {
        let _ = writeln!(text, "hint: {hint}");
    }
    redact(&text)
}

/// What is reported when a store could not be closed in order. What the command
/// did was acknowledged before and stays, so this is a warning beside its
/// result and never takes its place.
pub(crate) fn closing_failed(error: &Error) -> String {
    let hint = hint_of(error).map(|hint| format!("; {hint}")).unwrap_or_default();
    redact(&format!("what was done stays; closing the store failed afterwards: {error}{hint}"))
}

/// The error for a program.
#[derive(Debug, Serialize)]
pub struct ErrorView {
    kind: &'static str,
    operation: String,
    message: String,
    context: Map<String, Json>,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_preconditions: Vec<FailedView>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct FailedView {
    collection: String,
    id: String,
    expected: String,
    actual_version: Option<u64>,
}

impl ErrorView {
    /// The error in one line: what happened, and why.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!("{}: {}", self.operation, self.message);
        if let Some(reason) = self.context.get("reason").and_then(Json::as_str) {
            let _ = write!(text, ": {reason}");
        }
        text
    }

    /// What a program reads of this error; without the user parts of URLs.
    #[must_use]
    pub fn new(error: &Error) -> Self {
        let mut context = Map::new();
        for (name, value) in error.context() {
            context.entry(*name).or_insert_with(|| Json::String(redact(value)));
        }
        let failed = error.failed_preconditions().iter().map(|failed| FailedView {
            collection: failed.key.collection.to_string(),
            id: failed.key.id.to_string(),
            expected: failed.expected.to_string(),
            actual_version: failed.actual.map(repo_core::Version::get),
        });
        Self {
            kind: error.kind().as_str(),
            operation: error.operation().to_owned(),
            message: redact(error.message()),
            context,
            hint: hint_of(error).as_deref().map(redact),
            failed_preconditions: failed.collect(),
            exit_code: exit_code::of(error.kind()),
        }
    }
}

/// The one object that a failing command prints for a program.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject {
    error: ErrorView,
}

impl ErrorObject {
    pub(crate) fn new(error: &Error) -> Self {
        Self { error: ErrorView::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_happened_to_what_and_what_to_do() {
        let error = Error::new(ErrorKind::NotFound, "get", "no such entity")
            .with("id", "m-1")
            .hint("create it first");
        assert_eq!(
            for_people(&error),
            "error: get: no such entity\n  id: m-1\nhint: create it first\n"
        );
    }

    #[test]
    fn no_form_of_an_error_shows_the_password_of_a_url() {
        let error = Error::new(ErrorKind::Unavailable, "open", "refused")
            .with("url", "postgresql://u:s3cret@host/db")
            .hint("is postgresql://u:s3cret@host/db right?");
        let text = for_people(&error);
        let json = serde_json::to_string(&ErrorObject::new(&error)).unwrap();
        assert!(!text.contains("s3cret") && !json.contains("s3cret"), "{text}{json}");
        assert!(text.contains("postgresql://***@host/db"));
    }
}
