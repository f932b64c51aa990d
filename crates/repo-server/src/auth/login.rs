//! The login: a key for a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use repo_core::EntityId;
use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::key::KeyText;
use crate::http::{ApiError, RawBody, read_json};

/// A key to log in with.
#[derive(Deserialize)]
struct Login {
    api_key: String,
}

/// A token for a time.
#[derive(Debug, Serialize)]
struct LoggedIn {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// The route.
pub fn login_routes(gate: Arc<Gate>) -> Router {
    Router::new().route("/auth/login", post(login)).with_state(gate)
}

/// A server without keys gives a token to whoever asks, for clients that cannot do without.
async fn login(
    State(gate): State<Arc<Gate>>,
    RawBody(body): RawBody,
) -> Result<Json<LoggedIn>, ApiError> {
    let Login { api_key } = read_json(&body)?;
    Ok(Json(LoggedIn {
        access_token: gate.log_in(&api_key).await?,
        token_type: "bearer",
        expires_in: gate.tokens.valid().as_secs(),
    }))
}

impl Gate {
    /// A token for the holder of this key; for whoever asks where there are no keys.
    ///
    /// # Errors
    /// 401 for what is no key, or none any more; those of the store.
    pub async fn log_in(&self, api_key: &str) -> Result<String, ApiError> {
        let id: Option<EntityId> = if self.keys.needed().await? {
            let wrong = || {
                ApiError::new(StatusCode::UNAUTHORIZED, "Unauthenticated", "the key is not valid")
                    .remedy("`repo-server keys create` makes one")
            };
            let text: KeyText = api_key.parse().map_err(|_| wrong())?;
            self.keys.verify(&text).await?.ok_or_else(wrong)?;
            Some(text.id().clone())
        } else {
            None
        };
        Ok(self.tokens.issue(id.as_ref()))
    }
}
