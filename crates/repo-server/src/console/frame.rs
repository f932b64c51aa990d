//! What every page begins with, and how one is answered.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets_paths::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};
use crate::http::ApiError;

/// htmx without what a content security policy forbids: no style of its own, no code in
/// attributes, nothing of other servers. An answer that is an error is shown like any other.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0,"refreshOnHistoryMiss":true,"scrollIntoViewOnBoost":false,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;

/// A page without a menu, for who is not known, and for errors.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    whole(title, &html! { main.alone { (body) } })
}

/// A page with this body.
pub(super) fn whole(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · repository" }
                link rel="icon" type="image/svg+xml" href=(ICON_PATH);
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body { (body) }
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
