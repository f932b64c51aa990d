//! Files that are uploaded with the form of the console.

use crate::support::{Answer, Place, Server};

const BOUNDARY: &str = "----one-of-these";

/// A field of a form: its name, the name of its file, and its bytes.
type Field<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn form(fields: &[Field<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in fields {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn send(server: &Server, site: &str, body: &[u8]) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", kind.as_str()), ("sec-fetch-site", site)];
    server.send("POST", "/console/upload", &headers, Some(body))
}

fn upload(server: &Server, fields: &[Field<'_>]) -> Answer {
    send(server, "same-origin", &form(fields))
}

fn entries(server: &Server) -> String {
    server.get("/console/entries").expect(200).text()
}

#[test]
fn a_file_becomes_an_entry() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let page = server.get("/console/new-entry").expect(200).text();
    assert!(page.contains("multipart/form-data") && page.contains("type=\"file\""), "{page}");
    // Larger than what a form without a file may be, and larger than one piece of a body.
    let large: Vec<u8> = (0..3_000_007_u32).map(|n| (n % 251) as u8).collect();
    for (bytes, name) in [(&large[..], "scan"), (&b"abc"[..], "short"), (&b""[..], "empty")] {
        let fields: [Field<'_>; 4] = [
            ("name", None, name.as_bytes()),
            ("tags", None, b" one, two ,"),
            ("description", None, "über alles".as_bytes()),
            ("file", Some("../../dir/scan 1.bin"), bytes),
        ];
        let made = upload(&server, &fields).expect(303);
        let entry = made.header("location");
        let shown = server.get(entry).expect(200).text();
        for part in [name, "one, two", "über alles", "scan 1.bin", "active"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("../"), "{shown}");
        let file = server.get(&format!("{entry}/file")).expect(200);
        assert!(file.bytes == bytes, "{name}: {} bytes", file.bytes.len());
    }
    // Without a name it has that of the file.
    let made = upload(&server, &[("name", None, b""), ("file", Some("a.txt"), b"text")]);
    let shown = server.get(made.expect(303).header("location")).expect(200).text();
    assert!(shown.contains("<h1>a.txt</h1>"), "{shown}");
}

#[test]
fn what_is_no_such_form_leaves_nothing() {
    let place = Place::new();
    let server = place.serve("--store memory:");
    upload(&server, &[("name", None, b"x"), ("file", Some(""), b"")]).expect(400);
    upload(&server, &[("name", None, b"x")]).expect(400);
    upload(&server, &[("owner", None, b"x"), ("file", Some("a"), b"x")]).expect(400);
    upload(&server, &[("name", None, b"\xff"), ("file", Some("a"), b"x")]).expect(400);
    let long = vec![b'x'; 20_000];
    upload(&server, &[("description", None, &long), ("file", Some("a"), b"x")]).expect(400);
    upload(&server, &[("name", None, &long[..2_000]), ("file", Some("a"), b"x")]).expect(400);
    // It breaks off within the file.
    let broken = form(&[("file", Some("a"), &long)]);
    send(&server, "same-origin", &broken[..10_000]).expect(400);
    // A page of another site asks for it.
    send(&server, "cross-site", &form(&[("file", Some("a"), b"x")])).expect(403);
    assert!(entries(&server).contains("There are none."), "{}", entries(&server));
    let pending = server.get("/console/uploads").expect(200).text();
    assert!(pending.contains("Nothing is being uploaded."), "{pending}");
}

#[test]
fn a_console_that_only_shows_takes_no_file() {
    let place = Place::new();
    place.write("repository.json", r#"{"server":{"console":"read_only"}}"#);
    let server = place.serve("--store memory:");
    upload(&server, &[("file", Some("a"), b"x")]).expect(403);
    server.get("/console/new-entry").expect(403);
    assert!(!entries(&server).contains("/console/new-entry"));
}

#[test]
fn a_file_beyond_the_limit_is_refused() {
    let place = Place::new();
    place.write("repository.json", r#"{"server":{"limits":{"max_upload_bytes":65536}}}"#);
    let server = place.serve("--store memory:");
    let answer = upload(&server, &[("file", Some("a"), &vec![0; 100_000])]);
    assert!(matches!(answer.status, 413 | 422), "{}", answer.status);
    assert!(entries(&server).contains("There are none."));
    upload(&server, &[("file", Some("a"), &vec![0; 30_000])]).expect(303);
}
