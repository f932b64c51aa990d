//! Who holds how much.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use repo_core::EntityId;
use repo_data::PageRequest;
use repo_data::model::{Owner, Scope, Usage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::dataset_or_deleted;
use crate::api::answer::serialized;
use crate::auth::{Caller, Need, Read};
use crate::http::{ApiError, Params};
use crate::state::App;

/// Datasets whose usage is read for one page.
const AT_ONCE: usize = 100;

/// What is counted for whom.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct UsageParams {
    /// `owner`, `dataset` or `store`; owners without it.
    #[param(value_type = Option<String>)]
    scope: Option<Scope>,
    /// Only this owner, dataset or store.
    name: Option<String>,
    /// Most items, 1 to 1,000; 100 without it. A page may have fewer.
    limit: Option<usize>,
    /// Where the last page ended: its `next`.
    cursor: Option<String>,
}

/// What an owner, a dataset or a store of blobs holds.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UsageItem {
    /// For what is counted.
    #[schema(value_type = String)]
    scope: Scope,
    /// The owner, the id of the dataset, or the store.
    name: String,
    /// Entries that are active; 0 for a store.
    entries: i64,
    /// Datapoints that are active; 0 for a store.
    datapoints: i64,
    /// Bytes of what is active, revisions included.
    bytes: i64,
    /// Bytes of what is deleted and can be restored.
    condemned_bytes: i64,
}

impl UsageItem {
    fn new(scope: Scope, name: String, usage: Usage) -> Self {
        let Usage { entries, datapoints, bytes, condemned_bytes } = usage;
        Self { scope, name, entries, datapoints, bytes, condemned_bytes }
    }
}

/// A page of usage.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UsagePage {
    /// By name; datasets of a caller without the scope `admin` by their age.
    items: Vec<UsageItem>,
    /// Where the next page starts; `null` after the last one. A page may be followed by an
    /// empty one.
    next: Option<String>,
}

/// What owners, datasets and stores hold. With the scope `admin` all of them; else the caller
/// and the caller's datasets.
#[utoipa::path(get, path = "/api/v1/usage", tag = "usage", params(UsageParams),
    responses((status = 200, body = UsagePage), (status = 400), (status = 403), (status = 404)))]
pub(in crate::api) async fn usage(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Params(asked): Params<UsageParams>,
) -> Result<Response, ApiError> {
    let scope = asked.scope.unwrap_or(Scope::Owner);
    let page = match asked.name.clone() {
        Some(name) => one(&app, &need.caller, scope, name).await?,
        None if need.caller.sees_all() => all(&app, scope, asked).await?,
        None => own(&app, &need.caller, scope, asked).await?,
    };
    serialized(StatusCode::OK, &page, None)
}

async fn one(
    app: &App,
    caller: &Caller,
    scope: Scope,
    name: String,
) -> Result<UsagePage, ApiError> {
    if !caller.sees_all() {
        match scope {
            Scope::Owner if name == caller.owner()?.as_str() => {}
            Scope::Dataset => {
                dataset_or_deleted(app, caller, &EntityId::new(&name)?).await?;
            }
            Scope::Owner | Scope::Store => return Err(refused()),
        }
    }
    let usage = app.data.usage(scope, &name).await?;
    Ok(UsagePage { items: vec![UsageItem::new(scope, name, usage)], next: None })
}

fn refused() -> ApiError {
    ApiError::forbidden("the usage of others is for keys with the scope `admin`")
        .remedy("leave `scope` out, or use `scope=dataset`")
}

/// What belongs to a caller who does not see everything.
async fn own(
    app: &App,
    caller: &Caller,
    scope: Scope,
    asked: UsageParams,
) -> Result<UsagePage, ApiError> {
    let owner: Owner = caller.owner()?;
    match scope {
        Scope::Owner => one(app, caller, scope, owner.as_str().to_owned()).await,
        Scope::Store => Err(refused()),
        Scope::Dataset => {
            // Each is a read of its own.
            let limit = asked.limit.map_or(AT_ONCE, |limit| limit.min(AT_ONCE));
            let page = PageRequest { limit: Some(limit), cursor: asked.cursor };
            let page = app.data.list_datasets(Some(&owner), &page).await?;
            let mut items = Vec::with_capacity(page.items.len());
            for found in &page.items {
                let name = found.value.id.to_string();
                let usage = app.data.usage(scope, &name).await?;
                items.push(UsageItem::new(scope, name, usage));
            }
            Ok(UsagePage { items, next: page.next })
        }
    }
}

/// Everything of one scope. A name has several counters, which a page may end between: the last
/// name of a page is added up by itself, and is passed over where the next page begins.
async fn all(app: &App, scope: Scope, asked: UsageParams) -> Result<UsagePage, ApiError> {
    let (before, cursor) = match asked.cursor.as_deref() {
        None => (None, None),
        Some(text) => {
            let (cursor, name) = text.split_once('~').ok_or_else(no_cursor)?;
            (Some(from_hex(name).ok_or_else(no_cursor)?), Some(cursor.to_owned()))
        }
    };
    let page = PageRequest { limit: asked.limit, cursor };
    let (mut sums, next) = app.data.list_usage(scope, &page).await?;
    if sums.first().is_some_and(|(name, _)| Some(name) == before.as_ref()) {
        sums.remove(0);
    }
    let last = sums.last().map(|(name, _)| name.clone()).or(before);
    if next.is_some()
        && let Some((name, sum)) = sums.last_mut()
    {
        *sum = app.data.usage(scope, name).await?;
    }
    let next = next.zip(last).map(|(cursor, name)| format!("{cursor}~{}", to_hex(&name)));
    let items = sums.into_iter().map(|(name, sum)| UsageItem::new(scope, name, sum)).collect();
    Ok(UsagePage { items, next })
}

fn no_cursor() -> ApiError {
    ApiError::bad_request("this is no cursor")
}

fn to_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<String> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_way_through_a_cursor() {
        for name in ["", "ada", "é~/?", "0"] {
            assert_eq!(from_hex(&to_hex(name)).as_deref(), Some(name));
        }
        for bad in ["0", "zz", "é", "ff"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
