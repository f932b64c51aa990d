//! A body that stops arriving is answered with 408, by each protocol, and can be sent again.

use crate::support::files::{awaited, content_range, md5_of, put_range};
use crate::support::{Client, Place, Server};
use serde_json::json;

/// Bytes that a request announces.
const ANNOUNCED: usize = 100_000;
const FORM: &str = "content-type: multipart/form-data; boundary=b\r\n";

/// A server that waits for the next piece of a body for half a second.
fn impatient(place: &Place) -> Server {
    place.write("repository.json", r#"{"server":{"limits":{"idle_timeout_ms":500}}}"#);
    place.serve("--store memory:")
}

/// Sends less than is announced, and waits for the answer.
#[track_caller]
fn stops(client: &Client, method: &str, url: &str, headers: &str, sent: &[u8]) {
    let path = url.strip_prefix(&client.base).unwrap_or(url);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {ANNOUNCED}\r\n{headers}\r\n",
        client.address()
    );
    let answer = client.raw(&[head.as_bytes(), sent].concat());
    assert!(answer.starts_with("HTTP/1.1 408 "), "{method} {path}: {answer}");
    assert!(answer.contains("send it again"), "{method} {path}: {answer}");
}

#[test]
fn by_the_servers_own_api() {
    let place = Place::new();
    let server = impatient(&place);
    server.make("items");
    let at = "/api/v1/collections/items/documents/a";
    stops(&server, "PUT", at, "", b"{\"id\":");
    server.get(at).expect(404);
    server.put(at, r#"{"id":"a"}"#).expect(200);
    stops(&server, "POST", "/api/v1/entries", "", b"{\"name\":");
}

#[test]
fn by_the_form_of_madsci() {
    let place = Place::new();
    let server = impatient(&place);
    let urlencoded = "content-type: application/x-www-form-urlencoded\r\n";
    stops(&server, "POST", "/datapoint", urlencoded, b"datapoint=%7B");
    let text = "--b\r\nContent-Disposition: form-data; name=\"datapoint\"\r\n\r\n";
    stops(&server, "POST", "/datapoint", FORM, text.as_bytes());
    let datapoint = json!({ "datapoint_id": "01S", "data_type": "file", "label": "l",
        "data_timestamp": "2026-03-01T00:00:00" });
    let file = format!(
        "{text}{datapoint}\r\n--b\r\nContent-Disposition: form-data; name=\"files\"; \
         filename=\"f.bin\"\r\n\r\nabc"
    );
    stops(&server, "POST", "/datapoint", FORM, file.as_bytes());
    server.get("/datapoint/01S").expect(404);
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let whole = format!("{file}\r\n--b--\r\n");
    server.send("POST", "/datapoint", &kind, Some(whole.as_bytes())).expect(200);
}

#[test]
fn by_the_ranges_and_parts_of_futurehouse() {
    let place = Place::new();
    let server = impatient(&place);
    let file = awaited(&server, "f.bin");
    let upload = file.begin(&server);
    let range = format!("content-range: {}\r\n", content_range(0, ANNOUNCED, 2 * ANNOUNCED));
    stops(&server, "PUT", &upload, &range, b"abc");
    // Nothing of the range was kept, and it can be sent again.
    let there = put_range(&server, &upload, 0, b"", 2 * ANNOUNCED).expect(308);
    assert_eq!(there.header("range"), "");
    let whole = vec![7; 2 * ANNOUNCED];
    put_range(&server, &upload, 0, &whole[..ANNOUNCED], whole.len()).expect(308);
    put_range(&server, &upload, ANNOUNCED, &whole[ANNOUNCED..], whole.len()).expect(200);
    file.activate(&server).expect(200);

    let file = awaited(&server, "g.bin");
    let part = vec![7; ANNOUNCED];
    let hashes = [md5_of(&part)];
    let (id, urls) = file.initiate(&server, &hashes);
    stops(&server, "PUT", &urls[0], "", b"abc");
    server.send("PUT", &urls[0], &[], Some(&part)).expect(200);
    file.complete(&server, &id, &hashes).expect(200);
}

#[test]
fn by_tus() {
    let place = Place::new();
    let server = impatient(&place);
    let tus = ("tus-resumable", "1.0.0");
    let headers = [tus, ("upload-length", "100000"), ("upload-metadata", "name Zg==")];
    let begun = server.send("POST", "/api/v1/uploads", &headers, Some(b"")).expect(201);
    let at = begun.header("location").to_owned();
    let piece = "tus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
                 content-type: application/offset+octet-stream\r\n";
    stops(&server, "PATCH", &at, piece, b"abc");
    // What came of a piece without a checksum is kept.
    let looked = server.send("HEAD", &at, &[tus], None).expect(200);
    assert_eq!(looked.header("upload-offset"), "3");
    let kind = ("content-type", "application/offset+octet-stream");
    let headers = [tus, kind, ("upload-offset", "3")];
    let rest = vec![7; ANNOUNCED - 3];
    server.send("PATCH", &at, &headers, Some(&rest)).expect(204);
}

#[test]
fn by_the_form_of_the_console() {
    let place = Place::new();
    let server = impatient(&place);
    let headers = format!("{FORM}sec-fetch-site: same-origin\r\n");
    let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nabc";
    stops(&server, "POST", "/console/upload", &headers, file.as_bytes());
    let shown = server.get("/console/uploads").expect(200).text();
    assert!(shown.contains("Nothing is being uploaded."), "{shown}");
}
