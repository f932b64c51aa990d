//! What a server and a network say, as errors of ours.

use std::error::Error as Cause;
use std::io;

use repo_core::{Error, ErrorKind};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// Names of values that errors of the server have; others are put together under one name.
const NAMED: [&str; 8] = ["id", "limit", "offset", "upload", "entry", "hold", "reason", "field"];

/// The body of an error.
#[derive(Debug, Deserialize)]
struct Body {
    error: Told,
}

#[derive(Debug, Deserialize)]
struct Told {
    kind: String,
    message: String,
    remedy: Option<String>,
    #[serde(default)]
    context: Map<String, Json>,
}

/// The error of an answer that is one.
pub(crate) fn refused(operation: &'static str, status: StatusCode, body: &[u8]) -> Error {
    let Ok(Body { error: told }) = serde_json::from_slice(body) else {
        let why = "the server answered what is no answer of a data service";
        return Error::new(kind_of(status, ""), operation, why)
            .with("status", status.as_u16())
            .hint("is the URL of the server right, and is nothing between that answers for it?");
    };
    let mut error = Error::new(kind_of(status, &told.kind), operation, told.message)
        .with("status", status.as_u16());
    for (name, value) in &told.context {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        error = match NAMED.iter().find(|known| *known == name) {
            Some(known) => error.with(known, text),
            None => error.with("about", format!("{name} {text}")),
        };
    }
    match told.remedy {
        Some(remedy) => error.hint(remedy),
        None => error,
    }
}

fn kind_of(status: StatusCode, kind: &str) -> ErrorKind {
    let named = ErrorKind::ALL.iter().find(|known| known.as_str() == kind).copied();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
        StatusCode::PRECONDITION_FAILED => ErrorKind::Invalid,
        _ if named == Some(ErrorKind::Locked) => ErrorKind::Unavailable,
        // A conflict of ours has a list of preconditions.
        _ if named == Some(ErrorKind::Conflict) => ErrorKind::Invalid,
        _ => named.unwrap_or(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INSUFFICIENT_STORAGE => {
                ErrorKind::LimitExceeded
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unavailable,
            status if status.is_server_error() => ErrorKind::Unavailable,
            status if status.is_client_error() => ErrorKind::Invalid,
            _ => ErrorKind::Unexpected,
        }),
    }
}

/// The error of a request that had no answer. The URL is left out: the caller names it.
pub(crate) fn unreached(operation: &'static str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    if let Some(refused @ rustls::Error::InvalidCertificate(_)) = tls_fault(&error) {
        return untrusted(operation, refused);
    }
    let kind = if error.is_builder() { ErrorKind::ConfigInvalid } else { ErrorKind::Unavailable };
    let why = if error.is_connect() {
        "the server cannot be reached"
    } else if error.is_timeout() {
        "the server did not answer in time"
    } else {
        "the connection to the server broke off"
    };
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        reason = source.to_string();
        cause = source.source();
    }
    Error::new(kind, operation, why).with("reason", reason)
}

/// The error of a server whose certificate is not accepted. Asking again would not help.
fn untrusted(operation: &'static str, refused: &rustls::Error) -> Error {
    let why = "the certificate of the server is not trusted";
    Error::new(ErrorKind::PermissionDenied, operation, why).with("reason", refused).hint(
        "name a file with the certificate of who signed it with --ca-file FILE, and the server as \
         its certificate does",
    )
}

/// What TLS says of a connection, where that is why there is none.
fn tls_fault<'a>(error: &'a (dyn Cause + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // An error of reading and writing holds another one, which is not its source.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => tls_fault(held),
        None => tls_fault(error.source()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_server_are_kept() {
        let body = br#"{"error":{"kind":"NotFound","message":"there is no such entry",
            "remedy":"look","context":{"id":"e1","strange":7}}}"#;
        let error = refused("read", StatusCode::NOT_FOUND, body);
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::NotFound, "there is no such entry")
        );
        assert_eq!(error.context_value("id"), Some("e1"));
        assert_eq!(error.context_value("about"), Some("strange 7"));
        let proxy = refused("read", StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(proxy.kind(), ErrorKind::Unavailable);
        let denied = refused("read", StatusCode::UNAUTHORIZED, b"{}");
        assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
    }
}
