//! What is in the zip of an entry, without fetching it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use repo_core::ErrorKind;
use repo_data::directory::{NodeKind, ZipEntry, ZipLimits, list_zip};
use repo_data::model::{BlobRef, Content};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::access::readable;
use crate::api::answer::serialized;
use crate::auth::{Need, Read};
use crate::bytes::BlobFile;
use crate::http::{ApiError, IdPath};
use crate::state::App;

/// How much is looked at: a read in the store of blobs for each member.
const LIMITS: ZipLimits = ZipLimits { members: 1_000, total_bytes: u64::MAX, list_bytes: 4 << 20 };
/// Zips that are looked into at a time.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// A file or a directory in a zip.
#[derive(Debug, Serialize, ToSchema)]
struct Member {
    /// Where it is.
    path: String,
    /// `file` or `directory`.
    kind: &'static str,
    /// Bytes of a file, as the zip says.
    size: Option<u64>,
}

impl Member {
    fn new(entry: &ZipEntry) -> Self {
        let (kind, size) = match entry.kind {
            NodeKind::File { size } => ("file", Some(size)),
            NodeKind::Directory => ("directory", None),
        };
        Self { path: entry.path.to_string(), kind, size }
    }
}

/// What is in a zip.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Members {
    /// In the order of its list.
    items: Vec<Member>,
}

/// What is in the zip of a file or collection, without fetching it; 1,000 members at most. A zip
/// that could harm who unpacks it is refused, with the reason.
#[utoipa::path(get, path = "/api/v1/entries/{id}/members", tag = "entries",
    params(("id" = String, Path)),
    responses((status = 200, body = Members), (status = 404),
        (status = 409, description = "The content is no zip, or none that is read here."),
        (status = 413)))]
pub(in crate::api) async fn members(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
) -> Result<Response, ApiError> {
    let entry = readable(&app, &need.caller, &id).await?.value;
    let Content::Stored(blob) = entry.content else {
        let why = "the entry has no file that could be a zip";
        return Err(ApiError::new(StatusCode::CONFLICT, "Invalid", why));
    };
    let items = listed(&app, &blob).await?.iter().map(Member::new).collect();
    serialized(StatusCode::OK, &Members { items }, None)
}

async fn listed(app: &App, blob: &BlobRef) -> Result<Vec<ZipEntry>, ApiError> {
    let Ok(permit) = AT_ONCE.acquire().await else {
        return Err(ApiError::busy("the server is about to stop"));
    };
    let file = BlobFile::new(app.data.clone(), Handle::current(), blob);
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        list_zip(file, &LIMITS)
    });
    let listed = work.await.map_err(|_| {
        let why = "the server made a mistake";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", why)
    })?;
    listed.map_err(|error| match error.kind() {
        ErrorKind::Invalid => ApiError::from(error).with_status(StatusCode::CONFLICT),
        ErrorKind::LimitExceeded => {
            ApiError::from(error).remedy("fetch the zip, and list it there")
        }
        _ => error.into(),
    })
}
