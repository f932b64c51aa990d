//! What an error of an object store means.
//!
//! The answer of a server may repeat the request with the name of the access key, so only its
//! status and its code are kept, and neither the answer nor the error is a source.

use std::error::Error as StdError;
use std::io;

use object_store::Error as Fault;
use object_store::client::{HttpError, HttpErrorKind};
use repo_core::{Error, ErrorKind};

/// What a request does to the store if it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing, or the same however often it is made.
    Repeatable,
    /// It creates: whether it did is not known after a lost answer.
    Creates,
}

/// The error of a request.
pub(super) fn fault(operation: &'static str, effect: Effect, fault: &Fault) -> Error {
    let status = status(fault);
    let (kind, message) = kind(effect, fault, status);
    let mut error = Error::new(kind, operation, message);
    if let Some(status) = status {
        error = error.with("status", status);
    }
    if let Some(code) = code(fault) {
        error = error.with("code", code);
    }
    if let Some(transport) = transport(fault) {
        error = error.with("transport", format!("{transport:?}"));
    }
    if let (Fault::Generic { source, .. }, None, None) = (fault, status, transport(fault)) {
        error = error.with("reason", source);
    }
    match kind {
        ErrorKind::OutcomeUnknown => error.hint("look whether the key is there, or delete it"),
        ErrorKind::PermissionDenied => {
            error.hint("check the credentials, and what they may do in this bucket")
        }
        _ => error,
    }
}

fn kind(effect: Effect, fault: &Fault, status: Option<u16>) -> (ErrorKind, &'static str) {
    match fault {
        // A list of a bucket that is not there has no kind of its own.
        _ if code(fault).as_deref() == Some("NoSuchBucket") => {
            (ErrorKind::NotFound, "there is no such bucket")
        }
        Fault::NotFound { .. } => (ErrorKind::NotFound, "the object store has no such object"),
        // S3 answers 409 to a request that met another one; nothing was applied.
        Fault::AlreadyExists { .. } if status == Some(409) => {
            (ErrorKind::Unavailable, "another request to the same key was under way")
        }
        Fault::AlreadyExists { .. } | Fault::Precondition { .. } | Fault::NotModified { .. } => {
            (ErrorKind::AlreadyExists, "there is a blob with this key")
        }
        Fault::PermissionDenied { .. } | Fault::Unauthenticated { .. } => {
            (ErrorKind::PermissionDenied, "the object store refuses access")
        }
        Fault::NotSupported { .. } | Fault::NotImplemented { .. } => {
            (ErrorKind::Unsupported, "the object store cannot do this")
        }
        _ if unknown_upload(fault) => (ErrorKind::NotFound, "the object store has no such upload"),
        _ => match (status, transport(fault)) {
            // Of a list this has no kind of its own either.
            (Some(401 | 403), _) => {
                (ErrorKind::PermissionDenied, "the object store refuses access")
            }
            (Some(429 | 503), _) => (ErrorKind::Unavailable, "the object store is throttled"),
            (Some(501), _) => (ErrorKind::Unsupported, "the object store cannot do this"),
            (Some(408 | 500..), _) => lost(effect, "the object store fails"),
            (None, Some(HttpErrorKind::Connect)) => {
                (ErrorKind::Unavailable, "the object store is not reached")
            }
            (None, Some(_)) => lost(effect, "the object store does not answer"),
            (None, None) => of_disk(fault),
            _ => UNEXPECTED,
        },
    }
}

const UNEXPECTED: (ErrorKind, &str) = (ErrorKind::Unexpected, "the object store reports an error");

/// What the file system says of objects in a folder.
fn of_disk(fault: &Fault) -> (ErrorKind, &'static str) {
    let found = chain(fault).find_map(|error| error.downcast_ref::<io::Error>());
    match found.map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            (ErrorKind::PermissionDenied, "the folder refuses access")
        }
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            (ErrorKind::Unavailable, "the disk is full")
        }
        _ => UNEXPECTED,
    }
}

fn lost(effect: Effect, message: &'static str) -> (ErrorKind, &'static str) {
    match effect {
        Effect::Repeatable => (ErrorKind::Unavailable, message),
        Effect::Creates => (ErrorKind::OutcomeUnknown, message),
    }
}

/// The error and what caused it.
fn chain(fault: &Fault) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let begin: &(dyn StdError + 'static) = fault;
    std::iter::successors(Some(begin), |error| (*error).source())
}

/// What the text of an error says behind these words. The type that has the status is not
/// public; a test with a server of its own holds the words to what they are.
fn said(fault: &Fault, words: &str) -> Option<String> {
    chain(fault).find_map(|error| {
        let text = error.to_string();
        text.split_once(words).map(|(_, rest)| rest.to_owned())
    })
}

/// The HTTP status of the last answer.
pub(super) fn status(fault: &Fault) -> Option<u16> {
    let rest = said(fault, "Server returned non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// What S3 calls the error: a word of letters.
pub(super) fn code(fault: &Fault) -> Option<String> {
    let rest = said(fault, "<Code>")?;
    let code = rest.split('<').next().unwrap_or_default();
    let is_word = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

fn transport(fault: &Fault) -> Option<HttpErrorKind> {
    chain(fault).find_map(|error| error.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// The store in memory has no kind of its own for this.
fn unknown_upload(fault: &Fault) -> bool {
    chain(fault).any(|error| error.to_string().starts_with("MultipartUpload not found"))
}
