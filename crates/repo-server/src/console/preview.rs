//! A look into the bytes of an entry. What a client says they are is a hint: the bytes decide,
//! and nothing of them ever runs or is a page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::TryStreamExt as _;
use maud::{Markup, html};
use repo_blob::ByteRange;
use repo_core::{EntityId, Value};
use repo_data::model::{BlobRef, Content, Entry};

use super::entries::link;
use super::failure::Failure;
use super::json::coloured;
use super::parts::{bytes, nothing};
use super::session::Viewer;
use crate::bytes::{Download, respond};
use crate::futurehouse::readable;
use crate::http::ApiError;
use crate::state::App;

/// Bytes that are looked at.
const LOOK: u64 = 64 * 1_024;
/// Largest picture that is shown.
const LARGEST_IMAGE: u64 = 32 << 20;
/// Rows and columns of a table that are shown.
const ROWS: usize = 100;
const COLUMNS: usize = 24;
/// Bytes of what is no text that are shown.
const DUMPED: usize = 256;
/// A picture is a picture and nothing else, whatever is in it.
const IMAGE_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// A look at what an entry holds.
pub(super) async fn of(app: &App, entry: &Entry) -> Result<Markup, Failure> {
    let (start, whole) = match &entry.content {
        Content::Inline(text) => (text.clone().into_bytes(), true),
        content => match content.blob() {
            Some(blob) => (beginning(app, blob).await?, blob.size <= LOOK),
            None => return Ok(nothing("There are no bytes here.")),
        },
    };
    if image_type(&start).is_some() && entry.size <= LARGEST_IMAGE {
        let path = format!("{}/image", link(entry.id.as_str()));
        return Ok(html! { div.picture { img src=(path) alt=(entry.name); } });
    }
    let Some(text) = text_of(&start, whole) else { return Ok(dump(&start)) };
    let rest = html! {
        @if !whole { p.soft { "The first " (bytes(LOOK)) " of " (bytes(entry.size)) "." } }
    };
    Ok(html! { (shown(entry, text, whole)) (rest) })
}

fn shown(entry: &Entry, text: &str, whole: bool) -> Markup {
    let is = |ending: &str, kind: &str| {
        let name = entry.file_path.as_deref().unwrap_or(&entry.name).to_ascii_lowercase();
        name.ends_with(ending)
            || entry.content_type.as_deref().is_some_and(|given| given.starts_with(kind))
    };
    if is(".csv", "text/csv") {
        return table(text, b',');
    }
    if is(".tsv", "text/tab-separated-values") {
        return table(text, b'\t');
    }
    let begins = text.trim_start().starts_with(['{', '[']);
    if whole && (begins || is(".json", "application/json")) && Value::parse(text).is_ok() {
        return html! { div.sheet { pre.json { (coloured(text)) } } };
    }
    html! { div.sheet { pre.plain { (text) } } }
}

/// Rows of a text with columns. A row may be shorter than others.
fn table(text: &str, delimiter: u8) -> Markup {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = reader.records().map_while(Result::ok).take(ROWS + 1);
    let head = rows.next();
    let rows: Vec<csv::StringRecord> = rows.collect();
    let numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column)).peekable();
        cells.peek().is_some() && cells.all(|cell| cell.trim().parse::<f64>().is_ok())
    };
    let width = rows.iter().chain(&head).map(csv::StringRecord::len).max().unwrap_or(0);
    let numbers: Vec<bool> = (0..width.min(COLUMNS)).map(numeric).collect();
    let cells = |row: &csv::StringRecord| -> Vec<String> {
        (0..numbers.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect()
    };
    html! {
        div.sheet {
            table {
                @if let Some(head) = &head {
                    thead { tr { @for (cell, n) in cells(head).iter().zip(&numbers) {
                        th.n[*n] { (cell) }
                    } } }
                }
                tbody {
                    @for row in &rows {
                        tr { @for (cell, n) in cells(row).iter().zip(&numbers) {
                            td.n[*n] { (cell) }
                        } }
                    }
                }
            }
        }
        @if width > COLUMNS { p.soft { (COLUMNS) " of " (width) " columns." } }
        @if rows.len() == ROWS { p.soft { "The first " (ROWS) " rows." } }
    }
}

async fn beginning(app: &App, blob: &BlobRef) -> Result<Vec<u8>, Failure> {
    let range = match blob.size {
        0 => return Ok(Vec::new()),
        size => ByteRange::between(0, size.min(LOOK))?,
    };
    let mut opened = app.data.open_blob(&blob.key, range).await?.bytes;
    let mut read = Vec::new();
    while let Some(piece) = opened.try_next().await? {
        read.extend_from_slice(&piece);
    }
    Ok(read)
}

/// The text of bytes. Where they go on, the last character may be cut in two.
fn text_of(bytes: &[u8], whole: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

fn dump(bytes: &[u8]) -> Markup {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (at, line) in bytes.chunks(16).take(DUMPED / 16).enumerate() {
        let _ = write!(text, "{:06x} ", at * 16);
        for byte in line {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    html! {
        p.nothing { "This is no text. Its first bytes:" }
        div.sheet { pre.plain { (text) } }
    }
}

/// What kind of picture bytes are, by how they begin. No kind that can hold a script.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        _ if bytes.starts_with(b"\xff\xd8\xff") => Some("image/jpeg"),
        _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Some("image/gif"),
        _ if webp => Some("image/webp"),
        _ => None,
    }
}

/// A picture, to be shown in a page.
pub(super) async fn image(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (entry, blob) = stored(&app, &viewer, &id).await?;
    let kind = image_type(&beginning(&app, &blob).await?).filter(|_| blob.size <= LARGEST_IMAGE);
    let kind = kind.ok_or_else(|| ApiError::not_found("this is no picture that is shown"))?;
    let mut response = send(&app, &entry, &blob, &headers).await?;
    let out = response.headers_mut();
    if out.contains_key(header::CONTENT_TYPE) {
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    out.remove(header::CONTENT_DISPOSITION);
    out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(IMAGE_POLICY));
    Ok(response)
}

/// The bytes, to be kept as a file.
pub(super) async fn file(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (entry, blob) = stored(&app, &viewer, &id).await?;
    send(&app, &entry, &blob, &headers).await
}

async fn stored(app: &App, viewer: &Viewer, id: &str) -> Result<(Entry, BlobRef), Failure> {
    let entry = readable(app, &viewer.caller, &EntityId::new(id)?).await?.value;
    match entry.content {
        Content::Stored(blob) | Content::Spilled(blob) => Ok((entry, blob)),
        _ => Err(ApiError::not_found("the entry has no file").into()),
    }
}

async fn send(
    app: &App,
    entry: &Entry,
    blob: &BlobRef,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let name = entry.file_path.as_deref().unwrap_or(&entry.name);
    let about = Download::of(blob, name, entry.content_type.as_deref());
    let sent = respond(headers, about, async |range| {
        let opened = app.data.open_blob(&blob.key, range).await?;
        Ok((opened.range, opened.bytes))
    });
    Ok(sent.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide_what_is_shown() {
        assert_eq!(image_type(b"\x89PNG\r\n\x1a\n..."), Some("image/png"));
        assert_eq!(image_type(b"RIFF1234WEBPVP8"), Some("image/webp"));
        for other in [&b"<svg onload=x>"[..], b"", b"RIFF", b"<!doctype html>"] {
            assert_eq!(image_type(other), None);
        }
        assert_eq!(text_of("aé".as_bytes(), true), Some("aé"));
        assert_eq!(text_of(&"aé".as_bytes()[..2], false), Some("a"));
        assert_eq!(text_of(&"aé".as_bytes()[..2], true), None);
        assert_eq!(text_of(b"a\0b", true), None);
        let shown = table("a,b\n<i>,2\n\"x\n", b',').0;
        assert!(shown.contains("&lt;i&gt;") && !shown.contains("<i>"), "{shown}");
    }
}
