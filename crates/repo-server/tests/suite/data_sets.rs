//! Datasets, datapoints, usage and permissions by the server's own API, on every store.

use crate::support::data::{DATASETS, ENTRIES, entry, id, made, with};
use crate::support::{Place, on_every_store};
use serde_json::{Value as Json, json};

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
