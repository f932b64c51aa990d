//! The server's own API, on every store.

use crate::support::{self, Place, Server};
use serde_json::json;

/// Runs a behaviour on every store.
fn on_every_store(behaviour: impl Fn(&Server)) {
    support::on_every_store(|server| {
        server.make("items");
        behaviour(server);
    });
}

const DOCUMENTS: &str = "/api/v1/collections/items/documents";

#[test]
fn a_document_is_written_read_and_deleted_under_conditions() {
    on_every_store(|server| {
        let at = format!("{DOCUMENTS}/a");
        let exact = r#"{"id":"a","n":1.5,"big":123456789012345678901234567890}"#;
        let created = server.post(DOCUMENTS, exact).expect(201);
        assert_eq!(created.header("etag"), "\"1\"");
        assert_eq!(created.header("location"), at);
        let read = server.get(&at).expect(200);
        // Numbers stay as they were written.
        assert_eq!(read.header("etag"), "\"1\"");
        for field in exact.trim_matches(['{', '}']).split(',') {
            assert!(read.text().contains(field), "{field}: {}", read.text());
        }
        let same = server.send("GET", &at, &[("if-none-match", "\"1\"")], None).expect(304);
        assert!(same.bytes.is_empty());
        assert_eq!(server.post(DOCUMENTS, exact).expect(409).kind(), "AlreadyExists");
        let put = |condition: (&str, &str)| {
            server.send("PUT", &at, &[condition], Some(br#"{"id":"a","n":2}"#))
        };
        put(("if-none-match", "*")).expect(412);
        put(("if-match", "\"7\"")).expect(412);
        put(("if-match", "W/\"1\"")).expect(412);
        put(("if-match", "\"no-version\"")).expect(412);
        put(("if-match", "1")).expect(400);
        assert_eq!(put(("if-match", "\"9\", \"1\"")).expect(200).header("etag"), "\"2\"");
        let delete = |tag: &str| server.send("DELETE", &at, &[("if-match", tag)], None);
        delete("\"1\"").expect(412);
        delete("\"2\"").expect(200);
        delete("\"2\"").expect(412);
        server.delete(&at).expect(404);
        assert_eq!(server.get(&at).expect(404).kind(), "NotFound");
        // No version comes twice.
        assert_eq!(server.put(&at, exact).expect(200).header("etag"), "\"4\"");
    });
}

#[test]
fn a_query_has_pages_and_an_export_has_everything() {
    on_every_store(|server| {
        for part in 0..3 {
            let operations: Vec<_> = (0..40)
                .map(|n| {
                    let number = part * 40 + n;
                    json!({ "op": "put", "document": { "id": format!("i{number:03}"), "n": number } })
                })
                .collect();
            let body = json!({ "operations": operations }).to_string();
            let done = server.post("/api/v1/collections/items/bulk", &body).expect(200);
            assert_eq!(done.json()["results"].as_array().unwrap().len(), 40);
        }
        let filter = json!({ "filter": { "n": { "$ge": 20 } }, "sort": "n:desc", "limit": 30 });
        let (mut query, mut seen) = (filter.clone(), Vec::new());
        loop {
            let page = server.post("/api/v1/collections/items/query", &query.to_string());
            let page = page.expect(200).json();
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["document"]["n"].as_u64().unwrap()));
            match page["next"].as_str() {
                Some(next) => query["cursor"] = json!(next),
                None => break,
            }
        }
        assert_eq!(seen, (20..120).rev().collect::<Vec<u64>>());
        let url = format!("{DOCUMENTS}?filter=%7B%22n%22:5%7D");
        assert_eq!(server.get(&url).expect(200).json()["items"][0]["id"], "i005");
        let count = server.get("/api/v1/collections/items/count").expect(200);
        assert_eq!(count.json()["count"], 120);
        let export = server.get("/api/v1/collections/items/export?sort=n").expect(200);
        let lines: Vec<serde_json::Value> =
            export.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let numbers: Vec<u64> =
            lines.iter().map(|l| l["document"]["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..120).collect::<Vec<u64>>());
        // A cursor of another query is no cursor of this one.
        let other = json!({ "filter": { "n": 1 }, "cursor": query["cursor"] });
        server.post("/api/v1/collections/items/query", &other.to_string()).expect(400);
    });
}

#[test]
fn a_bulk_is_done_whole_or_not_at_all() {
    on_every_store(|server| {
        server.put(&format!("{DOCUMENTS}/a"), r#"{"id":"a"}"#).expect(200);
        let bulk = |operations: serde_json::Value| {
            let body = json!({ "operations": operations }).to_string();
            server.post("/api/v1/collections/items/bulk", &body)
        };
        let conflict = bulk(json!([
            { "op": "put", "document": { "id": "b" } },
            { "op": "put", "document": { "id": "a" }, "if_version": 9 },
        ]));
        assert_eq!(conflict.expect(409).kind(), "Conflict");
        server.get(&format!("{DOCUMENTS}/b")).expect(404);
        bulk(json!([])).expect(400);
        bulk(json!([{ "op": "rename", "id": "a" }])).expect(422);
        bulk(json!([{ "op": "delete", "id": "a" }, { "op": "delete", "id": "a" }])).expect(400);
        let broken = bulk(json!([{ "op": "put", "document": { "id": "b", "": 1 } }])).expect(422);
        assert_eq!(broken.json()["error"]["context"]["operation"], 0);
        let too_many: Vec<_> =
            (0..1_001).map(|n| json!({ "op": "delete", "id": n.to_string() })).collect();
        bulk(json!(too_many)).expect(413);
        bulk(json!([{ "op": "delete", "id": "a", "if_version": 1 }])).expect(200);
    });
}

#[test]
fn a_write_with_a_key_is_done_once() {
    on_every_store(|server| {
        let create = |key: &str, body: &str| {
            server.send("POST", DOCUMENTS, &[("idempotency-key", key)], Some(body.as_bytes()))
        };
        let first = create("k1", r#"{"id":"a","n":1}"#).expect(201);
        let again = create("k1", r#"{"id":"a","n":1}"#).expect(201);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!((again.text(), again.header("etag")), (first.text(), first.header("etag")));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(create("k1", r#"{"id":"a","n":2}"#).expect(422).kind(), "Invalid");
        // What failed was not done, and may be tried again under its key.
        create("k2", r#"{"id":"a"}"#).expect(409);
        server.delete(&format!("{DOCUMENTS}/a")).expect(200);
        create("k2", r#"{"id":"a"}"#).expect(201);
        create("", r#"{"id":"b"}"#).expect(400);
        // Nobody reads the keys as documents.
        server.get("/api/v1/collections/idempotency/documents").expect(404);
    });
}

#[test]
fn what_is_wrong_is_refused_in_the_one_shape() {
    on_every_store(|server| {
        let at = format!("{DOCUMENTS}/a");
        assert_eq!(server.put(&at, "{").expect(400).kind(), "Invalid");
        assert_eq!(server.put(&at, r#"{"id":"b"}"#).expect(422).kind(), "Invalid");
        assert_eq!(server.put(&at, "[]").expect(422).kind(), "Invalid");
        server.get("/api/v1/collections/nothing/documents/a").expect(404);
        server.get("/api/v1/collections/..%2Fx/documents/a").expect(400);
        server.get(&format!("{DOCUMENTS}?filter=%7B%22$nope%22:1%7D")).expect(400);
        server.get(&format!("{DOCUMENTS}?limit=0")).expect(400);
        server.get(&format!("{DOCUMENTS}?unknown=1")).expect(400);
        server.get(&format!("{DOCUMENTS}?cursor=nope")).expect(400);
        server.get(&format!("{DOCUMENTS}/{}", "x".repeat(256))).expect(400);
        server.get(&format!("{DOCUMENTS}/a%00b")).expect(400);
        assert_eq!(server.get("/nowhere").expect(404).kind(), "NotFound");
        assert_eq!(server.send("PATCH", &at, &[], Some(b"{}")).expect(405).kind(), "Invalid");
        // An id is a key and never a path.
        let up = format!("{DOCUMENTS}/..%2F..%2Fetc%2Fpasswd");
        server.put(&up, r#"{"id":"../../etc/passwd"}"#).expect(200);
        assert_eq!(server.get(&up).expect(200).json()["id"], "../../etc/passwd");
    });
}

#[test]
fn versions_are_listed_compared_and_brought_back() {
    let place = Place::new();
    let line = "--store sqlite:store.db";
    let server = place.serve(line);
    server.make("items");
    let at = format!("{DOCUMENTS}/a");
    server.put(&at, r#"{"id":"a","n":1}"#).expect(200);
    server.get(&format!("{at}/versions")).expect(404);
    keep_history(&place);
    let put = server.send("PUT", &at, &[("x-reason", "because")], Some(br#"{"id":"a","n":2}"#));
    put.expect(200);
    server.put(&at, r#"{"id":"a","n":3}"#).expect(200);
    let versions = server.get(&format!("{at}/versions?limit=2")).expect(200).json();
    assert_eq!(versions["versions"][0]["document"]["n"], 3);
    assert_eq!(versions["versions"][1]["reason"], "because");
    assert_eq!(server.get(&format!("{at}/versions/2")).expect(200).json()["n"], 2);
    let diff = server.get(&format!("{at}/diff?from=2&to=3")).expect(200).json();
    assert_eq!(diff["patch"], json!([{ "op": "replace", "path": "/n", "value": 3 }]));
    let restore = |tag: &str| {
        server.send(
            "POST",
            &format!("{at}/restore"),
            &[("if-match", tag)],
            Some(br#"{"version":2}"#),
        )
    };
    restore("\"2\"").expect(412);
    assert_eq!(restore("\"3\"").expect(200).header("etag"), "\"4\"");
    assert_eq!(server.get(&at).expect(200).json()["n"], 2);
}

/// As `repoctl history on items`.
fn keep_history(place: &Place) {
    let url = format!("sqlite:{}", place.path("store.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = repo_engine::Store::open(url).await.unwrap();
        let name = repo_core::CollectionName::new("items").unwrap();
        let history = repo_history::History::of(std::sync::Arc::clone(store.strategy()), name);
        history.begin(repo_history::Retention::EVERYTHING).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn collections_say_what_they_are_and_the_documentation_needs_no_network() {
    let place = Place::new();
    let server = place.serve("");
    server.make("items");
    let listed = server.get("/api/v1/collections").expect(200).json();
    let listed = listed["collections"].as_array().unwrap();
    let named = |name: &str| listed.iter().find(|one| one["name"] == name);
    assert_eq!(named("items").unwrap()["writable"], true);
    assert!(named("api_keys").is_none() && named("idempotency").is_none());
    let page = server.get("/api/docs").expect(200);
    assert!(page.text().contains("/api/v1/collections/{collection}/documents/{id}"));
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    let described = server.get("/api/openapi.json").expect(200).json();
    assert_eq!(described["openapi"], "3.1.0");
    let printed = place.run("openapi");
    assert!(printed.status.success());
}
