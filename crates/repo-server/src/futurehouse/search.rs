//! `POST search`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use repo_data::model::{EntryStatus, Json};
use repo_data::{Criterion, EntryFilter, Search, SearchOperator};
use serde::Deserialize;

use super::answer::text_of;
use super::error::Detailed;
use super::wire::DataStorage;
use crate::api::json_text;
use crate::auth::{Need, Read};
use crate::http::{ApiError, RawBody, Taken, read_json};
use crate::state::App;

/// Entries that a search returns unless it says how many.
const LIMIT: usize = 10;
/// The field that stands for every text of an entry.
const ANY_TEXT: &str = "text";

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Logic {
    #[default]
    #[serde(rename = "AND")]
    And,
    #[serde(rename = "OR")]
    Or,
}

#[derive(Debug, Deserialize)]
struct WireCriterion {
    field: String,
    operator: WireOperator,
    value: Json,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WireOperator {
    Known(SearchOperator),
    FullText(FullText),
}

/// Edison's word for a part of a text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FullText {
    Fulltext,
}

impl From<WireOperator> for SearchOperator {
    fn from(operator: WireOperator) -> Self {
        match operator {
            WireOperator::Known(operator) => operator,
            WireOperator::FullText(FullText::Fulltext) => Self::Contains,
        }
    }
}

/// Reads what is searched for. Numbers that matter only to highlighting are not looked at while
/// nothing is to be highlighted.
fn criteria(taken: &mut Taken) -> Result<(Vec<Criterion>, bool), ApiError> {
    let listed: Vec<WireCriterion> = taken.take("criteria")?.unwrap_or_default();
    let mut criteria: Vec<Criterion> = listed
        .into_iter()
        .map(|WireCriterion { field, operator, value }| {
            let operator = operator.into();
            Criterion { field, operator, value }
        })
        .collect();
    let any = taken.take::<Logic>("filter_logic")?.unwrap_or_default() == Logic::Or;
    let text: Option<String> = taken.take("text_query")?;
    if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
        if any && !criteria.is_empty() {
            return Err(wrong("`text_query` goes with criteria that are joined by AND"));
        }
        let value = Json::from_serialize(&text)?;
        let (field, operator) = (ANY_TEXT.to_owned(), SearchOperator::Contains);
        criteria.push(Criterion { field, operator, value });
    }
    Ok((criteria, any))
}

/// Entries that match, the oldest first.
pub(super) async fn search(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    RawBody(body): RawBody,
) -> Result<Response, Detailed> {
    let mut taken = Taken::parse(&body)?;
    if taken.take("highlight")?.unwrap_or(false) {
        return Err(wrong("highlighting is not offered").into());
    }
    let (criteria, any) = criteria(&mut taken)?;
    let reader = if need.caller.sees_all() { None } else { Some(need.caller.owner()?) };
    let within =
        EntryFilter { reader, status: Some(EntryStatus::Active), ..EntryFilter::default() };
    let limit = taken.take("limit")?.unwrap_or(LIMIT);
    let offset = taken.take("offset")?.unwrap_or(0);
    let found = app.data.search(&Search { within, criteria, any, limit, offset }).await?;
    let mut shown = Vec::with_capacity(found.len());
    for entry in &found {
        let text = text_of(&app, &entry.value).await?;
        let one = serde_json::to_string(&DataStorage::new(&entry.value, text.as_deref()));
        shown.push(one.map_err(|error| wrong(&error.to_string()))?);
    }
    Ok(json_text(StatusCode::OK, format!("[{}]", shown.join(","))))
}

/// Nobody makes embeddings here.
pub(super) async fn similarity(_: Need<Read>, RawBody(body): RawBody) -> Detailed {
    if let Err(error) = read_json::<serde_json::Value>(&body) {
        return Detailed(error);
    }
    let why = "similarity search is not offered";
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "Unsupported", why);
    Detailed(error.remedy("use `search`"))
}

fn wrong(why: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
}
