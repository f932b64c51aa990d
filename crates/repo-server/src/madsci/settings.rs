//! `/settings`: how the server is set, without what is secret.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{Need, Read};
use crate::config::ServerConfig;
use crate::http::{ApiError, Params};
use crate::state::App;

/// In place of a value that is not shown.
const HIDDEN: &str = "***";

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SettingsParams {
    include_defaults: Flag,
    include_schema: Flag,
}

/// `true` in any of the spellings of Python and JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "String")]
struct Flag(bool);

impl From<String> for Flag {
    fn from(text: String) -> Self {
        Self(matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | ""))
    }
}

/// How the server is set, without what is secret.
pub(super) async fn settings(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    Params(asked): Params<SettingsParams>,
) -> Result<Json<Value>, ApiError> {
    let shown = |config: &ServerConfig| {
        let mut config = config.clone();
        config.secret = config.secret.map(|_| HIDDEN.to_owned());
        serde_json::to_value(config).unwrap_or_default()
    };
    let mut settings = shown(&app.config);
    if !asked.include_defaults.0 {
        let defaults = shown(&ServerConfig::default());
        if let (Value::Object(fields), Value::Object(defaults)) = (&mut settings, &defaults) {
            fields.retain(|name, value| defaults.get(name) != Some(value));
        }
    }
    if asked.include_schema.0 {
        let schema = schemars::schema_for!(ServerConfig);
        return Ok(Json(json!({ "settings": settings, "schema": schema })));
    }
    Ok(Json(settings))
}
