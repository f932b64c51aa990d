//! What somebody sends who means no good: each is refused with its status, and nothing is written.

mod floods;
mod secrets;
mod snapshot;

use serde_json::{Value as Json, json};

use crate::support::files::{Awaited, ENTRIES, awaited, put_range};
use crate::support::{Answer, Client, Place, Server, stores};
use snapshot::{names, snapshot};

/// Names of files that lead elsewhere, or out of a header.
const NAMES: [&str; 12] = [
    "../../evil",
    "/etc/passwd",
    "..\\..\\evil.txt",
    "a/../../evil",
    "evil\r\nset-cookie: a=b",
    "evil\0.txt",
    "..",
    "./",
    "%2e%2e%2fevil",
    "x\"; filename=\"y",
    "\u{202e}gpj.exe",
    "~/.ssh/authorized_keys",
];

/// Checks a download: its name stays in its quotes and is one step.
fn is_one_name(answer: &Answer, of: &str) {
    let told = answer.header("content-disposition");
    let name = told.strip_prefix("attachment; filename=\"").and_then(|rest| rest.strip_suffix('"'));
    let name = name.unwrap_or_else(|| panic!("{of:?}: {told}"));
    let one = !name.is_empty() && !name.contains(['/', '\\', '"', '\r', '\n', '\0']);
    assert!(one && name != "..", "{of:?}: {told}");
    assert_eq!(answer.header("set-cookie"), "");
}

/// A datapoint with a file of this name.
fn datapoint_file(client: &Client, id: &str, name: &str) -> Answer {
    let about = json!({ "datapoint_id": id, "data_type": "file", "data_timestamp": "2026" });
    let form = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"datapoint\"\r\n\r\n{about}\r\n--XX\r\n\
         Content-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\nabc\r\n\
         --XX--\r\n"
    );
    let headers = [("content-type", "multipart/form-data; boundary=XX")];
    client.send("POST", "/datapoint", &headers, Some(form.as_bytes()))
}

#[test]
fn names_of_files_lead_nowhere() {
    let place = Place::new();
    let server = place.serve("--store json:store");
    let before = names(&place);
    for (number, name) in NAMES.into_iter().enumerate() {
        let body = json!({ "name": name, "file_path": name }).to_string();
        let made = server.post(ENTRIES, &body);
        if made.status == 200 {
            let made = made.json();
            let at = format!("{ENTRIES}/{}", made["data_storage"]["id"].as_str().unwrap());
            let file = Awaited { at, url: crate::support::files::signed_url(&made) };
            put_range(&server, &file.begin(&server), 0, b"abc", 3).expect(200);
            file.activate(&server).expect(200);
            is_one_name(&server.get(&file.download(&server)).expect(200), name);
            let shown = server.get(&file.at).expect(200).json();
            let told = &shown["storage_locations"][0]["storage_config"]["location"];
            let told = told.as_str().unwrap();
            assert!(!told.contains(['/', '\\']) && told != "..", "{name:?}: {told}");
        } else {
            assert!((400..500).contains(&made.status), "{name:?}: {}", made.text());
        }
        let id = format!("p{number}");
        let made = datapoint_file(&server, &id, &name.replace(['\r', '\n', '"'], "_"));
        if made.status == 200 {
            is_one_name(&server.get(&format!("/datapoint/{id}/value")).expect(200), name);
        } else {
            assert!((400..500).contains(&made.status), "{name:?}: {}", made.text());
        }
    }
    assert_eq!(names(&place), before, "files beside the data");
    let mut kept = Vec::new();
    for line in snapshot(&place, &server).iter().filter(|line| line.contains("/blobs/")) {
        let name = line.rsplit('/').next().unwrap().split(' ').next().unwrap().to_owned();
        let is_key = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_key, "{line}");
        kept.push(name);
    }
    assert!(kept.len() >= 12, "{kept:?}");
}

/// Ids as they stand in a path.
const IDS: [&str; 16] = [
    "%2E%2E",
    "%2E",
    "..%2F..%2Fevil",
    "%2Fetc%2Fpasswd",
    "..%5C..%5Cevil",
    "%00",
    "a%0D%0Aset-cookie:%20a=b",
    "%FF%FE",
    "__proto__",
    "CON",
    "-rf",
    "$where",
    "'%20OR%201=1--",
    "%F0%9F%92%A9",
    "*",
    "%7B%7D",
];

#[test]
fn hostile_ids_are_ids_or_nothing() {
    let long = "x".repeat(256);
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        server.make("items");
        let before = names(&place);
        for id in IDS.into_iter().chain([long.as_str()]) {
            let at = format!("/api/v1/collections/items/documents/{id}");
            let decoded: Vec<u8> = form_urlencoded::parse(format!("a={id}").as_bytes())
                .flat_map(|(_, value)| value.into_owned().into_bytes())
                .collect();
            let document = json!({ "id": String::from_utf8_lossy(&decoded), "n": 1 }).to_string();
            let put = server.put(&at, &document);
            match put.status {
                200 => {
                    assert_eq!(server.get(&at).expect(200).json()["n"], 1, "{store} {id}");
                    server.delete(&at).expect(200);
                }
                status => assert!((400..500).contains(&status), "{store} {id}: {}", put.text()),
            }
            for path in [
                format!("/datapoint/{id}"),
                format!("/datapoint/{id}/value"),
                format!("{ENTRIES}/{id}"),
                format!("/signed/blobs/{id}"),
                format!("/signed/uploads/{id}"),
                format!("/signed/outside/{id}/0"),
                format!("/console/entries/{id}"),
                format!("/console/assets/1/{id}"),
            ] {
                let status = server.get(&path).status;
                assert!((400..500).contains(&status), "{store} {path}: {status}");
            }
        }
        assert_eq!(names(&place), before, "files beside the data");
    }
}

/// Registers something outside; the status.
fn register(client: &Client, storage_type: &str, metadata: Json) -> u16 {
    let place = json!({ "storage_type": storage_type, "content_type": "directory",
        "metadata": metadata });
    let body = json!({ "name": "e", "existing_location": place }).to_string();
    client.post(ENTRIES, &body).status
}

#[test]
fn what_makes_no_sense_is_not_kept() {
    let place = Place::new();
    place.write(
        "repository.json",
        r#"{"server":{"sources":{"buckets":[{"name":"ours","prefix":"in/"}]}}}"#,
    );
    let server = place.serve("--store sqlite:store.db");
    let before = snapshot(&place, &server);
    let form = |kind: &str, body: &str| {
        server.send("POST", "/datapoint", &[("content-type", kind)], Some(body.as_bytes())).status
    };
    let encoded = "application/x-www-form-urlencoded";
    let about = r#"{"datapoint_id":"a","data_type":"file","data_timestamp":"2026"}"#;
    assert_eq!(form(encoded, &format!("datapoint={about}")), 400);
    let parts = "multipart/form-data; boundary=XX";
    let field = "--XX\r\nContent-Disposition: form-data; name=";
    assert_eq!(form(parts, &format!("{field}\"datapoint\"\r\n\r\n{about}\r\n--XX--\r\n")), 400);
    assert_eq!(form(parts, &format!("{field}\"evil\"\r\n\r\n{about}\r\n--XX--\r\n")), 400);
    let file =
        format!("{field}\"datapoint\"\r\n\r\n{about}\r\n{field}\"files\"; filename=\"a\"\r\n");
    // A file that breaks off, and one that comes before what it belongs to.
    assert_eq!(form(parts, &format!("{file}\r\nabc")), 400);
    assert_eq!(form(parts, &format!("{field}\"files\"; filename=\"a\"\r\n\r\nabc\r\n--XX--")), 400);
    for (bucket, prefix) in [("theirs", "in/"), ("ours", "out/"), ("ours", ""), ("OURS", "in/")] {
        let status = register(&server, "gcs", json!({ "bucket_name": bucket, "prefix": prefix }));
        assert!(matches!(status, 400 | 403), "{bucket} {prefix}: {status}");
    }
    let status = register(&server, "gcs", json!({ "bucket_name": "ours", "prefix": "in/../out/" }));
    assert!(matches!(status, 400 | 403), "{status}");
    let status = register(&server, "pg_table", json!({ "table_name": "api_keys", "row_id": "1" }));
    assert_eq!(status, 403);
    // What was begun and not finished is condemned at once, and seen by nobody.
    let is_left = |line: &&String| !line.starts_with("blobs ") && !line.starts_with("usage ");
    let after = snapshot(&place, &server);
    let seen = |all: &[String]| all.iter().filter(is_left).cloned().collect::<Vec<_>>();
    assert_eq!(seen(&after), seen(&before));
    let blobs = after.iter().filter(|line| line.starts_with("blobs "));
    assert!(blobs.into_iter().all(|line| line.contains("\"condemned\"")), "{after:?}");
}

/// The URLs of every kind that a server hands out, each with its method.
fn signed_urls(server: &Server) -> Vec<(&'static str, String)> {
    let (first, second) = (awaited(server, "f.bin"), awaited(server, "g.bin"));
    let upload = first.begin(server);
    put_range(server, &upload, 0, b"abc", 3).expect(200);
    first.activate(server).expect(200);
    let hash = crate::support::files::md5_of(b"abc");
    let (_, parts) = awaited(server, "h.bin").initiate(server, &[hash]);
    let ranges = awaited(server, "i.bin").begin(server);
    let download = first.download(server);
    vec![("GET", download), ("POST", second.url), ("PUT", ranges), ("PUT", parts[0].clone())]
}

fn use_url(server: &Server, method: &str, url: &str) -> u16 {
    let headers = [("x-goog-resumable", "start"), ("content-range", "bytes 0-2/3")];
    let headers = if method == "GET" { &headers[..0] } else { &headers[..] };
    server.send(method, url, headers, (method != "GET").then_some(b"abc")).status
}

/// The same URL with something else in it.
fn others(url: &str, head: &str, signature: &str) -> [String; 6] {
    [
        url.replace("expires=", "expires=9"),
        url.replace("expires=", "expires=-"),
        format!("{head}signature="),
        head.to_owned(),
        format!("{url}&name=other.exe"),
        format!("{head}signature={signature}{signature}"),
    ]
}

#[test]
fn a_signed_url_cannot_be_altered_and_ends() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let urls = signed_urls(&server);
    let before = snapshot(&place, &server);
    for (method, url) in &urls {
        let (head, signature) = url.split_once("signature=").unwrap();
        for at in 0..signature.len() {
            let mut altered = signature.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = format!("{head}signature={}", String::from_utf8(altered).unwrap());
            assert_eq!(use_url(&server, method, &altered), 403, "{altered}");
        }
        for altered in others(url, head, signature) {
            assert_eq!(use_url(&server, method, &altered), 403, "{altered}");
        }
    }
    assert_eq!(snapshot(&place, &server), before);
    // As they are they are good, but not for ever.
    for (method, url) in &urls {
        let status = use_url(&server, method, url);
        assert!((200..300).contains(&status), "{url}: {status}");
    }
    let base = server.base.clone();
    drop(server);
    let mut command = place.command("--listen 127.0.0.1:0 --store sqlite:store.db");
    command.stdout(std::process::Stdio::piped()).env("REPO_REHEARSAL_HOURS_AHEAD", "25");
    let tomorrow = place.started(&mut command);
    for (method, url) in &urls {
        let url = url.replace(&base, &tomorrow.base);
        assert_eq!(use_url(&tomorrow, method, &url), 403, "{url} is good tomorrow");
    }
}

#[test]
fn others_are_let_in_only_with_a_key_that_is_good() {
    let place = Place::new();
    let key = place.json("keys create --name a --scopes admin");
    place.json(&format!("keys revoke {}", key["id"].as_str().unwrap()));
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = place.run(&format!("--listen {address}"));
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("repo-server keys create"), "{said}");
    }
}

#[test]
fn a_page_of_another_site_stores_nothing_anywhere() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    server.make("items");
    server.put("/api/v1/collections/items/documents/a", r#"{"id":"a"}"#).expect(200);
    let file = awaited(&server, "f.bin");
    let before = snapshot(&place, &server);
    let point =
        r#"datapoint={"datapoint_id":"a","data_type":"json","data_timestamp":"1","value":1}"#;
    let at = format!("{}/status", file.at);
    let requests: [(&str, &str, &str); 9] = [
        ("POST", "/datapoint", point),
        ("POST", ENTRIES, r#"{"name":"x","content":"y"}"#),
        ("PATCH", &file.at, r#"{"status":"active"}"#),
        ("DELETE", &file.at, ""),
        ("POST", &file.url, ""),
        ("PUT", "/api/v1/collections/items/documents/b", r#"{"id":"b"}"#),
        ("POST", "/console/c/items/new", "document=%7B%22id%22%3A%22c%22%7D"),
        ("POST", "/console/c/items/delete?id=a", "version=1"),
        ("GET", &at, ""),
    ];
    let evil = [
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://127.0.0.1", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("host", "evil.example", 421),
    ];
    for (method, path, body) in requests {
        for (name, value, status) in evil {
            let kind = ("content-type", "application/x-www-form-urlencoded");
            let resumable = ("x-goog-resumable", "start");
            let body = (method != "GET" && method != "DELETE").then_some(body.as_bytes());
            let answer = server.send(method, path, &[kind, resumable, (name, value)], body);
            assert_eq!(answer.status, status, "{method} {path} {name}: {value}");
        }
    }
    assert_eq!(snapshot(&place, &server), before);
}
