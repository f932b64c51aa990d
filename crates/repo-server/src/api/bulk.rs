//! Several writes in one commit: all are done, or none.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use repo_core::{Document, EntityId, Key, Precondition, Version, Write};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::written_json;
use super::collections::writable;
use super::idempotency::{Answer, Once, commit_once};
use crate::auth::{Need, Write as Writing};
use crate::http::{ApiError, NamePath, RawBody, read_json};
use crate::state::App;

/// Most operations of one request. A store may take fewer.
const MAX_OPERATIONS: usize = 1_000;

/// Several writes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// 1 to 1,000, each of another document.
    operations: Vec<Operation>,
}

/// One write.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Operation {
    /// Stores a document under the id that it carries.
    Put {
        /// The document.
        #[schema(value_type = Object)]
        document: Box<RawValue>,
        /// Only over this version.
        if_version: Option<u64>,
        /// Only where there is none.
        #[serde(default)]
        if_absent: bool,
    },
    /// Deletes a document, if it is there.
    Delete {
        /// Its id.
        id: String,
        /// Only this version.
        if_version: Option<u64>,
    },
}

/// Does several writes in one commit: all of them, or none.
#[utoipa::path(post, path = "/api/v1/collections/{collection}/bulk", tag = "documents",
    params(("collection" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Bulk,
    responses((status = 200, description = "What each write left, in their order."),
        (status = 409), (status = 413), (status = 422)))]
pub async fn bulk(
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
    let mut ids: HashSet<EntityId> = HashSet::with_capacity(operations.len());
    let mut writes = Vec::with_capacity(operations.len());
    for (at, operation) in operations.into_iter().enumerate() {
        let named = |error: ApiError| error.with("operation", at);
        let key = |id: &EntityId| Key::new(collection.clone(), id.clone());
        let (id, write) = match operation {
            Operation::Put { document, if_version, if_absent } => {
                let document =
                    Document::parse(document.get()).map_err(|error| named(error.into()))?;
                let id = schema.id_of(&document).map_err(|error| named(error.into()))?;
                let condition = condition(if_version, if_absent).map_err(named)?;
                let write = Write::put(key(&id), document, condition);
                (id, write)
            }
            Operation::Delete { id, if_version } => {
                let id = EntityId::new(&id).map_err(|error| named(error.into()))?;
                let condition = condition(if_version, false).map_err(named)?;
                let write = Write::delete(key(&id), condition);
                (id, write)
            }
        };
        if !ids.insert(id.clone()) {
            return Err(named(ApiError::bad_request("an id stands in two operations"))
                .with("id", id.as_str()));
        }
        writes.push(write.attributed_to(by.clone()));
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
