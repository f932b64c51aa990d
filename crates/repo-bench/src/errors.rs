//! Driver errors of the raw side, as the engine's own error type has them.

use std::error::Error as StdError;

use repo_core::{Error, ErrorKind};

/// The error of a raw call.
pub(crate) fn raw<E: StdError + Send + Sync + 'static>(
    operation: &'static str,
) -> impl Fn(E) -> Error {
    move |source| {
        // Several drivers say the reason only in the error below.
        let reason = match source.source() {
            Some(below) => format!("{source}: {below}"),
            None => source.to_string(),
        };
        Error::new(ErrorKind::Unavailable, operation, reason).caused_by(source)
    }
}

/// The error of a side that did something else than it was to do: its time
/// would mean nothing.
pub(crate) fn other_work(operation: &'static str, expected: usize, found: usize) -> Error {
    Error::new(ErrorKind::Corrupt, operation, "the benchmark did other work than it was to do")
        .with("expected", expected)
        .with("found", found)
}

/// Checks that a side did all its work.
pub(crate) fn expect(operation: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(other_work(operation, expected, found)) }
}
