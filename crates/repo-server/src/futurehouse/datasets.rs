//! `datasets`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use repo_core::{EntityId, Error, ErrorKind};
use repo_data::model::Owner;
use repo_data::{EntryFilter, NewDataset, NewEntry, PageOf, PageRequest};
use serde_json::json;

use super::access::{entry_id, expected};
use super::answer::text_of;
use super::create::check_uuid;
use super::error::Detailed;
use super::wire::DataStorage;
use crate::access::{self, acting, conditional};
use crate::auth::{Need, Read, Write};
use crate::http::{ApiError, IfMatch, RawBody, Taken};
use crate::state::App;

/// Entries that are in memory at a time.
const PAGE: usize = 200;

/// The dataset of a directory at the root, for what will be in it.
pub(super) async fn for_directory(
    app: &App,
    new: &NewEntry,
    owner: Owner,
) -> Result<EntityId, ApiError> {
    let mut dataset = NewDataset::new(new.name.clone(), owner);
    dataset.description.clone_from(&new.description);
    dataset.idempotency_key = new.idempotency_key.as_ref().map(|key| format!("directory\n{key}"));
    Ok(app.data.create_dataset(dataset).await?.value.id)
}

/// Creates a dataset.
pub(super) async fn create(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Detailed> {
    let mut taken = Taken::parse(&body)?;
    let name: String = taken.need("name")?;
    let mut new = NewDataset::new(name, need.caller.owner()?);
    new.id = match taken.id("id")? {
        Some(id) => Some(id),
        None => taken.id("dataset_id")?,
    };
    new.id.as_ref().map_or(Ok(()), check_uuid)?;
    new.description = taken.take("description")?;
    new.metadata = taken.json("metadata");
    new.extra = taken.rest();
    new.extra.retain(|_, value| value.as_str() != "null");
    let found = acting(&app, &need.caller, &headers)?.create_dataset(new).await?.value;
    let made = json!({ "id": found.id, "name": found.name, "description": found.description });
    Ok(Json(made).into_response())
}

/// Deletes a dataset with its entries: they can be restored for a time.
pub(super) async fn delete(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Detailed> {
    let id = entry_id(&id)?;
    access::dataset(&app, &need.caller, &id).await?;
    let data = acting(&app, &need.caller, &headers)?;
    let condition = expected(IfMatch::of(&headers)?)?;
    conditional(data.delete_dataset(&id, condition).await, condition)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A dataset with all its entries, however many there are.
pub(super) async fn read(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Detailed> {
    let id = entry_id(&id)?;
    let dataset = access::dataset(&app, &need.caller, &id).await?.value;
    let filter = EntryFilter { dataset: Some(id), ..EntryFilter::default() };
    let page = PageRequest { limit: Some(PAGE), cursor: None };
    // What is wrong shows before the answer begins.
    let first = app.data.list_entries(&filter, &page).await?;
    let head = json!({
        "id": dataset.id,
        "name": dataset.name,
        "user_id": dataset.owner.as_str(),
        "description": dataset.description,
        "created_at": dataset.created_at,
        "modified_at": dataset.modified_at,
    });
    let head = format!("{{\"dataset\":{head},\"data_storage_entries\":[");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, Body::from_stream(stream(app, filter, head, first))).into_response())
}

/// What is left to be written.
enum Rest {
    Page { page: PageOf<repo_data::model::Entry>, head: String },
    After(String),
}

fn stream(
    app: Arc<App>,
    filter: EntryFilter,
    head: String,
    first: PageOf<repo_data::model::Entry>,
) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    let first = Rest::Page { page: first, head };
    try_unfold(Some(first), move |rest| {
        let (app, filter) = (Arc::clone(&app), filter.clone());
        async move {
            let (page, mut text) = match rest {
                None => return Ok(None),
                Some(Rest::Page { page, head }) => (page, head),
                Some(Rest::After(cursor)) => {
                    let next = PageRequest { limit: Some(PAGE), cursor: Some(cursor) };
                    let page = app.data.list_entries(&filter, &next).await;
                    let page =
                        page.inspect_err(|error| tracing::error!(%error, "a list broke off"))?;
                    let separator = if page.items.is_empty() { "" } else { "," };
                    (page, separator.to_owned())
                }
            };
            let shown = shown(&app, &page).await?;
            text.push_str(&shown.join(","));
            let rest = page.next.map(Rest::After);
            if rest.is_none() {
                text.push_str("]}");
            }
            Ok(Some((Bytes::from(text), rest)))
        }
    })
}

async fn shown(app: &App, page: &PageOf<repo_data::model::Entry>) -> Result<Vec<String>, Error> {
    let mut shown = Vec::with_capacity(page.items.len());
    for found in &page.items {
        let text = text_of(app, &found.value)
            .await
            .map_err(|error| Error::new(ErrorKind::Unavailable, "read", error.message()))?;
        let one = serde_json::to_string(&DataStorage::new(&found.value, text.as_deref()));
        shown.push(
            one.map_err(|error| Error::new(ErrorKind::Unexpected, "write", error.to_string()))?,
        );
    }
    Ok(shown)
}
