//! The frame of all pages.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{SCRIPT_PATH, STYLE_PATH};
use super::session::Viewer;
use crate::auth::Caller;
use crate::http::ApiError;

/// htmx without what a content security policy forbids: no style of its own, no code in
/// attributes, nothing of other servers. An answer that is an error is shown like any other.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0,"refreshOnHistoryMiss":true,"scrollIntoViewOnBoost":false,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;

/// A page of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section<'a> {
    Stores,
    Migrations,
    Archives,
    Entries,
    Datasets,
    Uploads,
    Collections,
    Collection(&'a str),
}

/// A page in its frame.
pub(super) fn page(viewer: &Viewer, section: Section<'_>, title: &str, body: &Markup) -> Response {
    respond(StatusCode::OK, &framed(viewer, section, title, body))
}

/// A page in its frame, not yet an answer.
pub(super) fn framed(viewer: &Viewer, section: Section<'_>, title: &str, body: &Markup) -> Markup {
    whole(
        title,
        &html! {
            a.skip href="#main" { "To the content" }
            div.shell {
                (menu(viewer, section))
                main #main tabindex="-1" { (body) }
            }
        },
    )
}

/// A page without a menu, for who is not known, and for errors.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    whole(title, &html! { main.alone { (body) } })
}

fn whole(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · repository" }
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body { (body) }
        }
    }
}

fn menu(viewer: &Viewer, section: Section<'_>) -> Markup {
    let link = |to: Section<'_>, path: &str, name: &str| {
        html! { a href=(path) aria-current=[(to == section).then_some("page")] { (name) } }
    };
    html! {
        nav aria-label="Sections" {
            b { "repository" }
            (link(Section::Stores, "/console", "Stores"))
            (link(Section::Migrations, "/console/migrations", "Migrations"))
            (link(Section::Archives, "/console/archives", "Archives"))
            small { "data" }
            (link(Section::Entries, "/console/entries", "Entries"))
            (link(Section::Datasets, "/console/datasets", "Datasets"))
            (link(Section::Uploads, "/console/uploads", "Uploads"))
            small { "documents" }
            (link(Section::Collections, "/console/c", "Collections"))
            @for name in &viewer.menu {
                (link(Section::Collection(name), &format!("/console/c/{name}"), name))
            }
            (who(viewer))
        }
    }
}

fn who(viewer: &Viewer) -> Markup {
    let mode = if viewer.writes { "" } else { " · reading only" };
    html! {
        div.who {
            @match &viewer.caller {
                Caller::Key(key) => {
                    span { (key.name) (mode) }
                    form method="post" action="/console/sign-out" { button.plain { "Sign out" } }
                }
                _ => span { "this machine" (mode) }
            }
        }
    }
}

/// What an error says, and what can be done.
pub(super) fn said(error: &ApiError) -> Markup {
    let body = error.body();
    let about = body.get("error");
    let remedy = about.and_then(|about| about.get("remedy")).and_then(|text| text.as_str());
    let context = about.and_then(|about| about.get("context")).and_then(|value| value.as_object());
    html! {
        div.said role="alert" {
            p { (error.message()) }
            @if let Some(context) = context {
                dl.pairs {
                    @for (name, value) in context {
                        dt { (name) }
                        dd { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) }
                    }
                }
            }
            @if let Some(remedy) = remedy { p.soft { (remedy) } }
        }
    }
}

/// An answer with a page.
pub(super) fn respond(status: StatusCode, markup: &Markup) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], markup.0.clone()).into_response()
}
