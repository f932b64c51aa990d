//! Resumable uploads by tus 1.0, on every store.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Answer, Place, Server, stores};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use repo_blob::BlobDigest;
use serde_json::{Value as Json, json};

const UPLOADS: &str = "/api/v1/uploads";
const MIB: usize = 1024 * 1024;

/// Bytes that are not the same anywhere.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn tus(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    let mut all = vec![("tus-resumable", "1.0.0")];
    all.extend_from_slice(headers);
    let answer = server.send(method, path, &all, body);
    assert_eq!(answer.header("tus-resumable"), "1.0.0", "{method} {path}: {answer:?}");
    answer
}

fn metadata(pairs: &[(&str, &str)]) -> String {
    let pair = |(key, text): &(&str, &str)| format!("{key} {}", BASE64_STANDARD.encode(text));
    pairs.iter().map(pair).collect::<Vec<_>>().join(",")
}

fn create(server: &Server, length: usize, pairs: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
    let (length, said) = (length.to_string(), metadata(pairs));
    let mut headers = vec![("upload-length", length.as_str()), ("upload-metadata", said.as_str())];
    headers.extend_from_slice(more);
    tus(server, "POST", UPLOADS, &headers, Some(b""))
}

fn begun(server: &Server, length: usize, pairs: &[(&str, &str)]) -> (String, String) {
    let answer = create(server, length, pairs, &[]).expect(201);
    let entry = answer.json()["entry"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("upload-entry"), entry);
    (answer.header("location").to_owned(), entry)
}

fn send(server: &Server, at: &str, offset: usize, bytes: &[u8], more: &[(&str, &str)]) -> Answer {
    let offset = offset.to_string();
    let mut headers = vec![
        ("upload-offset", offset.as_str()),
        ("content-type", "application/offset+octet-stream"),
    ];
    headers.extend_from_slice(more);
    tus(server, "PATCH", at, &headers, Some(bytes))
}

fn offset(server: &Server, at: &str) -> usize {
    tus(server, "HEAD", at, &[], None).expect(200).header("upload-offset").parse().unwrap()
}

fn entry(server: &Server, id: &str) -> Json {
    server.get(&format!("/api/v1/entries/{id}")).expect(200).json()
}

fn content(server: &Server, id: &str) -> Answer {
    server.get(&format!("/api/v1/entries/{id}/content"))
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256 {}", BlobDigest::of(bytes).sha256.to_base64())
}

/// Sends a part of a piece, and goes away.
fn send_and_leave(server: &Server, at: &str, offset: usize, announced: usize, sent: &[u8]) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "PATCH {at} HTTP/1.1\r\nhost: {}\r\ntus-resumable: 1.0.0\r\nupload-offset: {offset}\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: {announced}\r\n\r\n",
        server.address(),
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(sent).unwrap();
}

/// Asks until an upload is further than this.
fn further_than(server: &Server, at: &str, before: usize) -> usize {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let now = offset(server, at);
        if now > before {
            return now;
        }
        assert!(Instant::now() < end, "the upload stays at {now}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_upload_arrives_in_pieces_and_what_is_wrong_is_not_kept() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let whole = bytes(2 * MIB + 7);
        let digest = BlobDigest::of(&whole).sha256.to_string();
        let said = [("name", "w.bin"), ("sha256", digest.as_str()), ("tags", "[\"raw\"]")];
        let (at, id) = begun(&server, whole.len(), &said);
        let head = tus(&server, "HEAD", &at, &[], None).expect(200);
        assert_eq!(head.header("upload-offset"), "0");
        assert_eq!(head.header("upload-length"), whole.len().to_string());
        assert_eq!(head.header("upload-metadata"), metadata(&said));
        assert!(head.header("upload-expires").ends_with(" GMT"), "{head:?}");
        assert_eq!(entry(&server, &id)["status"], "pending");
        assert_eq!(entry(&server, &id)["upload"], at);
        content(&server, &id).expect(409);

        let first = &whole[..MIB];
        let wrong = [("upload-checksum", "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=")];
        assert_eq!(send(&server, &at, 0, first, &wrong).status, 460);
        assert_eq!(offset(&server, &at), 0);
        let sum = sha256(first);
        let sent = send(&server, &at, 0, first, &[("upload-checksum", &sum)]).expect(204);
        assert_eq!(sent.header("upload-offset"), MIB.to_string());
        // The same piece again is not taken; the answer says where to go on.
        let again = send(&server, &at, 0, &first[..8], &[]).expect(409);
        assert_eq!((again.header("upload-offset"), again.kind().as_str()), ("1048576", "Conflict"));
        send(&server, &at, 2 * MIB, &whole[2 * MIB..], &[]).expect(409);
        send(&server, &at, MIB, b"x", &[("upload-checksum", "crc32 AAAA")]).expect(400);
        let rest = &whole[MIB..];
        let done = send(&server, &at, MIB, rest, &[("upload-checksum", &sha256(rest))]).expect(204);
        assert_eq!(done.header("upload-offset"), whole.len().to_string());
        assert_eq!(offset(&server, &at), whole.len());

        let read = entry(&server, &id);
        assert_eq!((&read["status"], &read["sha256"]), (&json!("active"), &json!(digest)));
        assert_eq!((&read["tags"], &read["upload"]), (&json!(["raw"]), &Json::Null));
        assert_eq!(read["extra"], json!({}));
        let got = content(&server, &id).expect(200);
        assert!(got.bytes == whole, "{store}");
        assert_eq!(got.header("content-disposition"), "attachment; filename=\"w.bin\"");
    }
}

#[test]
fn an_upload_goes_on_after_a_cut_and_after_a_kill_of_the_server() {
    for store in stores().into_iter().filter(|store| *store != "memory:") {
        let place = Place::new();
        let line = format!("--store {store}");
        let server = place.serve(&line);
        let whole = bytes(3 * MIB);
        let (at, id) = begun(&server, whole.len(), &[("filename", "w.bin")]);
        send(&server, &at, 0, &whole[..MIB], &[]).expect(204);
        send_and_leave(&server, &at, MIB, 2 * MIB, &whole[MIB..MIB + MIB / 2]);
        let there = further_than(&server, &at, MIB);
        assert!(there <= MIB + MIB / 2, "{there}");
        // A killed server has what it acknowledged.
        drop(server);
        let server = place.serve(&line);
        assert_eq!(offset(&server, &at), there);
        assert_eq!(entry(&server, &id)["status"], "pending");
        send(&server, &at, there, &whole[there..], &[]).expect(204);
        assert!(content(&server, &id).expect(200).bytes == whole, "{store}");
    }
}

#[test]
fn a_whole_that_is_not_the_announced_one_ends_the_upload() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let other = BlobDigest::of(b"other").sha256.to_string();
        let (at, id) = begun(&server, 5, &[("name", "f"), ("sha256", &other)]);
        let refused = send(&server, &at, 0, b"bytes", &[]);
        assert_eq!(refused.status, 460, "{refused:?}");
        tus(&server, "HEAD", &at, &[], None).expect(410);
        send(&server, &at, 5, b"", &[]).expect(410);
        assert_eq!(entry(&server, &id)["status"], "pending");
        // The entry takes another upload.
        let (at, same) = begun(&server, 5, &[("entry", &id)]);
        assert_eq!(same, id);
        send(&server, &at, 0, b"other", &[]).expect(204);
        assert_eq!(content(&server, &id).expect(200).bytes, b"other");
    }
}

#[test]
fn what_is_too_large_is_refused_before_a_byte_is_read() {
    let place = Place::new();
    place.write("repository.json", r#"{"server":{"limits":{"max_upload_bytes":1000}}}"#);
    let server = place.serve("--store memory:");
    let offered = server.send("OPTIONS", UPLOADS, &[], None).expect(204);
    assert_eq!(offered.header("tus-version"), "1.0.0");
    assert_eq!(offered.header("tus-max-size"), "1000");
    assert_eq!(offered.header("tus-extension"), "creation,expiration,checksum,termination");
    assert_eq!(offered.header("tus-checksum-algorithm"), "sha1,md5,sha256");
    assert_eq!(create(&server, 1_001, &[("name", "f")], &[]).expect(413).kind(), "LimitExceeded");
    // Nothing was made for it.
    assert_eq!(server.get("/api/v1/entries").expect(200).json()["items"], json!([]));
    let (at, _) = begun(&server, 10, &[("name", "f")]);
    assert_eq!(send(&server, &at, 0, &[7; 11], &[]).expect(413).kind(), "LimitExceeded");
    assert_eq!(offset(&server, &at), 0);
}

#[test]
fn the_protocol_is_kept_and_refused_in_words() {
    let place = Place::new();
    let server = place.serve("--store memory:");
    let old = server.send("POST", UPLOADS, &[("tus-resumable", "0.2.2")], Some(b"")).expect(412);
    assert_eq!((old.header("tus-version"), old.header("tus-resumable")), ("1.0.0", "1.0.0"));
    server.send("HEAD", &format!("{UPLOADS}/x"), &[], None).expect(412);
    tus(&server, "HEAD", &format!("{UPLOADS}/x"), &[], None).expect(404);
    tus(&server, "POST", UPLOADS, &[("upload-defer-length", "1")], Some(b"")).expect(400);
    tus(&server, "POST", UPLOADS, &[], Some(b"")).expect(400);
    create(&server, 1, &[], &[]).expect(422);
    create(&server, 1, &[("name", "f"), ("dataset", "nowhere")], &[]).expect(404);
    create(&server, 1, &[("name", "f"), ("kind", "directory")], &[]).expect(422);
    let broken = [("upload-length", "1"), ("upload-metadata", "name =")];
    tus(&server, "POST", UPLOADS, &broken, Some(b"")).expect(400);

    let (at, _) = begun(&server, 3, &[("name", "f")]);
    let untyped = [("upload-offset", "0"), ("content-type", "text/plain")];
    tus(&server, "PATCH", &at, &untyped, Some(b"abc")).expect(415);
    let nowhere = [("content-type", "application/offset+octet-stream")];
    tus(&server, "PATCH", &at, &nowhere, Some(b"abc")).expect(400);
    // What lets only POST through names the method in a header.
    let through = [
        ("x-http-method-override", "PATCH"),
        ("upload-offset", "0"),
        ("content-type", "application/offset+octet-stream"),
    ];
    tus(&server, "POST", &at, &through, Some(b"abc")).expect(204);
    tus(&server, "POST", &at, &[("x-http-method-override", "GET")], Some(b"")).expect(405);

    let (at, _) = begun(&server, 3, &[("name", "g")]);
    tus(&server, "DELETE", &at, &[], None).expect(204);
    tus(&server, "HEAD", &at, &[], None).expect(410);
    tus(&server, "DELETE", &at, &[], None).expect(410);
}

#[test]
fn an_empty_file_needs_no_piece() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let made = create(&server, 0, &[("name", "empty")], &[]).expect(201).json();
        assert_eq!(made["status"], "active");
        let got = content(&server, made["entry"].as_str().unwrap()).expect(200);
        assert!(got.bytes.is_empty());
    }
}

#[test]
fn a_zip_is_looked_into_without_fetching_it() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let make = |body: &Json| {
            let made = server.post("/api/v1/entries", &body.to_string()).expect(201).json();
            made["id"].as_str().unwrap().to_owned()
        };
        let root = make(&json!({ "name": "root", "kind": "directory" }));
        make(&json!({ "name": "a.txt", "text": "abc", "parent": root }));
        make(&json!({ "name": "big.txt", "text": "0123456789".repeat(20_000), "parent": root }));
        make(&json!({ "name": "inner", "kind": "directory", "parent": root }));
        let zip = content(&server, &root).expect(200).bytes;
        let put = |bytes: &[u8], kind: &str| {
            let (at, id) = begun(&server, bytes.len(), &[("name", "z"), ("kind", kind)]);
            send(&server, &at, 0, bytes, &[]).expect(204);
            format!("/api/v1/entries/{id}/members")
        };
        let listed = server.get(&put(&zip, "collection")).expect(200).json();
        let mut items = listed["items"].as_array().unwrap().clone();
        items.sort_by_key(|item| item["path"].to_string());
        let expected = [
            json!({ "path": "a.txt", "kind": "file", "size": 3 }),
            json!({ "path": "big.txt", "kind": "file", "size": 200_000 }),
            json!({ "path": "inner", "kind": "directory", "size": null }),
        ];
        assert_eq!(items, expected);
        for no_zip in [&zip[..zip.len() / 2], b"no zip"] {
            assert_eq!(server.get(&put(no_zip, "file")).expect(409).kind(), "Invalid");
        }
        server.get(&format!("/api/v1/entries/{root}/members")).expect(409);
    }
}

#[test]
fn an_upload_that_is_begun_again_with_its_key_goes_on() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let key = [("idempotency-key", "k1")];
        let said = [("name", "f"), ("description", "d")];
        let begin = || create(&server, 6, &said, &key).expect(201);
        let first = begin();
        let at = first.header("location").to_owned();
        send(&server, &at, 0, b"abc", &[]).expect(204);
        let again = begin();
        assert_eq!((again.header("location"), again.header("upload-offset")), (at.as_str(), "3"));
        // Another request under the key is refused.
        create(&server, 7, &said, &key).expect(422);
        create(&server, 6, &[("name", "other")], &key).expect(422);
        send(&server, &at, 3, b"def", &[]).expect(204);
        let done = begin().json();
        assert_eq!((&done["status"], &done["offset"]), (&json!("active"), &json!(6)));
        assert_eq!(done["entry"], first.json()["entry"]);
        // One that was given up is begun anew, for the same entry.
        let other = [("idempotency-key", "k2")];
        let lost = create(&server, 3, &said, &other).expect(201);
        tus(&server, "DELETE", lost.header("location"), &[], None).expect(204);
        let anew = create(&server, 3, &said, &other).expect(201);
        assert_ne!(anew.header("location"), lost.header("location"));
        assert_eq!(anew.header("upload-entry"), lost.header("upload-entry"));
    }
}

#[test]
fn uploads_of_others_are_not_there() {
    let place = Place::new();
    let key = |name: &str| {
        let made = place.json(&format!("keys create --name {name}"));
        format!("Bearer {}", made["key"].as_str().unwrap())
    };
    let (ada, bob) = (key("ada"), key("bob"));
    let server = place.serve("");
    let said = metadata(&[("name", "f")]);
    let headers = [
        ("authorization", ada.as_str()),
        ("upload-length", "3"),
        ("upload-metadata", said.as_str()),
    ];
    let made = tus(&server, "POST", UPLOADS, &headers, Some(b"")).expect(201);
    let (at, id) = (made.header("location").to_owned(), made.json()["entry"].clone());
    for method in ["HEAD", "DELETE"] {
        tus(&server, method, &at, &[("authorization", &bob)], None).expect(404);
    }
    let piece = [("upload-offset", "0"), ("content-type", "application/offset+octet-stream")];
    let by = |who: &'static str, key: &str| {
        let mut headers = vec![("authorization", key.to_owned())];
        headers.extend(piece.map(|(name, text)| (name, text.to_owned())));
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert!(!who.is_empty());
        tus(&server, "PATCH", &at, &headers, Some(b"abc"))
    };
    by("bob", &bob).expect(404);
    by("ada", &ada).expect(204);
    let content = format!("/api/v1/entries/{}/content", id.as_str().unwrap());
    server.send("GET", &content, &[("authorization", &bob)], None).expect(404);
    server.send("GET", &content, &[("authorization", &ada)], None).expect(200);
}
