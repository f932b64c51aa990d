//! What a handler answers.

use repo_core::Error;

/// Why a handler did not do its work.
#[derive(Debug)]
pub enum HandlerError {
    /// The changes may succeed when they are tried again; after [`MAX_ATTEMPTS`](crate::MAX_ATTEMPTS) they
    /// are put aside, with these words.
    Failed(String),
    /// Nothing can succeed: following ends with this error, and the changes come again.
    Stop(Error),
}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}
