//! Entries and datasets by the server's own API.

use serde_json::Value as Json;

use super::{Answer, Server};

pub const ENTRIES: &str = "/api/v1/entries";
pub const DATASETS: &str = "/api/v1/datasets";

/// Makes a record.
#[track_caller]
pub fn made(server: &Server, at: &str, body: &Json) -> Json {
    server.post(at, &body.to_string()).expect(201).json()
}

pub fn id(record: &Json) -> String {
    record["id"].as_str().unwrap().to_owned()
}

/// Makes an entry; its id.
#[track_caller]
pub fn entry(server: &Server, body: &Json) -> String {
    id(&made(server, ENTRIES, body))
}

/// Asks for something that is done only to the version of an ETag.
pub fn with(server: &Server, method: &str, at: &str, tag: &str, body: Option<&Json>) -> Answer {
    let body = body.map(Json::to_string);
    server.send(method, at, &[("if-match", tag)], body.as_deref().map(str::as_bytes))
}
