//! Entries, datasets, datapoints and usage by the server's own API, on every store.

use std::io::Cursor;

use crate::support::{Answer, Place, Server, stores};
use repo_blob::BlobDigest;
use repo_data::directory::{NodeKind, ZipLimits, list_zip};
use serde_json::{Value as Json, json};

const ENTRIES: &str = "/api/v1/entries";
const DATASETS: &str = "/api/v1/datasets";

/// Runs a behaviour on every store.
fn on_every_store(behaviour: impl Fn(&Server)) {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        behaviour(&server);
    }
}

fn made(server: &Server, at: &str, body: &Json) -> Json {
    server.post(at, &body.to_string()).expect(201).json()
}

fn id(record: &Json) -> String {
    record["id"].as_str().unwrap().to_owned()
}

fn entry(server: &Server, body: &Json) -> String {
    id(&made(server, ENTRIES, body))
}

fn with(server: &Server, method: &str, at: &str, tag: &str, body: Option<&Json>) -> Answer {
    let body = body.map(Json::to_string);
    server.send(method, at, &[("if-match", tag)], body.as_deref().map(str::as_bytes))
}

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
fn a_dataset_is_deleted_and_restored_with_what_is_in_it() {
    on_every_store(|server| {
        let dataset = id(&made(server, DATASETS, &json!({ "name": "d", "description": "x" })));
        let at = format!("{DATASETS}/{dataset}");
        let inside: Vec<String> = (0..9)
            .map(|n| {
                entry(
                    server,
                    &json!({ "name": format!("e{n}"), "text": "abc", "dataset": dataset }),
                )
            })
            .collect();
        let read = server.get(&at).expect(200);
        assert_eq!(read.json()["usage"]["entries"], 9);
        assert_eq!(read.json()["usage"]["bytes"], 27);
        let tag = read.header("etag").to_owned();
        let patch = json!({ "name": "e", "metadata": { "a": 1 } });
        with(server, "PATCH", &at, "\"77\"", Some(&patch)).expect(412);
        let changed = with(server, "PATCH", &at, &tag, Some(&patch)).expect(200);
        assert_eq!(changed.json()["description"], "x");
        with(server, "DELETE", &at, &tag, None).expect(412);
        let hold = format!("{at}/holds/h");
        server.put(&hold, r#"{"reason":"audit"}"#).expect(200);
        assert_eq!(server.delete(&at).expect(409).kind(), "Invalid");
        server.delete(&format!("{ENTRIES}/{}", inside[0])).expect(409);
        assert_eq!(server.delete(&hold).expect(200).json()["holds"], json!([]));
        server.delete(&at).expect(200);
        assert_eq!(server.get(&at).expect(200).json()["state"], "deleted");
        assert_eq!(server.get(DATASETS).expect(200).json()["items"], json!([]));
        for one in &inside {
            let found = server.get(&format!("{ENTRIES}/{one}")).expect(200).json();
            assert_eq!(found["deleted_with"], json!(dataset));
            server.post(&format!("{ENTRIES}/{one}/restore"), "").expect(409);
        }
        server.post(&format!("{at}/restore"), "").expect(200);
        let listed = server.get(&format!("{ENTRIES}?dataset={dataset}")).expect(200).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 9);
        assert_eq!(server.get(DATASETS).expect(200).json()["items"][0]["name"], "e");
    });
}

#[test]
fn datapoints_are_listed_read_deleted_and_restored() {
    on_every_store(|server| {
        for number in 0..5 {
            let datapoint = json!({ "datapoint_id": format!("p{number}"), "data_type": "json",
                "label": if number < 2 { "low" } else { "high" }, "value": { "t": number },
                "data_timestamp": format!("2026-03-0{}T00:00:00", number + 1) });
            let form: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("datapoint", &datapoint.to_string())
                .finish();
            let kind = [("content-type", "application/x-www-form-urlencoded")];
            server.send("POST", "/datapoint", &kind, Some(form.as_bytes())).expect(200);
        }
        let ids = |query: &str| {
            let page = server.get(&format!("/api/v1/datapoints{query}")).expect(200).json();
            let items = page["items"].as_array().unwrap();
            let ids: Vec<String> = items.iter().map(id).collect();
            (ids, page["next"].as_str().map(str::to_owned))
        };
        let (first, next) = ids("?limit=3");
        assert_eq!(first, ["p4", "p3", "p2"]);
        assert_eq!(ids(&format!("?limit=3&cursor={}", next.unwrap())).0, ["p1", "p0"]);
        assert_eq!(ids("?label=low").0, ["p1", "p0"]);
        assert_eq!(ids("?data_type=file").0, Vec::<String>::new());
        let at = "/api/v1/datapoints/p3";
        let read = server.get(at).expect(200);
        assert_eq!(read.json()["value"], json!({ "t": 3 }));
        assert_eq!(server.get(&format!("{at}/value")).expect(200).json(), json!({ "t": 3 }));
        with(server, "DELETE", at, "\"9\"", None).expect(412);
        with(server, "DELETE", at, read.header("etag"), None).expect(200);
        assert_eq!(server.get(at).expect(200).json()["status"], "deleted");
        server.get(&format!("{at}/value")).expect(404);
        assert_eq!(ids("").0, ["p4", "p2", "p1", "p0"]);
        server.post(&format!("{at}/restore"), "").expect(200);
        assert_eq!(server.get(&format!("{at}/value")).expect(200).json(), json!({ "t": 3 }));
        server.put(&format!("{at}/holds/h"), r#"{"reason":"audit"}"#).expect(200);
        server.delete(at).expect(409);
    });
}

#[test]
fn usage_is_counted_by_owner_dataset_and_store() {
    on_every_store(|server| {
        let dataset = id(&made(server, DATASETS, &json!({ "name": "d" })));
        let large = "x".repeat(100_000);
        let one = entry(server, &json!({ "name": "a", "text": large, "dataset": dataset }));
        entry(server, &json!({ "name": "b", "text": "abc" }));
        let usage = |query: &str| {
            let page = server.get(&format!("/api/v1/usage{query}")).expect(200).json();
            (page["items"].clone(), page["next"].clone())
        };
        let item = |scope: &str, name: &str, entries: u64, bytes: u64, condemned: u64| {
            json!([{ "scope": scope, "name": name, "entries": entries, "datapoints": 0,
                "bytes": bytes, "condemned_bytes": condemned }])
        };
        assert_eq!(usage("").0, item("owner", "local", 2, 100_003, 0));
        assert_eq!(usage("?scope=dataset").0, item("dataset", &dataset, 1, 100_000, 0));
        assert_eq!(usage("?scope=store").0, item("store", "main", 0, 100_000, 0));
        server.delete(&format!("{ENTRIES}/{one}")).expect(200);
        assert_eq!(usage("?scope=owner&name=local").0, item("owner", "local", 1, 3, 100_000));
        server.get("/api/v1/usage?scope=nope").expect(400);
        server.get("/api/v1/usage?cursor=nope").expect(400);
        // However the counters of a name fall into pages, each name comes once and whole.
        for number in 0..6 {
            let dataset = id(&made(server, DATASETS, &json!({ "name": number.to_string() })));
            for text in ["a", "bc", "def"] {
                entry(server, &json!({ "name": "e", "text": text, "dataset": dataset }));
            }
        }
        let (mut sums, mut cursor) = (Vec::new(), String::new());
        loop {
            let (items, next) = usage(&format!("?scope=dataset&limit=2{cursor}"));
            sums.extend(items.as_array().unwrap().iter().map(|one| {
                (one["name"].as_str().unwrap().to_owned(), one["bytes"].as_u64().unwrap())
            }));
            match next.as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut bytes: Vec<u64> = sums.iter().map(|(_, bytes)| *bytes).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, [0, 6, 6, 6, 6, 6, 6]);
        let mut names: Vec<String> = sums.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7);
    });
}

#[test]
fn what_is_mine_is_mine() {
    let place = Place::new();
    let key = |name: &str, more: &str| {
        let made = place.json(&format!("keys create --name {name} {more}"));
        format!("Bearer {}", made["key"].as_str().unwrap())
    };
    let (ada, bob) = (key("ada", ""), key("bob", ""));
    let admin = key("root", "--scopes read,write,admin");
    let server = place.serve("");
    let ask = |who: &str, method: &str, path: &str, body: Option<&Json>| {
        let body = body.map(Json::to_string);
        server.send(method, path, &[("authorization", who)], body.as_deref().map(str::as_bytes))
    };
    let dataset =
        id(&ask(&ada, "POST", DATASETS, Some(&json!({ "name": "d" }))).expect(201).json());
    let body = json!({ "name": "n", "text": "t", "dataset": dataset });
    let made = ask(&ada, "POST", ENTRIES, Some(&body)).expect(201).json();
    let at = format!("{ENTRIES}/{}", id(&made));
    // Nobody puts something into what belongs to somebody else.
    ask(&bob, "POST", ENTRIES, Some(&body)).expect(404);
    for (method, path) in [
        ("GET", at.clone()),
        ("DELETE", at.clone()),
        ("GET", format!("{at}/content")),
        ("GET", format!("{at}/revisions")),
        ("POST", format!("{at}/restore")),
        ("GET", format!("{DATASETS}/{dataset}")),
        ("DELETE", format!("{DATASETS}/{dataset}")),
    ] {
        ask(&bob, method, &path, None).expect(404);
    }
    assert_eq!(ask(&bob, "GET", ENTRIES, None).expect(200).json()["items"], json!([]));
    let shared = json!({ "share": { "status": "shared", "users": ["bob"] } });
    ask(&ada, "PATCH", &at, Some(&shared)).expect(200);
    ask(&bob, "GET", &at, None).expect(200);
    assert_eq!(ask(&bob, "GET", ENTRIES, None).expect(200).json()["items"][0]["id"], made["id"]);
    ask(&bob, "PATCH", &at, Some(&shared)).expect(403);
    ask(&bob, "DELETE", &at, None).expect(403);
    // A hold is released by who placed it.
    let hold = format!("{at}/holds/h");
    ask(&admin, "PUT", &hold, Some(&json!({ "reason": "audit" }))).expect(200);
    ask(&ada, "DELETE", &hold, None).expect(403);
    ask(&ada, "DELETE", &at, None).expect(409);
    ask(&admin, "DELETE", &hold, None).expect(200);
    ask(&ada, "DELETE", &at, None).expect(200);
    // What is deleted is seen by whom it belongs to.
    ask(&bob, "GET", &at, None).expect(404);
    let deleted = format!("{ENTRIES}?status=deleted");
    assert_eq!(ask(&bob, "GET", &deleted, None).expect(200).json()["items"], json!([]));
    assert_eq!(ask(&ada, "GET", &deleted, None).expect(200).json()["items"][0]["id"], made["id"]);
    ask(&bob, "GET", &format!("{deleted}&owner=ada"), None).expect(403);
    let usage = ask(&bob, "GET", "/api/v1/usage", None).expect(200).json();
    assert_eq!(
        (&usage["items"][0]["name"], usage["items"].as_array().unwrap().len()),
        (&json!("bob"), 1)
    );
    ask(&bob, "GET", "/api/v1/usage?scope=store", None).expect(403);
    ask(&bob, "GET", "/api/v1/usage?name=ada", None).expect(403);
    ask(&bob, "GET", &format!("/api/v1/usage?scope=dataset&name={dataset}"), None).expect(404);
    let own = ask(&ada, "GET", "/api/v1/usage?scope=dataset", None).expect(200).json();
    assert_eq!(own["items"][0]["name"], json!(dataset));
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
