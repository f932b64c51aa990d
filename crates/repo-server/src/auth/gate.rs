//! The door: no request passes it without being known.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::caller::Caller;
use super::hosts::Hosts;
use super::key::KeyText;
use super::keyring::KeyRing;
use super::session::{is_console, session_token};
use super::token::Tokens;
use crate::http::ApiError;

/// What the door knows.
#[derive(Debug)]
pub struct Gate {
    /// The keys.
    pub keys: KeyRing,
    /// The tokens.
    pub tokens: Tokens,
    /// The names of the server.
    pub hosts: Hosts,
    /// Whether the routes of MADSci are open to callers without a key.
    pub madsci_without_key: bool,
    /// Whether the server listens to this machine alone.
    pub loopback: bool,
}

/// The header for a key besides `Authorization`.
const API_KEY: &str = "x-api-key";
/// Where no key is asked for: liveness, the documentation, the login, and URLs that carry a
/// permission of their own.
const PUBLIC: [&str; 7] =
    ["/", "/health", "/api/docs", "/api/openapi.json", "/auth/login", "/favicon.ico", "/login"];
const SIGNED: [&str; 2] = ["/signed/", "/assets/"];
const MADSCI: [&str; 3] = ["/datapoint", "/datapoints", "/settings"];

/// Lets a request pass that is for this server, and whose caller is known or need not be.
pub async fn authenticate(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate.admit(&parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

impl Gate {
    async fn admit(&self, request: &Parts) -> Result<Caller, ApiError> {
        let needed = self.keys.needed().await?;
        let open = !needed && self.loopback;
        self.hosts.check(&request.uri, &request.headers, open)?;
        if open {
            return Ok(Caller::Local);
        }
        let path = request.uri.path();
        // The console sends who is not known to its own page for signing in.
        let console = is_console(path);
        let public =
            console || PUBLIC.contains(&path) || SIGNED.iter().any(|start| path.starts_with(start));
        let session = console.then(|| session_token(&request.headers)).flatten();
        let Some(given) = credentials(&request.headers).or(session) else {
            return match public {
                true => Ok(Caller::Public),
                false if self.is_open_madsci(path) => Ok(Caller::Guest),
                false => Err(unknown("a key is needed")),
            };
        };
        match self.holder(given).await? {
            Some(caller) => Ok(caller),
            // Clients send a token along that has ended when they ask for a new one.
            None if public => Ok(Caller::Public),
            None => Err(unknown("the key or token is not valid, or not any more")),
        }
    }

    async fn holder(&self, given: &str) -> Result<Option<Caller>, ApiError> {
        let key = if Tokens::is_one(given) {
            match self.tokens.check(given) {
                Some(Some(id)) => self.keys.valid(&id).await?,
                _ => None,
            }
        } else {
            match given.parse::<KeyText>() {
                Ok(text) => self.keys.verify(&text).await?,
                Err(_) => None,
            }
        };
        Ok(key.map(Caller::Key))
    }

    fn is_open_madsci(&self, path: &str) -> bool {
        let below = |root: &str| {
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.madsci_without_key && MADSCI.iter().any(|root| below(root))
    }
}

fn credentials(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
    });
    bearer.or_else(|| headers.get(API_KEY).and_then(|value| value.to_str().ok()))
}

fn unknown(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "Unauthenticated", message)
        .remedy("send `Authorization: Bearer KEY`; `repo-server keys create` makes a key")
}
