//! Transfers that are interrupted, put off, or wrong: what is acknowledged is there, what is not
//! can be sent again, and nothing half done becomes active.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use crate::support::files::{MIB, awaited, bytes, half_sent, md5_of, put_range};
use crate::support::{Place, Server};
use repo_blob::BlobDigest;

/// Nothing, less than anything, and more than two ranges and a bit.
const SIZES: [usize; 3] = [0, 3, 20 * MIB + 7];
/// As FutureHouse's client cuts a file.
const RANGE: usize = 8 * MIB;

/// Compares what is given back with what was sent, and with the digest that is said of it.
fn is_given_back(server: &Server, url: &str, content: &[u8]) {
    let answer = server.get(url).expect(200);
    assert!(answer.bytes == content, "{} bytes are not what they were", content.len());
    let digest = format!("sha-256=:{}:", BlobDigest::of(content).sha256.to_base64());
    assert_eq!(answer.header("repr-digest"), digest);
}

#[test]
fn files_of_every_size_arrive_in_ranges() {
    let place = Place::new();
    let server = place.serve("");
    for size in SIZES {
        let content = bytes(size);
        let file = awaited(&server, "f.bin");
        let upload = file.begin(&server);
        if content.is_empty() {
            put_range(&server, &upload, 0, b"", 0).expect(200);
        }
        for (number, part) in content.chunks(RANGE).enumerate() {
            let first = number * RANGE;
            let last = first + part.len() == size;
            let put = put_range(&server, &upload, first, part, size);
            put.expect(if last { 200 } else { 308 });
        }
        file.activate(&server).expect(200);
        is_given_back(&server, &file.download(&server), &content);
    }
}

#[test]
fn files_of_every_size_arrive_in_parts_at_once() {
    let place = Place::new();
    let server = place.serve("");
    for size in SIZES {
        let content = bytes(size);
        // Three parts, as Edison's client cuts 20 MiB; an empty file is one part of nothing.
        let mut parts: Vec<&[u8]> = content.chunks(size.div_ceil(3).max(1)).collect();
        if parts.is_empty() {
            parts.push(b"");
        }
        let hashes: Vec<String> = parts.iter().map(|part| md5_of(part)).collect();
        let file = awaited(&server, "f.bin");
        let (upload, urls) = file.initiate(&server, &hashes);
        thread::scope(|scope| {
            for ((part, url), hash) in parts.iter().zip(&urls).zip(&hashes) {
                let client = server.client.clone();
                let headers = [("content-md5", hash.as_str())];
                scope.spawn(move || client.send("PUT", url, &headers, Some(part)).expect(200));
            }
        });
        file.complete(&server, &upload, &hashes).expect(200);
        file.activate(&server).expect(200);
        is_given_back(&server, &file.download(&server), &content);
    }
}

#[test]
fn a_busy_server_says_so_and_the_upload_goes_on() {
    let place = Place::new();
    place.write("repository.json", r#"{"server":{"limits":{"max_uploads":1}}}"#);
    let server = place.serve("--store sqlite:store.db");
    let content = bytes(3 * MIB);
    let (first, second) = (awaited(&server, "first.bin"), awaited(&server, "second.bin"));
    let (to_first, to_second) = (first.begin(&server), second.begin(&server));
    put_range(&server, &to_second, 0, &content[..MIB], content.len()).expect(308);
    let held = half_sent(&server, &to_first, &content, MIB, content.len());
    // Its bytes arrive when it has the place. Nothing is asked meanwhile: that might have it.
    let spool = place.path("share/repo-server/spool");
    while std::fs::read_dir(&spool).unwrap().count() < 2 {}
    let busy = put_range(&server, &to_second, MIB, &content[MIB..], content.len()).expect(503);
    assert_eq!((busy.header("retry-after"), busy.kind().as_str()), ("1", "Unavailable"));
    // Whatever comes from the client that was cut off, the other one sends the same range again.
    drop(held);
    let again = || put_range(&server, &to_second, MIB, &content[MIB..], content.len()).status;
    let ended = std::iter::repeat_with(again).find(|&status| status != 503);
    assert_eq!(ended, Some(200));
    put_range(&server, &to_first, 0, &content, content.len()).expect(200);
    for file in [first, second] {
        file.activate(&server).expect(200);
        is_given_back(&server, &file.download(&server), &content);
    }
}

#[test]
fn a_full_spool_puts_an_upload_off() {
    let place = Place::new();
    place.write("repository.json", r#"{"server":{"spool_bytes":1000000}}"#);
    let server = place.serve("--store sqlite:store.db");
    let content = bytes(900_000);
    let (first, second) = (awaited(&server, "first.bin"), awaited(&server, "second.bin"));
    let (to_first, to_second) = (first.begin(&server), second.begin(&server));
    put_range(&server, &to_first, 0, &content[..500_000], content.len()).expect(308);
    let full = put_range(&server, &to_second, 0, &content, content.len()).expect(503);
    assert_eq!(full.header("retry-after"), "1");
    assert!(full.text().contains("spool"), "{}", full.text());
    let nothing = put_range(&server, &to_second, 0, b"", content.len()).expect(308);
    assert_eq!(nothing.header("range"), "");
    // What is whole leaves the spool, and there is room again.
    put_range(&server, &to_first, 500_000, &content[500_000..], content.len()).expect(200);
    put_range(&server, &to_second, 0, &content, content.len()).expect(200);
    for file in [first, second] {
        file.activate(&server).expect(200);
        is_given_back(&server, &file.download(&server), &content);
    }
}

#[test]
fn a_range_that_was_cut_off_is_sent_again() {
    let place = Place::new();
    let server = place.serve("");
    let content = bytes(3 * MIB);
    let file = awaited(&server, "f.bin");
    let upload = file.begin(&server);
    let held = half_sent(&server, &upload, &content, MIB, content.len());
    let spool = place.path("share/repo-server/spool");
    while std::fs::read_dir(&spool).unwrap().next().is_none() {}
    drop(held);
    // The next request waits for the end of the last; nothing of that was acknowledged.
    let there = put_range(&server, &upload, MIB, &content[MIB..], content.len()).expect(308);
    assert_eq!(there.header("range"), "");
    file.activate(&server).expect(409);
    put_range(&server, &upload, 0, &content, content.len()).expect(200);
    file.activate(&server).expect(200);
    is_given_back(&server, &file.download(&server), &content);
}

#[test]
fn a_download_that_was_cut_off_goes_on_where_it_was() {
    let place = Place::new();
    let server = place.serve("");
    let content = bytes(12 * MIB + 5);
    let file = awaited(&server, "f.bin");
    let upload = file.begin(&server);
    put_range(&server, &upload, 0, &content, content.len()).expect(200);
    file.activate(&server).expect(200);
    let url = file.download(&server);
    let path = url.strip_prefix(&server.base).unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
    stream.write_all(head.as_bytes()).unwrap();
    let mut got = vec![0; MIB];
    stream.read_exact(&mut got).unwrap();
    drop(stream);
    let end = got.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
    let told = String::from_utf8_lossy(&got[..end]).to_lowercase();
    assert!(told.starts_with("http/1.1 200") && told.contains("accept-ranges: bytes"), "{told}");
    let mut got = got.split_off(end);
    let tag = told.split("etag: ").nth(1).unwrap().lines().next().unwrap();
    let range = format!("bytes={}-", got.len());
    let headers = [("range", range.as_str()), ("if-range", tag)];
    let rest = server.send("GET", &url, &headers, None).expect(206);
    got.extend_from_slice(&rest.bytes);
    assert!(got == content, "{} of {} bytes", got.len(), content.len());
    // For another content the range means nothing.
    let headers = [("range", range.as_str()), ("if-range", "\"other\"")];
    assert!(server.send("GET", &url, &headers, None).expect(200).bytes == content);
    let end = format!("bytes={}-", content.len());
    server.send("GET", &url, &[("range", &end)], None).expect(416);
}

#[test]
fn a_part_with_a_wrong_digest_leaves_the_entry_pending() {
    let place = Place::new();
    let server = place.serve("");
    let content = bytes(200_000);
    let hashes = [md5_of(&content)];
    let file = awaited(&server, "f.bin");
    let (upload, urls) = file.initiate(&server, &hashes);
    let put = |md5: &str, part: &[u8]| {
        server.send("PUT", &urls[0], &[("content-md5", md5)], Some(part)).status
    };
    let mut altered = content.clone();
    altered[100_000] ^= 1;
    // Other bytes than announced, with either digest; a digest that is none.
    assert_eq!(put(&hashes[0], &altered), 400);
    assert_eq!(put(&md5_of(&altered), &altered), 400);
    assert_eq!(put("nonsense", &content), 400);
    assert_eq!(put(&hashes[0], &content[..9]), 400);
    assert_eq!(file.status(&server), "pending");
    file.complete(&server, &upload, &hashes).expect(409);
    file.activate(&server).expect(409);
    assert_eq!(file.status(&server), "pending");
    assert_eq!(put(&hashes[0], &content), 200);
    file.activate(&server).expect(409);
    file.complete(&server, &upload, &hashes).expect(200);
    file.activate(&server).expect(200);
    is_given_back(&server, &file.download(&server), &content);
}

/// How long it takes to join parts depends on their bytes, and not on how long an answer may
/// take elsewhere: the time is cut to a millisecond, in which nobody joins 24 MiB.
#[test]
fn parts_are_joined_however_long_it_takes() {
    let place = Place::new();
    let line = "--store sqlite:store.db";
    let server = place.serve(line);
    let content = bytes(24 * MIB);
    let parts: Vec<&[u8]> = content.chunks(RANGE).collect();
    let hashes: Vec<String> = parts.iter().map(|part| md5_of(part)).collect();
    let file = awaited(&server, "f.bin");
    let (upload, urls) = file.initiate(&server, &hashes);
    for (part, url) in parts.iter().zip(&urls) {
        server.send("PUT", url, &[], Some(part)).expect(200);
    }
    drop(server);
    place.write("repository.json", r#"{"server":{"limits":{"request_timeout_ms":1}}}"#);
    let hurried = place.serve(line);
    file.complete(&hurried, &upload, &hashes).expect(200);
    drop(hurried);
    place.write("repository.json", "{}");
    let server = place.serve(line);
    file.activate(&server).expect(200);
    is_given_back(&server, &file.download(&server), &content);
}

/// A client sends all of its bytes before it looks at the answer. One that is refused before
/// they were read has to be told so, and not that the connection broke.
#[test]
fn who_is_refused_while_sending_is_told_why() {
    let place = Place::new();
    let server = place.serve("");
    let file = awaited(&server, "f.bin");
    let content = bytes(8 * MIB);
    let forged = file.begin(&server).replace("signature=", "signature=A");
    for _ in 0..10 {
        put_range(&server, &forged, 0, &content, content.len()).expect(403);
    }
    // So is one whose document is a bit too large, and one who asks for what there is not.
    let large = "x".repeat(17 * MIB);
    server.post("/datapoints/query", &large).expect(413);
    server.post("/nowhere", &large).expect(404);
}
