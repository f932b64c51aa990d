//! Pages with the menu.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::{respond, whole};
use super::session::Viewer;
use crate::auth::Caller;

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
