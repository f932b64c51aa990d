//! `Idempotency-Key`: a write that is sent again is not done again.
//!
//! The record of a key is written in the same commit as the write it stands for, so a kill, a
//! lost answer or a race of two requests never does a write twice. The answer is added to the
//! record afterwards; where that was lost, a later request learns that the write was done.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    CollectionName, CollectionSchema, Comparison, Document, EntityId, ErrorKind, FieldPath, Filter,
    Key, Precondition, Predicate, Query, Result, Timestamp, Value, Write, Written,
};
use serde::{Deserialize, Serialize};

use super::answer::{json_text, tagged};
use crate::auth::Caller;
use crate::http::ApiError;
use crate::state::App;

/// The collection of the keys.
pub const COLLECTION: &str = "idempotency";
/// How long a key is remembered.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How long the first request may still be about to keep its answer.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// Longest answer that is kept, in bytes; it has to fit into a document of every store.
const MAX_ANSWER_BYTES: usize = 200 * 1024;
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The schema of the collection.
///
/// # Errors
/// None that can happen.
pub fn schema() -> Result<CollectionSchema> {
    CollectionSchema::builder(COLLECTION, "id").index(&["expires_at"]).build()
}

/// What is kept of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    /// A digest of the caller and the key.
    id: String,
    /// A digest of what was asked.
    fingerprint: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    answer: Option<Answer>,
}

/// An answer to a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    /// The version that was written, for the ETag.
    pub version: Option<repo_core::Version>,
    /// Where the document is, for one that was created.
    pub location: Option<String>,
    /// The JSON.
    pub body: String,
}

impl Answer {
    /// As a response.
    #[must_use]
    pub(super) fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = tagged(json_text(status, self.body.clone()), self.version);
        let location = self.location.as_ref().and_then(|text| HeaderValue::from_str(text).ok());
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// A write that is done at most once.
#[derive(Debug)]
pub struct Once {
    key: Key,
    record: Record,
}

impl Once {
    /// What a request asks for; `None` without a key.
    ///
    /// # Errors
    /// 400 for a key that is empty, too long or no text.
    pub fn of(
        app: &App,
        caller: &Caller,
        asked: (&Method, &str),
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let Some(given) = headers.get(HEADER) else { return Ok(None) };
        let given = given.as_bytes();
        if !(1..=MAX_KEY_BYTES).contains(&given.len()) {
            return Err(ApiError::bad_request("an Idempotency-Key has 1 to 255 bytes"));
        }
        let id = digest(&[caller.id().as_bytes(), given]);
        let conditions = [header::IF_MATCH, header::IF_NONE_MATCH]
            .map(|name| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
        let (method, path) = asked;
        let asked =
            [method.as_str().as_bytes(), path.as_bytes(), conditions[0], conditions[1], body];
        let now = app.clock.now();
        let record = Record {
            id: id.clone(),
            fingerprint: digest(&asked),
            created_at: now,
            expires_at: now.saturating_add(KEPT),
            answer: None,
        };
        let key = Key::new(CollectionName::new(COLLECTION)?, EntityId::new(&id)?);
        Ok(Some(Self { key, record }))
    }

    /// The answer to an earlier request with this key; `None` where this is the first one.
    async fn earlier(&self, app: &App) -> Result<Option<Response>, ApiError> {
        let Some(found) = app.store.get(&self.key.collection, &self.key.id).await? else {
            return Ok(None);
        };
        let found: Record = found.document.deserialize()?;
        let now = app.clock.now();
        if found.expires_at <= now {
            // It may be used anew once the old one is gone.
            app.store.delete(self.key.clone()).await?;
            return Ok(None);
        }
        if found.fingerprint != self.record.fingerprint {
            let why = "this Idempotency-Key was used for another request";
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
                .remedy("send another key with another request"));
        }
        let mut response = match found.answer {
            Some(answer) => answer.response(),
            None if now < found.created_at.saturating_add(UNDER_WAY) => {
                let why = "the first request with this Idempotency-Key is about to be answered";
                return Err(ApiError::new(StatusCode::CONFLICT, "Locked", why)
                    .retry_after(Duration::from_secs(1))
                    .remedy("send it again in a moment"));
            }
            None => {
                let body = serde_json::json!({
                    "applied": true,
                    "note": "the write was done; its answer was lost. Read what stands there now",
                });
                (StatusCode::OK, axum::Json(body)).into_response()
            }
        };
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    /// Keeps the answer. When that fails the write is done nevertheless.
    async fn keep(mut self, app: &App, answer: &Answer) {
        if answer.body.len() > MAX_ANSWER_BYTES {
            return;
        }
        self.record.answer = Some(answer.clone());
        let kept = match Document::from_serialize(&self.record) {
            Ok(document) => app.store.save(self.key, document).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "an answer could not be kept for its Idempotency-Key");
        }
    }
}

/// Does writes, once if there is a key, and answers.
///
/// # Errors
/// Those of the commit.
pub(super) async fn commit_once(
    app: &App,
    once: Option<Once>,
    mut writes: Vec<Write>,
    answer: impl FnOnce(&[Written]) -> Answer,
) -> Result<Response, ApiError> {
    let Some(once) = once else {
        let written = app.store.commit(writes).await?;
        return Ok(answer(&written).response());
    };
    if let Some(earlier) = once.earlier(app).await? {
        return Ok(earlier);
    }
    let own = writes.len();
    let document = Document::from_serialize(&once.record)?;
    writes.push(Write::put(once.key.clone(), document, Precondition::Absent));
    match app.store.commit(writes).await {
        Ok(mut written) => {
            written.truncate(own);
            let answer = answer(&written);
            once.keep(app, &answer).await;
            Ok(answer.response())
        }
        Err(error) => {
            // A request with the same key was quicker.
            let taken = error.failed_preconditions().iter().any(|failed| failed.key == once.key);
            if taken && let Some(earlier) = once.earlier(app).await? {
                return Ok(earlier);
            }
            Err(error.into())
        }
    }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_string()
}

/// Keys that are removed in one commit; every store takes as many.
const AT_ONCE: usize = 100;

/// Removes the keys that have expired, and what is left of them.
///
/// # Errors
/// Those of the store.
pub async fn remove_expired(store: &Arc<dyn StorageStrategy>, now: Timestamp) -> Result<u64> {
    let collection = CollectionName::new(COLLECTION)?;
    let path = FieldPath::parse("expires_at")?;
    let before = Predicate::Compare(Comparison::LessOrEqual, Value::String(now.to_string()));
    let query = Query::new(Filter::Field(path, before)).limit(AT_ONCE)?;
    let mut removed = 0;
    loop {
        let page = store.query(&collection, &query).await?;
        if page.entities.is_empty() {
            break;
        }
        removed += page.entities.len() as u64;
        let deletes = page
            .entities
            .iter()
            .map(|entity| Write::delete(entity.key(), Precondition::Version(entity.version)));
        match store.commit(deletes.collect()).await {
            // Another server removes the same ones.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                break;
            }
            done => done?,
        };
    }
    store.purge(&collection, now.saturating_sub(KEPT)).await?;
    Ok(removed)
}
