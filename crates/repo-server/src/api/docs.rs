//! The OpenAPI document, and a page that shows it without a script or another server.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem}code,pre{font-family:ui-monospace,monospace;font-size:.9em}summary{cursor:\
    pointer;padding:.3rem 0}details{border-top:1px solid #ccc}.m{display:inline-block;width:4.5rem;\
    font-weight:700}table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;\
    padding:.15rem 1rem .15rem 0;vertical-align:top}pre{background:#f4f4f4;padding:.6rem;\
    overflow:auto}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}\
    pre{background:#222}}";
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// The routes. They hold nothing secret, and ask for no key.
pub fn docs_routes() -> Router {
    let document = serde_json::to_value(super::openapi()).unwrap_or_default();
    let page = page(&document).into_string();
    let text = document.to_string();
    let json = move || {
        let answer = ([(header::CONTENT_TYPE, "application/json")], text.clone());
        async move { answer }
    };
    let html = move || {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        let answer = (headers, page.clone());
        async move { answer }
    };
    Router::new().route("/api/openapi.json", get(json)).route("/api/docs", get(html))
}

fn page(document: &Value) -> Markup {
    let text = |at: &str| document.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let paths = document["paths"].as_object();
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (text("/info/title")) } style { (STYLE) } }
            body {
                h1 { (text("/info/title")) " " small { (text("/info/version")) } }
                p { (text("/info/description")) }
                p { "As data: " a href="/api/openapi.json" { "openapi.json" } }
                @for (path, item) in paths.into_iter().flatten() {
                    @for method in METHODS {
                        @if let Some(operation) = item.get(method) { (operation_part(method, path, operation)) }
                    }
                }
                h2 { "Shapes" }
                @for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
                    details id=(name) { summary { code { (name) } } pre { (pretty(schema)) } }
                }
            }
        }
    }
}

fn operation_part(method: &str, path: &str, operation: &Value) -> Markup {
    let said = |name: &str| operation[name].as_str().unwrap_or_default();
    let rows = |name: &str| operation[name].as_array().cloned().unwrap_or_default();
    html! {
        details {
            summary { span.m { (method.to_uppercase()) } code { (path) } }
            p { (said("summary")) " " (said("description")) }
            @let parameters = rows("parameters");
            @if !parameters.is_empty() {
                table {
                    tr { th { "parameter" } th { "in" } th { "" } }
                    @for parameter in parameters {
                        tr {
                            td { code { (parameter["name"].as_str().unwrap_or_default()) } }
                            td { (parameter["in"].as_str().unwrap_or_default()) }
                            td { (parameter["description"].as_str().unwrap_or_default()) }
                        }
                    }
                }
            }
            @if let Some(content) = operation.pointer("/requestBody/content").and_then(Value::as_object) {
                p { "Body:" }
                @for (kind, body) in content { pre { (kind) "\n" (pretty(&body["schema"])) } }
            }
            table {
                tr { th { "status" } th { "" } }
                @for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                    tr { td { (status) } td { (answer["description"].as_str().unwrap_or_default()) } }
                }
            }
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_route_and_loads_nothing_from_elsewhere() {
        let document = serde_json::to_value(crate::api::openapi()).unwrap();
        let page = page(&document).into_string();
        for path in document["paths"].as_object().unwrap().keys() {
            assert!(page.contains(path), "{path}");
        }
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains("<script")
        );
    }
}
