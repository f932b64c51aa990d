//! Which status an error has.

use std::fmt;

use axum::http::StatusCode;
use repo_core::{Error, ErrorKind, Remedy};
use repo_data::Refusal;

/// The operation of the core that names a broken rule of a document.
const CHECK_A_DOCUMENT: &str = "check a document";
/// What is wrong with the text itself, rather than with what it says.
const MALFORMED: [&str; 4] = [
    "not well-formed JSON",
    "the JSON text ends too early",
    "text after the end of the JSON value",
    "the text is not UTF-8",
];

/// The remedy of an error about a body that stopped arriving, which tells it from what is the
/// server's own trouble.
#[derive(Debug, Clone, Copy)]
pub struct SendAgain;

impl fmt::Display for SendAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("send it again")
    }
}

impl Remedy for SendAgain {}

/// The status of an error.
#[must_use]
pub fn status_of(error: &Error) -> StatusCode {
    if let Some(refusal) = Refusal::of(error) {
        return of_refusal(refusal);
    }
    if error.remedy_as::<SendAgain>().is_some() {
        return StatusCode::REQUEST_TIMEOUT;
    }
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid if breaks_a_rule(error) => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::LimitExceeded => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::FeedExpired => StatusCode::GONE,
        ErrorKind::Unavailable | ErrorKind::Locked | ErrorKind::Closed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What stands in the way although the request is well formed: mostly the state of something.
fn of_refusal(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Deleted => StatusCode::NOT_FOUND,
        Refusal::Expired | Refusal::SpoolLost => StatusCode::GONE,
        Refusal::WrongDigest => StatusCode::BAD_REQUEST,
        Refusal::Quota => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::SpilledValue => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::SourceNotAllowed => StatusCode::FORBIDDEN,
        _ => StatusCode::CONFLICT,
    }
}

fn breaks_a_rule(error: &Error) -> bool {
    error.operation() == CHECK_A_DOCUMENT && !MALFORMED.contains(&error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_status_and_only_ours_are_500() {
        for &kind in ErrorKind::ALL {
            let status = status_of(&Error::new(kind, "test", "met"));
            let internal = matches!(
                kind,
                ErrorKind::OutcomeUnknown
                    | ErrorKind::Corrupt
                    | ErrorKind::ConfigInvalid
                    | ErrorKind::Foreign
                    | ErrorKind::Unexpected
                    // Without a list of preconditions it is `Unexpected`.
                    | ErrorKind::Conflict
            );
            assert_eq!(status == StatusCode::INTERNAL_SERVER_ERROR, internal, "{kind}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_told_from_a_document_that_breaks_a_rule() {
        let status = |text: &str| status_of(&repo_core::Document::parse(text).unwrap_err());
        for text in ["{", "{}x", "nope"] {
            assert_eq!(status(text), StatusCode::BAD_REQUEST, "{text}");
        }
        for text in ["[]", r#"{"":1}"#, r#"{"_version":1}"#, r#"{"a":1,"a":1}"#] {
            assert_eq!(status(text), StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        }
    }
}
