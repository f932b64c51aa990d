//! Signing in with a key, and out.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::failure::Failure;
use super::form::Form;
use super::frame::{bare, respond, said};
use crate::auth::{end_session, session_cookie};
use crate::http::ApiError;
use crate::state::App;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// The form.
pub(super) async fn form(Query(Next { next }): Query<Next>) -> Response {
    respond(StatusCode::OK, &markup(&next, None))
}

fn markup(next: &str, error: Option<&ApiError>) -> Markup {
    bare(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            form.sign-in method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(inside(next));
                label for="api_key" { "API key" }
                input #api_key name="api_key" type="password" autocomplete="current-password"
                    required autofocus spellcheck="false";
                button.main { "Sign in" }
            }
            @if let Some(error) = error { (said(error)) }
            p.soft { "The key stays at the server; this browser keeps a token for a time." }
        },
    )
}

/// A page of the console; the first one for anything else.
fn inside(next: &str) -> &str {
    let ours = next == "/console"
        || ["/console/", "/console?"].iter().any(|start| next.starts_with(start));
    let plain = next.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\');
    if ours && plain { next } else { "/console" }
}

/// Takes a key for a session.
pub(super) async fn sign_in(State(app): State<Arc<App>>, form: Form) -> Result<Response, Failure> {
    let next = inside(form.text("next")).to_owned();
    match app.gate.log_in(form.text("api_key").trim()).await {
        Ok(token) => {
            let secure =
                app.config.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
            let cookie = session_cookie(&token, app.gate.tokens.valid(), secure);
            Ok(with_cookie(&next, &cookie))
        }
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
            Ok(respond(error.status(), &markup(&next, Some(&error))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the session of this browser.
pub(super) async fn sign_out() -> Response {
    with_cookie("/console/sign-in", &end_session())
}

fn with_cookie(to: &str, cookie: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for ours in ["/console", "/console/c/items?filter=%7B%7D", "/console?a"] {
            assert_eq!(inside(ours), ours);
        }
        for other in ["", "//evil.example", "https://evil.example", "/consoles", "/console/\r\nx"] {
            assert_eq!(inside(other), "/console", "{other}");
        }
    }
}
