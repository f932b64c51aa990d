//! The routes, and what stands before them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use super::failure::Failure;
use super::{
    archives, assets, collections, datasets, document, documents, edit, entries, entry, links,
    moves, preview, sign_in, stores, upload, uploads,
};
use crate::auth::Caller;
use crate::config::ConsoleMode;
use crate::http::ApiError;
use crate::state::App;

/// What a page may load and do: files of this server, and forms to it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// With less, a browser would say of its own forms that they come from nowhere.
const REFERRER: &str = "same-origin";
/// What is not known to be somebody's.
const OPEN: [&str; 2] = ["/console/sign-in", "/console/assets/"];

/// The routes; none where the console is off.
pub(crate) fn console_routes(app: &Arc<App>) -> Router {
    if app.config.console == ConsoleMode::Off {
        return Router::new();
    }
    let data = Router::new()
        .route("/console/entries", get(entries::list))
        .route("/console/entries/{id}", get(entry::show))
        .route("/console/entries/{id}/file", get(preview::file))
        .route("/console/entries/{id}/image", get(preview::image))
        .route("/console/datasets", get(datasets::list))
        .route("/console/datasets/{id}", get(datasets::show))
        .route("/console/new-entry", get(upload::form))
        .route("/console/uploads", get(uploads::list))
        .route("/console/uploads/{id}/give-up", post(uploads::give_up));
    let documents = Router::new()
        .route("/console/c", get(collections::list))
        .route("/console/c/{collection}", get(documents::list))
        .route("/console/c/{collection}/document", get(document::show))
        .route("/console/c/{collection}/new", get(edit::new).post(edit::create))
        .route("/console/c/{collection}/edit", get(edit::form).post(edit::save))
        .route("/console/c/{collection}/delete", post(edit::delete))
        .route("/console/c/{collection}/restore", post(edit::restore));
    Router::new()
        .route("/console", get(stores::show))
        .route("/console/migrations", get(moves::show))
        .route("/console/archives", get(archives::show))
        .route("/console/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/assets/{version}/{name}", get(assets::asset))
        .merge(data)
        .merge(documents)
        .route("/console/{*rest}", get(no_page))
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

/// The route that takes files. It stands apart because it may take as long, and as many bytes, as
/// uploads may.
pub(crate) fn console_upload_routes(app: &Arc<App>) -> Router {
    if app.config.console == ConsoleMode::Off {
        return Router::new();
    }
    Router::new()
        .route(upload::RECEIVE, post(upload::receive))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

async fn no_page() -> Failure {
    ApiError::not_found("there is no such page").into()
}

/// Sends who is not known to the page for signing in, refuses forms of other sites, and says
/// what a page may do.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&app, &request) {
        Ok(None) => next.run(request).await,
        Ok(Some(elsewhere)) => elsewhere,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static(POLICY);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(REFERRER));
    response
}

fn admit(app: &App, request: &Request) -> Result<Option<Response>, Failure> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads {
        app.gate.hosts.same_site(request.uri(), request.headers())?;
    }
    let path = request.uri().path();
    let known = !matches!(request.extensions().get::<Caller>(), None | Some(Caller::Public));
    if known || OPEN.iter().any(|open| path.starts_with(open)) {
        return Ok(None);
    }
    if !reads {
        return Err(ApiError::forbidden("nobody is signed in, or not any more")
            .remedy("sign in in another tab, and send the form again")
            .into());
    }
    let wanted = request.uri().path_and_query().map_or(path, |asked| asked.as_str());
    let to = links::with_query("/console/sign-in", &[("next", wanted)]);
    Ok(Some(Redirect::to(&to).into_response()))
}
