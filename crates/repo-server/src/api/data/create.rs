//! `POST /api/v1/entries`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use repo_core::EntityId;
use repo_data::model::{ContentKind, Json, OutsideLocation, Owner, Share, StorageType};
use repo_data::{NewContent, NewEntry};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{creation_error, creation_key, read_checked, unfit};
use super::view::EntryView;
use crate::access::{acting, changeable, dataset};
use crate::api::answer::serialized;
use crate::auth::{Caller, Need, Write};
use crate::http::{ApiError, RawBody};
use crate::state::App;

/// What is to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewEntryBody {
    /// 1 to 1,000 bytes.
    name: String,
    /// What it is. A `text` need not say so; a `file` or `collection` is pending until an
    /// upload brings its bytes.
    kind: Option<NewKind>,
    /// The text of one that is a text, below 10 MiB.
    text: Option<String>,
    /// Where it is, of one that is outside. The configuration says what may be named.
    outside: Option<Outside>,
    /// At most 16 KiB.
    description: Option<String>,
    /// A MIME type.
    content_type: Option<String>,
    /// What the client calls the file, at most 1,000 bytes.
    file_path: Option<String>,
    /// The directory that it is in.
    #[schema(value_type = Option<String>)]
    parent: Option<EntityId>,
    /// The dataset that it is in.
    #[schema(value_type = Option<String>)]
    dataset: Option<EntityId>,
    /// The project that it is in.
    #[schema(value_type = Option<String>)]
    project: Option<EntityId>,
    /// At most 100, of 1 to 256 bytes.
    #[serde(default)]
    tags: Vec<String>,
    /// At most 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json>,
    /// Who else may read it: `{"status": "private|public|shared", "users": […]}`.
    #[schema(value_type = Option<Object>)]
    share: Option<Share>,
}

/// What an entry is going to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NewKind {
    /// A text.
    Text,
    /// A file, to be uploaded.
    File,
    /// Several files as one, to be uploaded.
    Collection,
    /// A directory.
    Directory,
    /// Something outside.
    Outside,
}

/// Something that the service does not keep.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Outside {
    /// `gcs`, `pg_table`, `link`, `bigquery` or `elastic_search`.
    #[schema(value_type = String)]
    storage_type: StorageType,
    /// `text`, `file`, `directory`, `bq_dataset`, `bq_table` or `index`.
    #[schema(value_type = String)]
    content_type: ContentKind,
    /// An address, or a path. It is given back, and never fetched.
    location: Option<String>,
    /// What the kind needs: bucket and prefix, table and row.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json>,
}

/// Creates an entry. Made again with the same `Idempotency-Key` the same request finds what it
/// made.
#[utoipa::path(post, path = "/api/v1/entries", tag = "entries",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NewEntryBody,
    responses((status = 201, body = EntryView), (status = 404), (status = 409), (status = 413),
        (status = 422), (status = 507)))]
pub(in crate::api) async fn create(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let key = creation_key(&headers)?;
    let mut new = new_entry(read_checked(&body)?, need.caller.owner()?)?;
    new.idempotency_key.clone_from(&key);
    may_be_put(&app, &need.caller, new.parent.as_ref(), new.dataset.as_ref()).await?;
    let made = acting(&app, &need.caller, &headers)?.create_entry(new).await;
    let found = made.map_err(|error| creation_error(error, key.is_some()))?;
    let view = EntryView::listed(&found);
    let mut response = serialized(StatusCode::CREATED, &view, Some(found.version))?;
    located(&mut response, &format!("/api/v1/entries/{}", found.value.id));
    Ok(response)
}

/// Says where what was created is.
pub(super) fn located(response: &mut Response, path: &str) {
    if let Ok(path) = path.parse() {
        response.headers_mut().insert(header::LOCATION, path);
    }
}

/// Whether the caller may put something into a directory and a dataset.
///
/// # Errors
/// 404 and 403, as for a change of these.
pub(in crate::api) async fn may_be_put(
    app: &App,
    caller: &Caller,
    parent: Option<&EntityId>,
    within: Option<&EntityId>,
) -> Result<(), ApiError> {
    if let Some(parent) = parent {
        changeable(app, caller, parent).await.map_err(|error| error.with("field", "parent"))?;
    }
    if let Some(within) = within {
        dataset(app, caller, within).await.map_err(|error| error.with("field", "dataset"))?;
    }
    Ok(())
}

fn new_entry(body: NewEntryBody, owner: Owner) -> Result<NewEntry, ApiError> {
    let content = content(body.kind, body.text, body.outside)?;
    let mut new = NewEntry::new(body.name, owner, content);
    new.description = body.description;
    new.content_type = body.content_type;
    new.file_path = body.file_path;
    new.parent = body.parent;
    new.dataset = body.dataset;
    new.project = body.project;
    new.tags = body.tags;
    new.metadata = body.metadata;
    new.share = body.share.unwrap_or_default();
    Ok(new)
}

fn content(
    kind: Option<NewKind>,
    text: Option<String>,
    outside: Option<Outside>,
) -> Result<NewContent, ApiError> {
    match (kind, text, outside) {
        (None | Some(NewKind::Text), Some(text), None) => Ok(NewContent::Text(text)),
        (None | Some(NewKind::Outside), None, Some(place)) => {
            Ok(NewContent::Outside(OutsideLocation {
                storage_type: place.storage_type,
                content_type: place.content_type,
                location: place.location,
                metadata: place.metadata,
            }))
        }
        (Some(NewKind::File), None, None) => Ok(NewContent::File),
        (Some(NewKind::Collection), None, None) => Ok(NewContent::Collection),
        (Some(NewKind::Directory), None, None) => Ok(NewContent::Directory),
        _ => Err(unfit(
            "an entry has `text`, or `outside`, or the `kind` of what it is going to be, and not \
             two of them",
        )
        .remedy("name one: `text`, `outside`, or `kind` file, collection or directory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_thing() {
        let text = || Some("t".to_owned());
        assert!(matches!(content(None, text(), None), Ok(NewContent::Text(_))));
        assert!(matches!(content(Some(NewKind::Text), text(), None), Ok(NewContent::Text(_))));
        assert!(matches!(content(Some(NewKind::File), None, None), Ok(NewContent::File)));
        for kind in [NewKind::File, NewKind::Directory, NewKind::Collection, NewKind::Outside] {
            assert!(content(Some(kind), text(), None).is_err(), "{kind:?}");
        }
        assert!(content(None, None, None).is_err());
        assert!(content(Some(NewKind::Text), None, None).is_err());
    }
}
