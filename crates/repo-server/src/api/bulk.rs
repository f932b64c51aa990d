//! Several writes in one commit: all are done, or none.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use repo_core::{CollectionSchema, Document, EntityId, Key, Precondition, Version, Write};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::written_json;
use super::idempotency::{Answer, Once, commit_once};
use super::visibility::writable;
use crate::auth::{Need, Write as Writing};
use crate::http::{ApiError, NamePath, RawBody, read_json};
use crate::state::App;

/// Most operations of one request. A store may take fewer.
const MAX_OPERATIONS: usize = 1_000;

/// Several writes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    /// 1 to 1,000, each of another document.
    operations: Vec<Operation>,
}

/// One write.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Operation {
    /// What is done.
    op: Op,
    /// The document to be put, under the id that it carries.
    #[schema(value_type = Option<Object>)]
    document: Option<Box<RawValue>>,
    /// The id of the document to be deleted.
    id: Option<String>,
    /// Only this version of it.
    if_version: Option<u64>,
    /// Only where there is none.
    #[serde(default)]
    if_absent: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Op {
    /// Stores a document.
    Put,
    /// Deletes a document, if it is there.
    Delete,
}

impl Operation {
    /// As a write.
    fn write(self, schema: &CollectionSchema) -> Result<Write, ApiError> {
        let condition = condition(self.if_version, self.if_absent)?;
        let key = |id: EntityId| Key::new(schema.collection.clone(), id);
        match (self.op, self.document, self.id) {
            (Op::Put, Some(document), None) => {
                let document = Document::parse(document.get())?;
                Ok(Write::put(key(schema.id_of(&document)?), document, condition))
            }
            (Op::Delete, None, Some(id)) if !self.if_absent => {
                Ok(Write::delete(key(EntityId::new(&id)?), condition))
            }
            _ => Err(ApiError::bad_request(
                "a put has a document, a delete has an id, and neither has both",
            )),
        }
    }
}

/// Does several writes in one commit: all of them, or none.
#[utoipa::path(post, path = "/api/v1/collections/{collection}/bulk", tag = "documents",
    params(("collection" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Bulk,
    responses((status = 200, description = "What each write left, in their order."),
        (status = 409), (status = 413), (status = 422)))]
pub(super) async fn bulk(
    need: Need<Writing>,
    State(app): State<Arc<App>>,
    NamePath(collection): NamePath,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    writable(&collection)?;
    let once = Once::of(&app, &need.caller, (&Method::POST, uri.path()), &headers, &body)?;
    let Bulk { operations } = read_json(&body)?;
    check_count(&app, operations.len(), once.is_some())?;
    let by = need.caller.attribution(&headers)?;
    let schema = app.schema(&collection);
    let mut seen: HashSet<EntityId> = HashSet::with_capacity(operations.len());
    let mut writes = Vec::with_capacity(operations.len());
    for (at, operation) in operations.into_iter().enumerate() {
        let named = |error: ApiError| error.with("operation", at);
        let write = operation.write(&schema).map_err(named)?.attributed_to(by.clone());
        if !seen.insert(write.key.id.clone()) {
            return Err(named(ApiError::bad_request("an id stands in two operations")));
        }
        writes.push(write);
    }
    let ids: Vec<EntityId> = writes.iter().map(|write| write.key.id.clone()).collect();
    commit_once(&app, once, writes, |written| {
        let results: Vec<_> = ids
            .iter()
            .zip(written)
            .map(|(id, written)| written_json(id.as_str(), written))
            .collect();
        Answer {
            status: StatusCode::OK.as_u16(),
            version: None,
            location: None,
            body: serde_json::json!({ "results": results }).to_string(),
        }
    })
    .await
}

fn check_count(app: &App, count: usize, once: bool) -> Result<(), ApiError> {
    let of_store = app.store.capabilities().max_commit_keys.unwrap_or(MAX_OPERATIONS + 1);
    // The record of the Idempotency-Key is written in the same commit.
    let most = MAX_OPERATIONS.min(of_store - usize::from(once && of_store <= MAX_OPERATIONS));
    if count == 0 {
        return Err(ApiError::bad_request("there are no operations"));
    }
    if count > most {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "LimitExceeded",
            "there are more operations than one commit takes",
        )
        .with("operations", count)
        .with("limit", most)
        .remedy("send them in several requests"));
    }
    Ok(())
}

fn condition(version: Option<u64>, absent: bool) -> Result<Precondition, ApiError> {
    match (version, absent) {
        (None, false) => Ok(Precondition::Any),
        (None, true) => Ok(Precondition::Absent),
        (Some(version), false) => Ok(Precondition::Version(Version::new(version)?)),
        (Some(_), true) => {
            Err(ApiError::bad_request("if_version and if_absent exclude each other"))
        }
    }
}
