//! What MADSci's clients do, request by request.

use crate::support::{Answer, Place, Server, stores};
use serde_json::{Value as Json, json};

/// A datapoint as a client makes it.
fn datapoint(id: &str, more: Json) -> Json {
    let mut made = json!({
        "datapoint_id": id, "label": "T", "ownership_info": {}, "data_type": "json",
        "data_timestamp": "2026-11-28T16:52:31.354646",
    });
    made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    made
}

/// A value, as a form that is urlencoded.
fn submit(server: &Server, datapoint: &str) -> Answer {
    let encoded: String = datapoint.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    server.send("POST", "/datapoint", &headers, Some(format!("datapoint={encoded}").as_bytes()))
}

/// A file, as a form of several parts.
fn submit_file(server: &Server, datapoint: &Json, name: &str, bytes: &[u8]) -> Answer {
    let mut body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"datapoint\"\r\n\r\n{datapoint}\r\n--XX\r\n\
         Content-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--XX--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=XX")];
    server.send("POST", "/datapoint", &headers, Some(&body))
}

#[test]
fn a_value_is_submitted_read_and_listed() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let value = datapoint("01M8A", json!({ "value": { "temperature": 23.5 }, "custom": 1 }));
        let made = submit(&server, &value.to_string()).expect(200).json();
        assert_eq!((&made["_id"], &made["custom"]), (&json!("01M8A"), &json!(1)));
        assert!(made.get("datapoint_id").is_none());
        // The client sends it again when the answer was lost.
        submit(&server, &value.to_string()).expect(200);
        let other = datapoint("01M8A", json!({ "value": 2 })).to_string();
        submit(&server, &other).expect(409);
        assert_eq!(server.get("/datapoint/01M8A").expect(200).json(), made);
        assert_eq!(
            server.get("/datapoint/01M8A/value").expect(200).json(),
            json!({ "temperature": 23.5 })
        );
        let later = datapoint("01M8B", json!({ "value": null, "data_timestamp": "2026-11-29" }));
        submit(&server, &later.to_string()).expect(200);
        assert_eq!(server.get("/datapoint/01M8B/value").expect(200).text(), "null");
        let all = server.get("/datapoints?number=5").expect(200);
        assert_eq!(all.json().as_object().unwrap().len(), 2);
        // The latest comes first.
        assert!(all.text().find("01M8B").unwrap() < all.text().find("01M8A").unwrap());
        let one = server.get("/datapoints?number=1").expect(200).json();
        assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), ["01M8B"]);
        let missing = server.get("/datapoint/01NOPE").expect(404).json();
        assert_eq!(missing["message"], "Datapoint with id 01NOPE not found.");
        server.get("/datapoint/01NOPE/value").expect(404);
    }
}

#[test]
fn numbers_stay_exact_and_large_values_come_back() {
    let place = Place::new();
    let server = place.serve("");
    let exact = r#"{"_id":"a","data_type":"json","data_timestamp":"2026","value":[1.10,12345678901234567890123]}"#;
    submit(&server, exact).expect(200);
    assert_eq!(server.get("/datapoint/a/value").text(), "[1.10,12345678901234567890123]");
    let large: Vec<u32> = (0..30_000).collect();
    let made = submit(&server, &datapoint("b", json!({ "value": large })).to_string()).expect(200);
    assert_eq!(made.json()["value"], json!(large));
    assert_eq!(server.get("/datapoint/b").json()["value"], json!(large));
    assert_eq!(server.get("/datapoints").json()["b"]["value"], json!(large));
    assert_eq!(server.get("/health").expect(200).json()["total_datapoints"], 2);
}

#[test]
fn a_file_is_submitted_and_downloaded() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let file = datapoint("01F", json!({ "data_type": "file", "path": "/home/me/f.bin" }));
        let made = submit_file(&server, &file, "../../f.bin", &content).expect(200).json();
        let path = made["path"].as_str().unwrap();
        assert!(path.ends_with("/f.bin") && !path.contains(".."), "{path}");
        submit_file(&server, &file, "../../f.bin", &content).expect(200);
        submit_file(&server, &file, "../../f.bin", b"other").expect(409);
        let value = server.get("/datapoint/01F/value").expect(200);
        assert!(value.bytes == content);
        assert_eq!(value.header("content-disposition"), "attachment; filename=\"f.bin\"");
        let part = server.send("GET", "/datapoint/01F/value", &[("range", "bytes=-3")], None);
        assert_eq!(part.expect(206).bytes, &content[content.len() - 3..]);
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let place = Place::new();
    let server = place.serve("");
    let status = |text: &str| submit(&server, text).status;
    assert_eq!(status("{"), 400);
    assert_eq!(status("[]"), 422);
    assert_eq!(status(r#"{"data_type":"json"}"#), 422);
    assert_eq!(
        status(&datapoint("a", json!({ "data_type": "nope", "value": 1 })).to_string()),
        422
    );
    assert_eq!(status(&datapoint("a", json!({})).to_string()), 400);
    assert_eq!(status(&datapoint(&"x".repeat(300), json!({ "value": 1 })).to_string()), 422);
    assert_eq!(status(&datapoint("a", json!({ "data_type": "file" })).to_string()), 400);
    server.post("/datapoint", "{}").expect(415);
    let told = submit(&server, "[]").json();
    assert!(told["message"].is_string() && told["error"]["kind"].is_string());
    server.get("/datapoint/a").expect(404);
}

#[test]
fn a_query_has_mongos_meaning() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        for (id, value) in [("a", json!({ "t": 1, "tags": ["x"] })), ("b", json!({ "t": 25 }))] {
            submit(&server, &datapoint(id, json!({ "value": value })).to_string()).expect(200);
        }
        let found = |selector: Json| {
            let answer = server.post("/datapoints/query", &selector.to_string()).expect(200).json();
            answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(found(json!({ "data_type": "json" })), ["a", "b"]);
        assert_eq!(found(json!({ "value.t": { "$gt": 20 } })), ["b"]);
        assert_eq!(found(json!({ "value.tags": "x" })), ["a"]);
        assert_eq!(found(json!({ "value.tags": null, "_id": { "$in": ["a", "b"] } })), ["b"]);
        assert_eq!(found(json!({ "_id": "nope" })), Vec::<String>::new());
        let unknown =
            server.post("/datapoints/query", r#"{"a":{"$where":"1"}}"#).expect(400).json();
        assert!(unknown["message"].as_str().unwrap().contains("$where"));
        server.post("/datapoints/query", "{").expect(400);
    }
}

#[test]
fn settings_hide_what_is_secret() {
    let place = Place::new();
    let mut command = place.command("--listen 127.0.0.1:0");
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    command.stdout(std::process::Stdio::piped()).env("REPO_SERVER__SECRET", secret);
    let server = place.started(&mut command);
    let settings = server.get("/settings?include_defaults=true&include_schema=true").expect(200);
    assert!(!settings.text().contains("hunter2"), "{}", settings.text());
    assert_eq!(settings.json()["settings"]["secret"], "***");
    assert!(settings.json()["schema"]["properties"].is_object());
    let set = server.get("/settings").expect(200).json();
    assert!(set.get("limits").is_none() && set["secret"] == "***");
}

#[test]
fn an_object_of_a_bucket_that_is_not_listed_is_not_fetched() {
    let place = Place::new();
    let server = place.serve("");
    let object = datapoint(
        "o",
        json!({ "data_type": "object_storage", "path": "f.txt",
        "storage_endpoint": "169.254.169.254", "bucket_name": "b", "object_name": "k" }),
    );
    let made = submit(&server, &object.to_string()).expect(200).json();
    assert_eq!((&made["path"], &made["bucket_name"]), (&json!("f.txt"), &json!("b")));
    server.get("/datapoint/o/value").expect(403);
}

#[test]
fn the_client_sends_no_key_where_it_need_not() {
    let place = Place::new();
    place.json("keys create --name a --scopes read");
    let server = place.serve("");
    server.get("/datapoints").expect(401);
    drop(server);
    let mut command = place.command("--listen 127.0.0.1:0");
    command.stdout(std::process::Stdio::piped()).env("REPO_SERVER__MADSCI_WITHOUT_KEY", "true");
    let server = place.started(&mut command);
    submit(&server, &datapoint("a", json!({ "value": 1 })).to_string()).expect(200);
    server.get("/datapoints").expect(200);
    server.get("/api/v1/collections").expect(401);
    server.post("/v0.1/data-storage/data-entries", r#"{"name":"x","content":"y"}"#).expect(401);
}
