//! `POST /datapoints/query`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use repo_core::Value;
use repo_data::PageRequest;

use super::error::Told;
use super::read::member;
use super::selector::Selector;
use super::wire::datapoint_json;
use crate::api::json_text;
use crate::auth::{Need, Read};
use crate::http::{ApiError, RawBody};
use crate::state::App;

/// Datapoints that are in memory at a time, before it is known whether they match.
const PAGE: usize = 100;
/// Most datapoints of an answer, and most bytes: it is whole or it is refused.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 64 << 20;

/// Every datapoint that matches, the latest first; never a part of them.
pub(super) async fn query(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    RawBody(body): RawBody,
) -> Result<Response, Told> {
    let text = std::str::from_utf8(&body)
        .map_err(|_| ApiError::bad_request("the selector is not UTF-8"))?;
    let value = Value::parse(text)
        .map_err(|error| ApiError::bad_request(format!("the selector is no JSON: {error}")))?;
    let selector = Selector::parse(&value)?;
    let filter = selector.superset()?;
    let (mut cursor, mut found, mut bytes) = (None, Vec::new(), 0);
    loop {
        let page = PageRequest { limit: Some(PAGE), cursor };
        let mut page = app.data.query_datapoints(filter.clone(), &page).await?;
        app.data.with_values(&mut page.items).await?;
        for one in &page.items {
            let wire = Value::parse(&datapoint_json(&one.value)?).unwrap_or(Value::Null);
            if !selector.matches(&wire) {
                continue;
            }
            let member = member(&one.value)?;
            bytes += member.len();
            found.push(member);
            if found.len() > MOST || bytes > MOST_BYTES {
                return Err(too_many().into());
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(json_text(StatusCode::OK, format!("{{{}}}", found.join(","))))
}

fn too_many() -> ApiError {
    let why = "more matches than one answer holds";
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", why)
        .with("most", MOST)
        .remedy("ask for less, for example by `data_timestamp`")
}
