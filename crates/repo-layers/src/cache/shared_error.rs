//! An error that several callers get.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use repo_core::{Error, ErrorKind};

/// The error for one of those who share it: the error itself for the last one, a copy
/// with the same words, context, hint and cause for the others.
pub(super) fn own(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|shared| copy(&shared))
}

fn copy(shared: &Arc<Error>) -> Error {
    // A conflict names the preconditions of a commit, which is that of another caller.
    // Of this one nothing was applied, and it may try again.
    let kind = match shared.kind() {
        ErrorKind::Conflict => ErrorKind::Unavailable,
        kind => kind,
    };
    let mut copy = Error::new(kind, shared.operation(), shared.message());
    for (name, value) in shared.context() {
        copy = copy.with(name, value);
    }
    if let Some(hint) = shared.hint_text() {
        copy = copy.hint(hint);
    }
    match shared.source() {
        Some(_) => copy.caused_by(Cause(Arc::clone(shared))),
        None => copy,
    }
}

/// What caused the shared error.
#[derive(Debug)]
struct Cause(Arc<Error>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(source) => fmt::Display::fmt(source, f),
            None => Ok(()),
        }
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{FailedPrecondition, Key, Precondition};

    use super::*;

    fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
        let (mut links, mut link) = (Vec::new(), Some(error));
        while let Some(error) = link {
            links.push(error.to_string());
            link = error.source();
        }
        links
    }

    #[test]
    fn a_copy_says_what_the_error_says() {
        let disk = std::io::Error::other("the disk is gone");
        let error = Error::new(ErrorKind::Unavailable, "get", "no answer")
            .with("store", "here")
            .hint("try again")
            .caused_by(disk);
        let (text, said) = (error.to_string(), chain(&error));
        let shared = Arc::new(error);
        let copied = own(Arc::clone(&shared));
        let last = own(shared);
        for error in [copied, last] {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.to_string(), text);
            assert_eq!(error.hint_text(), Some("try again"));
            assert_eq!(chain(&error), said);
        }
    }

    #[test]
    fn a_conflict_of_somebody_else_may_be_tried_again() {
        let key = Key::new("hosts".parse().unwrap(), "h".parse().unwrap());
        let failed = FailedPrecondition { key, expected: Precondition::Absent, actual: None };
        let conflict = Error::preconditions("commit", vec![(failed, true)]);
        let shared = Arc::new(conflict);
        assert_eq!(own(Arc::clone(&shared)).kind(), ErrorKind::Unavailable);
        assert_eq!(own(shared).kind(), ErrorKind::Conflict);
    }
}
