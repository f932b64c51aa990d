//! The headers of tus.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use repo_blob::{Md5, Sha256};
use repo_core::Timestamp;
use repo_data::Checksum;

use crate::http::ApiError;

pub(super) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(super) const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(super) const ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub(super) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const DEFER: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub(super) const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// A header of our own: the entry that the bytes are for.
pub(super) const ENTRY: HeaderName = HeaderName::from_static("upload-entry");
/// The name of the method that is meant, where the way to the server lets only `POST` through.
pub(super) const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The version of the protocol.
pub(super) const SPOKEN: HeaderValue = HeaderValue::from_static("1.0.0");
/// What is offered of it.
pub(super) const OFFERED: &str = "creation,expiration,checksum,termination";
/// The digests that a piece may be sent with.
pub(super) const ALGORITHMS: &str = "sha1,md5,sha256";
/// The type of a piece.
pub(super) const PIECE: &str = "application/offset+octet-stream";

/// The status of tus for bytes that have another digest.
pub(super) fn mismatch() -> StatusCode {
    StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A header that is a number; `None` where it is missing.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let digits = value
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| ApiError::bad_request(format!("{name} is no number of bytes")))
}

/// The digest that a piece has to have.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, ApiError> {
    let Some(value) = headers.get(CHECKSUM) else { return Ok(None) };
    let bad = || {
        ApiError::bad_request("Upload-Checksum is no algorithm with a digest in base64")
            .remedy(format!("send one of {ALGORITHMS}, a space, and the digest in base64"))
    };
    let (algorithm, digest) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(bad)?;
    let digest = digest.trim();
    Ok(Some(match algorithm {
        "md5" => Checksum::Md5(Md5::from_base64(digest).map_err(|_| bad())?),
        "sha256" => Checksum::Sha256(Sha256::from_base64(digest).map_err(|_| bad())?),
        "sha1" => {
            let bytes = BASE64_STANDARD.decode(digest).map_err(|_| bad())?;
            Checksum::Sha1(bytes.try_into().map_err(|_| bad())?)
        }
        _ => return Err(bad()),
    }))
}

/// A moment as HTTP writes it.
pub(super) fn date(moment: Timestamp) -> Option<HeaderValue> {
    let micros = u64::try_from(moment.as_micros()).ok()?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros))?;
    // The years that HTTP can write end with 9999.
    let last = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(253_402_300_799))?;
    HeaderValue::from_str(&httpdate::fmt_http_date(time.min(last))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, text: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, text.parse().unwrap())])
    }

    #[test]
    fn numbers_and_checksums_are_read_or_refused() {
        assert_eq!(number(&with(OFFSET, "12"), &OFFSET).unwrap(), Some(12));
        assert_eq!(number(&HeaderMap::new(), &OFFSET).unwrap(), None);
        for bad in ["", "-1", "+1", "1.0", "99999999999999999999"] {
            assert!(number(&with(OFFSET, bad), &OFFSET).is_err(), "{bad}");
        }
        let empty = "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=";
        assert!(matches!(checksum(&with(CHECKSUM, empty)), Ok(Some(Checksum::Sha1(_)))));
        for bad in ["sha1", "sha1 x", "crc32 AAAA", "md5 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", ""] {
            assert!(checksum(&with(CHECKSUM, bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_written_as_http_has_them() {
        let moment = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        assert_eq!(date(moment).unwrap(), "Sun, 01 Mar 2026 08:00:00 GMT");
        assert!(date(Timestamp::parse("1969-01-01T00:00:00Z").unwrap()).is_none());
    }
}
