//! Entries by the server's own API, on every store.

use std::io::Cursor;

use crate::support::data::{DATASETS, ENTRIES, entry, id, made, with};
use crate::support::on_every_store;
use repo_blob::BlobDigest;
use repo_data::directory::{NodeKind, ZipLimits, list_zip};
use serde_json::{Value as Json, json};

#[test]
fn an_entry_is_made_read_changed_deleted_and_restored() {
    on_every_store(|server| {
        let body = json!({ "name": "notes.md", "text": "# hello", "tags": ["a", "b"],
            "metadata": { "exact": 1.5 }, "description": "d", "project": "p" });
        let created = server.post(ENTRIES, &body.to_string()).expect(201);
        let at = created.header("location").to_owned();
        assert_eq!(at, format!("{ENTRIES}/{}", id(&created.json())));
        assert_eq!(created.header("etag"), "\"1\"");
        let read = server.get(&at).expect(200);
        let shown = read.json();
        assert_eq!(shown["text"], "# hello");
        assert_eq!(shown["sha256"], BlobDigest::of(b"# hello").sha256.to_string());
        assert_eq!((&shown["kind"], &shown["status"]), (&json!("text"), &json!("active")));
        assert_eq!(
            (&shown["owner"], &shown["metadata"]),
            (&json!("local"), &json!({"exact": 1.5}))
        );
        server.send("GET", &at, &[("if-none-match", read.header("etag"))], None).expect(304);

        let change = json!({ "name": "other.md", "description": null, "tags": ["c"] });
        with(server, "PATCH", &at, "\"9\"", Some(&change)).expect(412);
        let changed = with(server, "PATCH", &at, "\"9\", \"1\"", Some(&change)).expect(200);
        let shown = changed.json();
        assert_eq!((&shown["name"], &shown["tags"]), (&json!("other.md"), &json!(["c"])));
        assert_eq!((&shown["description"], &shown["project"]), (&Json::Null, &json!("p")));
        assert_eq!(changed.header("etag"), "\"2\"");
        let patch = |body: &str| server.send("PATCH", &at, &[], Some(body.as_bytes()));
        patch(r#"{"status":"active"}"#).expect(422);
        patch(r#"{"metadata":{"a":1,"a":2}}"#).expect(422);
        patch("{").expect(400);
        patch(r#"{"name":""}"#).expect(400);

        with(server, "DELETE", &at, "\"1\"", None).expect(412);
        let deleted = with(server, "DELETE", &at, "\"2\"", None).expect(200).json();
        assert!(deleted["restorable_until"].is_string(), "{deleted}");
        // Deleted again it stays so.
        assert_eq!(server.delete(&at).expect(200).json(), deleted);
        let gone = server.get(&at).expect(200).json();
        assert_eq!((&gone["status"], gone.get("text")), (&json!("deleted"), None));
        server.get(&format!("{at}/content")).expect(404);
        patch(r#"{"name":"x"}"#).expect(404);
        assert_eq!(server.get(ENTRIES).expect(200).json()["items"], json!([]));
        let listed = server.get(&format!("{ENTRIES}?status=deleted")).expect(200).json();
        assert_eq!(listed["items"][0]["id"], shown["id"]);
        with(server, "POST", &format!("{at}/restore"), "\"1\"", None).expect(412);
        let back = server.post(&format!("{at}/restore"), "").expect(200).json();
        assert_eq!((&back["status"], &back["text"]), (&json!("active"), &json!("# hello")));
    });
}

#[test]
fn what_is_no_entry_is_refused_in_the_one_shape() {
    on_every_store(|server| {
        let refuse = |body: &str, status: u16| {
            assert!(!server.post(ENTRIES, body).expect(status).kind().is_empty(), "{body}");
        };
        refuse("{", 400);
        refuse(r#"{"text":"t"}"#, 422);
        refuse(r#"{"name":"n"}"#, 422);
        refuse(r#"{"name":"n","text":"t","kind":"file"}"#, 422);
        refuse(r#"{"name":"n","text":"t","unknown":1}"#, 422);
        refuse(r#"{"name":"n","text":"t","parent":"nowhere"}"#, 404);
        refuse(r#"{"name":"n","text":"t","dataset":"nowhere"}"#, 404);
        refuse(r#"{"name":"","text":"t"}"#, 400);
        let bucket = json!({ "name": "n", "outside": { "storage_type": "gcs",
            "content_type": "directory", "metadata": { "bucket_name": "bucket", "prefix": "p" } } });
        refuse(&bucket.to_string(), 403);
        server.get(&format!("{ENTRIES}/nowhere")).expect(404);
        server.get(&format!("{ENTRIES}/{}", "x".repeat(256))).expect(400);
        server.get(&format!("{ENTRIES}?limit=0")).expect(400);
        server.get(&format!("{ENTRIES}?limit=1001")).expect(400);
        server.get(&format!("{ENTRIES}?cursor=nope")).expect(400);
        server.get(&format!("{ENTRIES}?status=nope")).expect(400);
        server.get(&format!("{ENTRIES}?unknown=1")).expect(400);
        let file = entry(server, &json!({ "name": "f", "kind": "file" }));
        server.get(&format!("{ENTRIES}/{file}/content")).expect(409);
        server.delete(&format!("{ENTRIES}/{file}")).expect(200);
        server.get(&format!("{ENTRIES}/{file}")).expect(404);
    });
}

#[test]
fn a_list_has_pages_and_filters() {
    on_every_store(|server| {
        let dataset = id(&made(server, DATASETS, &json!({ "name": "d" })));
        for number in 0..7 {
            let tags = if number % 2 == 0 { json!(["even"]) } else { json!([]) };
            let inside = if number < 5 { json!(dataset) } else { Json::Null };
            let body = json!({ "name": format!("e{number}"), "text": "t", "tags": tags,
                "dataset": inside });
            entry(server, &body);
        }
        let names = |query: &str| {
            let (mut names, mut cursor) = (Vec::new(), String::new());
            loop {
                let url = format!("{ENTRIES}?limit=2{query}{cursor}");
                let page = server.get(&url).expect(200).json();
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= 2);
                assert!(items.iter().all(|item| item.get("text").is_none()));
                names.extend(items.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return names,
                }
            }
        };
        assert_eq!(names(""), ["e0", "e1", "e2", "e3", "e4", "e5", "e6"]);
        assert_eq!(names(&format!("&dataset={dataset}")), ["e0", "e1", "e2", "e3", "e4"]);
        assert_eq!(names(&format!("&dataset={dataset}&tag=even")), ["e0", "e2", "e4"]);
        assert_eq!(names("&status=pending"), Vec::<String>::new());
        assert_eq!(names("&owner=nobody"), Vec::<String>::new());
    });
}

#[test]
fn bytes_come_in_ranges_and_a_directory_as_one_zip() {
    on_every_store(|server| {
        // The second text is too large for its record.
        for text in ["0123456789".to_owned(), "0123456789".repeat(20_000)] {
            let one = entry(server, &json!({ "name": "n.txt", "text": text }));
            let at = format!("{ENTRIES}/{one}/content");
            let whole = server.get(&at).expect(200);
            assert_eq!(whole.text(), text);
            assert_eq!(whole.header("content-disposition"), "attachment; filename=\"n.txt\"");
            let sha256 = BlobDigest::of(text.as_bytes()).sha256;
            let digest = format!("sha-256=:{}:", sha256.to_base64());
            assert_eq!(whole.header("repr-digest"), digest);
            let part = server.send("GET", &at, &[("range", "bytes=3-5")], None).expect(206);
            assert_eq!(part.text(), "345");
            assert_eq!(part.header("content-range"), format!("bytes 3-5/{}", text.len()));
            server.send("GET", &at, &[("range", "bytes=9999999-")], None).expect(416);
            let known = server.send("GET", &at, &[("if-none-match", whole.header("etag"))], None);
            known.expect(304);
            let head = server.send("HEAD", &at, &[], None).expect(200);
            assert_eq!(head.header("content-length"), text.len().to_string());
        }
        let root = entry(server, &json!({ "name": "root", "kind": "directory" }));
        let within = |name: &str, parent: &str| {
            entry(server, &json!({ "name": name, "kind": "directory", "parent": parent }))
        };
        let inner = within("inner", &root);
        within("empty", &root);
        let text = |name: &str, parent: &str| {
            entry(server, &json!({ "name": name, "text": "abc", "parent": parent }))
        };
        for number in 0..120 {
            text(&format!("f{number:03}"), &inner);
        }
        // Two of one name, and names that are none of files.
        let twice = [text("same", &root), text("same", &root)];
        text("../up", &root);
        entry(server, &json!({ "name": "awaited", "kind": "file", "parent": root }));
        let zip = server.get(&format!("{ENTRIES}/{root}/content")).expect(200);
        assert_eq!(zip.header("content-type"), "application/zip");
        assert_eq!(zip.header("content-disposition"), "attachment; filename=\"root.zip\"");
        let listed = list_zip(Cursor::new(zip.bytes), &ZipLimits::default()).unwrap();
        let file = NodeKind::File { size: 3 };
        let mut found: Vec<(String, NodeKind)> =
            listed.into_iter().map(|one| (one.path.to_string(), one.kind)).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let mut expected: Vec<(String, NodeKind)> =
            (0..120).map(|number| (format!("inner/f{number:03}"), file)).collect();
        expected.push((".._up".to_owned(), file));
        expected.push(("empty".to_owned(), NodeKind::Directory));
        expected.push(("same".to_owned(), file));
        let second = found.iter().find(|(path, _)| path.starts_with("same ")).cloned().unwrap();
        assert!(twice.iter().any(|id| second.0 == format!("same {id}")), "{second:?}");
        expected.push(second);
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(found, expected);
        // A directory that is not empty stays.
        assert_eq!(server.delete(&format!("{ENTRIES}/{inner}")).expect(409).kind(), "Invalid");
    });
}

#[test]
fn a_creation_with_a_key_is_done_once() {
    on_every_store(|server| {
        for (at, body) in
            [(ENTRIES, json!({ "name": "n", "text": "t" })), (DATASETS, json!({ "name": "n" }))]
        {
            let create = |key: &str, body: &Json| {
                let body = body.to_string();
                server.send("POST", at, &[("idempotency-key", key)], Some(body.as_bytes()))
            };
            let first = create("k", &body).expect(201).json();
            assert_eq!(create("k", &body).expect(201).json()["id"], first["id"]);
            assert_eq!(create("k", &json!({ "name": "m" })).status, 422);
            assert_ne!(create("l", &body).expect(201).json()["id"], first["id"]);
            create("", &body).expect(400);
        }
    });
}

#[test]
fn revisions_are_listed_and_read() {
    on_every_store(|server| {
        let one = entry(server, &json!({ "name": "n.txt", "text": "first" }));
        let at = format!("{ENTRIES}/{one}");
        let none = server.get(&format!("{at}/revisions")).expect(200).json();
        assert_eq!((&none["items"], &none["current"]), (&json!([]), &Json::Null));
        assert_eq!(server.get(&format!("{at}/content?revision=0")).expect(200).text(), "first");
        let mut base = Json::Null;
        for (number, text) in ["second", "third"].iter().enumerate() {
            let revision = format!("{}1111111-1111-4111-8111-111111111111", number + 1);
            let change =
                json!({ "revision_id": revision, "base_revision_id": base, "content": text });
            let edison = format!("/v0.1/data-storage/data-entries/{one}");
            server.send("PATCH", &edison, &[], Some(change.to_string().as_bytes())).expect(200);
            base = json!(revision);
        }
        let first = server.get(&format!("{at}/revisions?limit=2")).expect(200).json();
        let numbers = |page: &Json| -> Vec<u64> {
            let items = page["items"].as_array().unwrap();
            items.iter().map(|one| one["number"].as_u64().unwrap()).collect()
        };
        assert_eq!(numbers(&first), [0, 1]);
        let next = first["next"].as_str().unwrap();
        let second =
            server.get(&format!("{at}/revisions?limit=2&cursor={next}")).expect(200).json();
        assert_eq!(numbers(&second), [2]);
        assert_eq!((&second["next"], &second["current"]), (&Json::Null, &base));
        for (number, text) in ["first", "second", "third"].iter().enumerate() {
            let then = server.get(&format!("{at}/content?revision={number}")).expect(200);
            assert_eq!(then.text(), *text);
        }
        server.get(&format!("{at}/content?revision=9")).expect(404);
        server.get(&format!("{at}/revisions?cursor=nope")).expect(400);
        assert_eq!(server.get(&at).expect(200).json()["revision_number"], 2);
    });
}
