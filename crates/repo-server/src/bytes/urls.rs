//! URLs that carry a permission of their own.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use repo_blob::{BlobKey, FileName, Grant, SignedMethod, UrlSigner};
use repo_core::{EntityId, Result, Timestamp};
use repo_data::model::derived_id;

use crate::http::ApiError;

/// What the paths of such URLs begin with. No key is asked for there.
pub const SIGNED: &str = "/signed";
/// How long they are good.
const GOOD: Duration = Duration::from_secs(24 * 3_600);

/// What a client calls this server, without a slash at the end.
#[derive(Debug, Clone)]
pub struct Base(String);

impl Base {
    /// The configured URL, or what the request says in `Host`.
    ///
    /// # Errors
    /// 400 for a request without a usable `Host`.
    pub fn of(configured: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(url) = configured {
            return Ok(Self(url.trim_end_matches('/').to_owned()));
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let plain = |host: &&str| {
            !host.is_empty()
                && host.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric()
                        || matches!(byte, b'.' | b':' | b'-' | b'[' | b']' | b'_')
                })
        };
        let host = host.filter(plain).ok_or_else(|| {
            ApiError::bad_request("the request has no usable Host")
                .remedy("set `server.public_url` in the configuration")
        })?;
        Ok(Self(format!("http://{host}")))
    }

    /// A URL that lets its holder do this, for a day.
    #[must_use]
    pub fn signed(
        &self,
        signer: &UrlSigner,
        (method, key): (SignedMethod, BlobKey),
        path: &str,
        now: Timestamp,
        file_name: Option<FileName>,
    ) -> String {
        let expires = now.saturating_add(GOOD);
        let query = signer.sign(&Grant { method, key, expires, file_name });
        format!("{}{SIGNED}/{path}?{query}", self.0)
    }
}

/// The key that stands in a signature for a file outside, by its number in its entry.
///
/// # Errors
/// None in practice.
pub fn key_of_outside(id: &EntityId, number: usize) -> Result<BlobKey> {
    key_of(&derived_id(id.as_str(), &format!("outside\n{number}"))?)
}

/// The key that stands for an id in a signature: a UUID has as many bits as a key.
///
/// # Errors
/// `Invalid` for what is no UUID.
pub fn key_of(id: &EntityId) -> Result<BlobKey> {
    id.as_str().replace('-', "").parse()
}
