//! Edison's uploads in parts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use repo_blob::{Md5, PartNumber, SignedMethod};
use repo_data::NewUpload;
use repo_data::model::{UploadId, UploadKind};
use serde::Deserialize;
use serde_json::json;

use super::access::entry_id;
use super::answer::json_response;
use super::error::Detailed;
use crate::access::changeable;
use crate::auth::{Need, Write};
use crate::bytes::Base;
use crate::http::{ApiError, RawBody, read_json};
use crate::state::App;

#[derive(Debug, Deserialize)]
struct Initiate {
    /// The MD5 of each part, in base64.
    part_hashes: Vec<String>,
}

/// Begins an upload in parts: a signed URL for each.
pub(super) async fn initiate(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Detailed> {
    let id = entry_id(&id)?;
    changeable(&app, &need.caller, &id).await?;
    let Initiate { part_hashes } = read_json(&body)?;
    if part_hashes.is_empty() {
        return Err(ApiError::bad_request("an upload has one part at least").into());
    }
    let hashes: Result<Vec<Md5>, _> =
        part_hashes.iter().map(|text| Md5::from_base64(text)).collect();
    let new = NewUpload { part_hashes: hashes?, ..NewUpload::new(id, UploadKind::Parts) };
    let upload = app.data.begin_upload(&new).await?.value.id;
    let base = Base::of(app.config.public_url.as_deref(), &headers)?;
    let now = app.clock.now();
    let urls: Vec<String> = (1..=part_hashes.len())
        .map(|number| {
            let path = format!("parts/{upload}/{number}");
            base.signed(&app.signer, (SignedMethod::Put, upload), &path, now, None)
        })
        .collect();
    Ok(json_response(&json!({ "upload_id": upload.to_string(), "part_urls": urls }), None)?)
}

#[derive(Debug, Deserialize)]
struct Complete {
    upload_id: String,
    parts: Vec<CompletedPart>,
}

#[derive(Debug, Deserialize)]
struct CompletedPart {
    part_number: u16,
    etag: Option<String>,
    /// The MD5, in base64.
    checksum: Option<String>,
}

impl CompletedPart {
    /// The MD5 that the client believes the part to have.
    fn md5(&self) -> Result<Option<Md5>, ApiError> {
        let of_checksum = self.checksum.as_deref().map(Md5::from_base64).transpose()?;
        let of_tag = self.etag.as_deref().map(|tag| tag.trim_matches('"').parse::<Md5>());
        let of_tag = of_tag.transpose()?;
        match (of_checksum, of_tag) {
            (Some(one), Some(other)) if one != other => {
                Err(ApiError::bad_request("the ETag and the checksum of a part differ")
                    .with("part_number", self.part_number))
            }
            (one, other) => Ok(one.or(other)),
        }
    }
}

/// Joins the parts. The entry becomes active by a PATCH.
pub(super) async fn complete(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Detailed> {
    let id = entry_id(&id)?;
    let found = changeable(&app, &need.caller, &id).await?;
    let Complete { upload_id, parts } = read_json(&body)?;
    let upload: UploadId = upload_id.parse()?;
    if found.value.upload != Some(upload) {
        return Err(ApiError::not_found("the entry has no such upload").into());
    }
    let mut listed = Vec::with_capacity(parts.len());
    for part in &parts {
        listed.push((PartNumber::new(part.part_number)?, part.md5()?));
    }
    let progress = app.data.complete_parts(&upload, &listed).await?;
    let digest = progress
        .complete
        .map(|digest| json!({ "size": digest.size, "sha256": digest.sha256.to_string() }));
    Ok(json_response(&digest.unwrap_or_else(|| json!({})), None)?)
}
