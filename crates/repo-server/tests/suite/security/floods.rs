//! Too much, and too slowly.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use super::snapshot::snapshot;
use crate::support::files::{ENTRIES, MIB, awaited, content_range, put_range};
use crate::support::{Client, Place, read_to_end};

/// Routes that read a body into memory, with what it is said to be.
const ROUTES: [(&str, &str, &str); 8] = [
    ("PUT", "/api/v1/collections/items/documents/a", "application/json"),
    ("POST", "/api/v1/collections/items/bulk", "application/json"),
    ("POST", ENTRIES, "application/json"),
    ("POST", "/v0.1/data-storage/search", "application/json"),
    ("POST", "/datapoint", "application/x-www-form-urlencoded"),
    ("POST", "/datapoints/query", "application/json"),
    ("POST", "/auth/login", "application/json"),
    ("POST", "/console/c/items/new", "application/x-www-form-urlencoded"),
];

fn head(client: &Client, method: &str, path: &str, more: &str) -> String {
    let (host, origin) = (client.address(), &client.base);
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\n{more}")
}

/// Sends the same again and again until the server takes no more; how often, and the answer.
fn flood(client: &Client, head: &str, piece: &[u8]) -> (usize, String) {
    let mut stream = TcpStream::connect(client.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || read_to_end(&mut reader));
    let sent = (0..2_048).take_while(|_| stream.write_all(piece).is_ok()).count();
    (sent, answer.join().unwrap())
}

fn chunk(byte: u8) -> Vec<u8> {
    let mut chunk = format!("{MIB:x}\r\n").into_bytes();
    chunk.extend(vec![byte; MIB]);
    chunk.extend(b"\r\n");
    chunk
}

#[test]
fn two_gigabytes_are_refused_on_every_route() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let before = snapshot(&place, &server);
    for (method, path, kind) in ROUTES {
        let head = head(&server, method, path, &format!("content-type: {kind}\r\n"));
        // Announced, and not one byte of them is sent.
        let told = server.raw(format!("{head}content-length: 2147483648\r\n\r\n").as_bytes());
        assert!(told.starts_with("HTTP/1.1 413"), "{method} {path}: {told}");
        let head = format!("{head}transfer-encoding: chunked\r\n\r\n");
        let (sent, told) = flood(&server, &head, &chunk(b' '));
        assert!(sent < 64, "{method} {path}: {sent} MiB were taken");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 413"), "{method} {path}: {told}");
    }
    // A field of a form, which has no length of its own.
    let kind = "content-type: multipart/form-data; boundary=XX\r\ntransfer-encoding: chunked\r\n";
    let field = "--XX\r\nContent-Disposition: form-data; name=\"datapoint\"\r\n\r\n";
    let first = format!("{:x}\r\n{field}\r\n", field.len());
    let head = head(&server, "POST", "/datapoint", &format!("{kind}\r\n{first}"));
    let (sent, told) = flood(&server, &head, &chunk(b'x'));
    assert!(sent < 64, "{sent} MiB were taken");
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 413"), "{told}");
    assert_eq!(snapshot(&place, &server), before);
}

#[test]
fn headers_without_end_are_refused() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let large = format!("x-large: {}\r\n\r\n", "x".repeat(2 * MIB));
    let many = "x-many: y\r\n".repeat(10_000) + "\r\n";
    for headers in [large, many] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        // The server may end it before everything is sent.
        let _ = stream.write_all(head(&server, "GET", "/health", &headers).as_bytes());
        let told = read_to_end(&mut stream);
        let refused = told.is_empty() || told.starts_with("HTTP/1.1 431");
        assert!(refused, "{told}");
    }
    let path = format!("/{}", "x".repeat(100_000));
    let told = server.raw(head(&server, "GET", &path, "\r\n").as_bytes());
    assert!(told.starts_with("HTTP/1.1 414"), "{told}");
    server.get("/health").expect(200);
}

/// Sends a byte now and then until the server ends it; what it answered.
fn trickle(client: &Client, head: &str) -> String {
    let mut stream = TcpStream::connect(client.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || read_to_end(&mut reader));
    while !answer.is_finished() && stream.write_all(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    answer.join().unwrap()
}

#[test]
fn a_client_that_drips_is_given_up() {
    let place = Place::new();
    let limits = r#"{"server":{"limits":{"request_timeout_ms":4000,"idle_timeout_ms":3000,
        "max_uploads":1}}}"#;
    place.write("repository.json", limits);
    let server = place.serve("--store sqlite:store.db");
    let file = awaited(&server, "f.bin");
    let upload = file.begin(&server);
    let before = snapshot(&place, &server);
    // A header that never ends, and a body.
    let told = trickle(&server, &head(&server, "GET", "/health", "x-slow: "));
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    let length = "content-length: 1000000\r\n\r\n";
    let told = trickle(&server, &head(&server, "POST", ENTRIES, length));
    assert!(told.starts_with("HTTP/1.1 504"), "{told}");
    // An upload may take its time, but not stand still. The only place for one is free again.
    let range = format!("content-range: {}\r\n{length}", content_range(0, 1_000_000, 2_000_000));
    let path = upload.strip_prefix(&server.base).unwrap();
    let told = server.raw((head(&server, "PUT", path, &range) + "abc").as_bytes());
    assert!(told.is_empty() || !told.starts_with("HTTP/1.1 2"), "{told}");
    let there = put_range(&server, &upload, 0, b"", 2_000_000).expect(308);
    assert_eq!(there.header("range"), "");
    let is_left = |line: &&String| !line.contains("/spool/") && !line.starts_with("uploads ");
    let after = snapshot(&place, &server);
    let seen = |all: &[String]| all.iter().filter(is_left).cloned().collect::<Vec<_>>();
    assert_eq!(seen(&after), seen(&before));
    let spooled = after.iter().find(|line| line.contains("/spool/"));
    assert!(spooled.is_some_and(|line| line.ends_with(" 0")), "{after:?}");
}
