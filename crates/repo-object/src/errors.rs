//! The only place that words what is wrong with objects.

use repo_core::strategy::Action;
use repo_core::{Error, ErrorKind};

use crate::format::Unreadable;

/// An object that cannot be read.
pub(crate) fn unreadable(location: &str, name: &str, why: Unreadable) -> Error {
    let error = match why {
        Unreadable::Foreign => {
            let why = "an object that is not ours stands where one of the store belongs";
            Error::new(ErrorKind::Foreign, "read the store", why)
                .hint("name another prefix or folder, or take the object away")
        }
        Unreadable::Newer(layout) => {
            let why = "the store is of a newer layout than this program knows";
            Error::new(ErrorKind::Unsupported, "read the store", why)
                .with("layout", layout)
                .hint("use a newer version of the program")
        }
        Unreadable::Damaged(byte) => {
            Error::new(ErrorKind::Corrupt, "read the store", "an object of the store is damaged")
                .with("byte", byte)
                .hint("put the object back as it was; a bucket with versions has it")
        }
    };
    error.with("store", location).with("object", name)
}

/// An object that is sound, and is not what its name says.
pub(crate) fn misplaced(location: &str, name: &str, why: &str) -> Error {
    let message = "an object is not what its name says";
    Error::new(ErrorKind::Corrupt, "read the store", message)
        .with("store", location)
        .with("object", name)
        .with("reason", why)
        .hint("something has copied or renamed objects of the store; put them back")
}

/// An object that a checkpoint names, or that stands between others.
pub(crate) fn missing(location: &str, name: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read the store", "an object of the store is missing")
        .with("store", location)
        .with("object", name)
        .hint("put the object back; a bucket with versions has it")
}

/// A change that makes no sense where it stands.
pub(crate) fn senseless(location: &str, name: &str) -> Error {
    let why = "an object says what cannot be said there";
    Error::new(ErrorKind::Corrupt, "read the store", why)
        .with("store", location)
        .with("object", name)
        .hint("objects of two stores may have been mixed; restore the store from a backup")
}

/// A handle whose state does not hold together.
pub(crate) fn poisoned(operation: &'static str, location: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the store stopped, since it could not be read")
        .with("store", location)
        .with("reason", reason)
        .hint("find out why, then open the store again")
}

/// There is no store.
pub(crate) fn no_store(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "there is no store in this place")
        .with("store", location)
        .hint(format!("check the location; a new store is made with {}", Action::Prepare))
}

/// The index would take more memory than is allowed.
pub(crate) fn index_too_large(
    operation: &'static str,
    location: &str,
    bytes: u64,
    most: u64,
) -> Error {
    let why = "the index of the store would take more memory than is allowed";
    Error::new(ErrorKind::LimitExceeded, operation, why)
        .with("store", location)
        .with("bytes", bytes)
        .with("most_bytes", most)
        .hint("raise max_index_bytes in storage.object_strategy, purge tombstones, or shorten histories")
}

/// Work that was broken off: the task that did it ended without an answer.
pub(crate) fn interrupted(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the work was interrupted")
        .with("store", location)
}

/// The task that writes ended while it worked.
pub(crate) fn unanswered(operation: &'static str, location: &str) -> Error {
    let why = "the task that writes ended without an answer";
    Error::new(ErrorKind::OutcomeUnknown, operation, why)
        .with("store", location)
        .hint("read before writing again")
}

/// A store is used from a thread that has no runtime.
pub(crate) fn no_runtime(operation: &'static str, location: &str) -> Error {
    let why = "an object store is used within a tokio runtime, and there is none here";
    Error::new(ErrorKind::Unexpected, operation, why).with("store", location)
}

/// Others were faster, each time.
pub(crate) fn outrun(operation: &'static str, location: &str) -> Error {
    let why = "other processes wrote to the store each time before this one could";
    Error::new(ErrorKind::Unavailable, operation, why)
        .with("store", location)
        .hint("try again; commits of one process that wait share one object, so write from fewer processes")
}

/// A commit whose object was created so late that its number may have been used before.
pub(crate) fn late(location: &str, name: &str) -> Error {
    let why = "the commit took so long that it may stand where a commit was removed before";
    Error::new(ErrorKind::OutcomeUnknown, "commit", why)
        .with("store", location)
        .with("object", name)
        .hint("read before writing again")
}

/// A store that does not keep what is there.
pub(crate) fn ignores_conditions(location: &str) -> Error {
    let why = "the object store ignores the condition of a write: commits would be lost";
    Error::new(ErrorKind::Unsupported, "prepare", why)
        .with("store", location)
        .hint("use a server that knows conditional writes (If-None-Match)")
}

/// A store that does not show what was written.
pub(crate) fn shows_late(location: &str) -> Error {
    let why = "the object store does not show an object that was just written";
    Error::new(ErrorKind::Unsupported, "prepare", why)
        .with("store", location)
        .hint("use a server whose reads and lists are strongly consistent, and no cache before it")
}

/// Something else is in the place of a new store.
pub(crate) fn occupied(location: &str, name: &str) -> Error {
    let why = "there are objects that are not ours in the place of the new store";
    Error::new(ErrorKind::Foreign, "prepare", why)
        .with("store", location)
        .with("object", name)
        .hint("choose a prefix or a folder of its own")
}

/// Checkpoints of other processes came in between, each time.
pub(crate) fn checkpoint_outrun(operation: &'static str, location: &str) -> Error {
    let why = "other processes made checkpoints of the store at the same time";
    Error::new(ErrorKind::Unavailable, operation, why).with("store", location).hint("try again")
}

/// The same error once more: a failed group answers each of its requests.
pub(crate) fn repeat(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.operation(), error.message());
    for (name, value) in error.context() {
        copy = copy.with(name, value);
    }
    match error.hint_text() {
        Some(hint) => copy.hint(hint),
        None => copy,
    }
}
