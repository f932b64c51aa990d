//! What is refused, in words.

use repo_core::{Error, ErrorKind, Key};

use crate::intent_id::IntentId;

pub(crate) const COMMIT: &str = "commit across stores";

/// Whether a store has refused a commit for good: it was not done, and the same one will not be
/// done later either, unless somebody changes what is stored.
pub(crate) fn is_final(error: &Error) -> bool {
    let refused =
        [ErrorKind::NotFound, ErrorKind::Invalid, ErrorKind::LimitExceeded, ErrorKind::Unsupported];
    names_preconditions(error) || refused.contains(&error.kind())
}

pub(crate) fn names_preconditions(error: &Error) -> bool {
    !error.failed_preconditions().is_empty()
}

/// Whether a record that was written is another one by now.
pub(crate) fn names(error: &Error, key: &Key) -> bool {
    error.failed_preconditions().iter().any(|failed| failed.key == *key)
}

/// The second store has refused, and the first one is as it was.
pub(crate) fn taken_back(id: IntentId, refused: Option<Error>) -> Error {
    match refused {
        Some(error) => error.with("intent", id).hint(
            "the second store refused its writes, and those of the first one were taken back: \
             read both, and commit again",
        ),
        None => {
            let why = "another process found that the second store refuses its writes, and took \
                       those of the first one back";
            Error::new(ErrorKind::Unavailable, COMMIT, why)
                .with("intent", id)
                .hint("read both stores, and commit again")
        }
    }
}

/// The first store has its writes; what becomes of the second one is not known yet.
pub(crate) fn pending(id: IntentId, cause: Error) -> Error {
    let why = "the first store has its writes, and what became of those of the second one is \
               not known; the intent is recorded";
    Error::new(ErrorKind::OutcomeUnknown, COMMIT, why)
        .with("intent", id)
        .with("cause", cause.message())
        .hint("do not commit again: recover completes it or takes it back")
        .caused_by(cause)
}

/// The stores differ, and only a person can say what is right.
pub(crate) fn stuck(id: IntentId, refused: Option<Error>) -> Error {
    let why = "the first store has its writes and cannot lose them, the second one does not \
               have its own";
    let error = Error::new(ErrorKind::OutcomeUnknown, COMMIT, why)
        .with("intent", id)
        .hint("list says what stands in the way; retry tries again, give_up leaves it so");
    match refused {
        Some(cause) => error.with("cause", cause.message()).caused_by(cause),
        None => error,
    }
}

/// Somebody else has ended it, and nothing is left to see how.
pub(crate) fn ended_elsewhere(id: IntentId) -> Error {
    let why = "another process has ended this commit, and nothing is left that says how";
    Error::new(ErrorKind::OutcomeUnknown, COMMIT, why)
        .with("intent", id)
        .hint("read both stores before committing again")
}

/// Others have it under way, or it was left between two steps.
pub(crate) fn under_way(id: IntentId) -> Error {
    let why = "another process is between two steps of this commit";
    Error::new(ErrorKind::Unavailable, "settle an intent", why)
        .with("intent", id)
        .hint("try again; if it stays so, one store was put back to an older state: retry it")
}

pub(crate) fn no_such_intent(id: IntentId, operation: &'static str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "there is no such intent in the first store")
        .with("intent", id)
        .hint("it has ended, or is one of another pair of stores; list names those there are")
}

/// Others were faster each time. Nothing was written.
pub(crate) fn overtaken(last: Error) -> Error {
    let why = "others changed the same entities of the first store again and again; nothing was \
               written";
    Error::new(ErrorKind::Unavailable, COMMIT, why).caused_by(last)
}
