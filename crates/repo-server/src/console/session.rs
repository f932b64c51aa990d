//! Who looks at a page, and who may change something.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::failure::Failure;
use crate::api::visible_collections;
use crate::auth::{Caller, Scope};
use crate::config::ConsoleMode;
use crate::http::ApiError;
use crate::state::App;

/// Most collections in the menu; the page of the collections has all.
const IN_MENU: usize = 12;

/// Who looks at a page. A page that takes one is closed to who may not read.
#[derive(Debug)]
pub(super) struct Viewer {
    /// Who it is.
    pub(super) caller: Caller,
    /// Whether pages offer to change something.
    pub(super) writes: bool,
    /// The first collections that programs keep here.
    pub(super) menu: Vec<String>,
}

/// Who may change something. A route that takes one is closed to who may not write, and to
/// everybody where the console only shows.
#[derive(Debug)]
pub(super) struct Editor(pub(super) Viewer);

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let caller = caller(parts)?;
        caller.need(Scope::Read)?;
        Self::of(caller, app).await
    }
}

impl FromRequestParts<Arc<App>> for Editor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let caller = caller(parts)?;
        if app.config.console != ConsoleMode::Full {
            return Err(ApiError::forbidden("this console only shows")
                .remedy("use the API, or set `server.console` to `full`")
                .into());
        }
        caller.need(Scope::Read)?;
        caller.need(Scope::Write)?;
        Viewer::of(caller, app).await.map(Self)
    }
}

impl Viewer {
    async fn of(caller: Caller, app: &App) -> Result<Self, Failure> {
        let writes = app.config.console == ConsoleMode::Full && caller.need(Scope::Write).is_ok();
        let all = visible_collections(app).await?;
        let programs = all.into_iter().filter(|collection| collection.writable);
        let menu = programs.map(|collection| collection.name).take(IN_MENU).collect();
        Ok(Self { caller, writes, menu })
    }
}

fn caller(parts: &Parts) -> Result<Caller, ApiError> {
    // The door stands before every route.
    parts.extensions.get::<Caller>().cloned().ok_or_else(|| {
        let why = "the caller of this page was not looked at";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", why)
    })
}
