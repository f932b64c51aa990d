//! What the clients of FutureHouse and Edison do, request by request.

use crate::support::{Answer, Place, Server, stores};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Digest as _;
use serde_json::{Value as Json, json};

const ENTRIES: &str = "/v0.1/data-storage/data-entries";
const MIB: usize = 1024 * 1024;

fn create(server: &Server, body: &Json) -> Json {
    server.post(ENTRIES, &body.to_string()).expect(200).json()
}

fn id_of(entry: &Json) -> String {
    entry["data_storage"]["id"].as_str().unwrap().to_owned()
}

fn signed_url(entry: &Json) -> String {
    entry["storage_locations"][0]["storage_config"]["signed_url"].as_str().unwrap().to_owned()
}

fn patch(server: &Server, id: &str, body: &Json) -> Answer {
    server.send("PATCH", &format!("{ENTRIES}/{id}"), &[], Some(body.to_string().as_bytes()))
}

fn begin(server: &Server, url: &str) -> String {
    let begun = server.send("POST", url, &[("x-goog-resumable", "start")], Some(b""));
    begun.expect(201).header("location").to_owned()
}

fn put_range(server: &Server, url: &str, first: usize, bytes: &[u8], total: usize) -> Answer {
    let range = match bytes.len() {
        0 => format!("bytes */{total}"),
        length => format!("bytes {first}-{}/{total}", first + length - 1),
    };
    server.send("PUT", url, &[("content-range", &range)], Some(bytes))
}

/// Bytes that are not the same anywhere.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn a_login_gives_a_token_and_an_organisation() {
    let place = Place::new();
    let server = place.serve("");
    let token = server.post("/auth/login", r#"{"api_key":"k1"}"#).expect(200).json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("bearer"), &json!(3_600)));
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let organisations = server.send("GET", "/v0.1/organizations?filter=True", &headers, None);
    assert_eq!(organisations.expect(200).json(), json!([{ "name": "local" }]));
}

#[test]
fn a_file_is_uploaded_in_ranges_and_downloaded_in_parts() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let entry = create(
            &server,
            &json!({ "name": "b", "is_collection": false, "file_path": "./files/w/big.bin" }),
        );
        let id = id_of(&entry);
        assert_eq!(entry["data_storage"]["status"], "pending");
        assert_eq!(entry["storage_locations"].as_array().unwrap().len(), 1);
        // Without its bytes it does not become active.
        assert_eq!(
            patch(&server, &id, &json!({ "status": "active" })).expect(409).json()["detail"]
                .as_str()
                .map(str::is_empty),
            Some(false)
        );
        let content = bytes(2 * MIB + 7);
        let upload = begin(&server, &signed_url(&entry));
        let first = put_range(&server, &upload, 0, &content[..MIB], content.len());
        assert_eq!(first.expect(308).header("range"), format!("bytes=0-{}", MIB - 1));
        // The same range again is taken for what it is; a gap is not.
        let again = put_range(&server, &upload, 0, &content[..MIB], content.len()).expect(308);
        assert_eq!((again.header("range"), again.header("location")), ("bytes=0-1048575", ""));
        let gap = put_range(&server, &upload, 2 * MIB, &content[2 * MIB..], content.len());
        assert_eq!(gap.expect(308).header("range"), format!("bytes=0-{}", MIB - 1));
        patch(&server, &id, &json!({ "status": "active" })).expect(409);
        put_range(&server, &upload, MIB, &content[MIB..], content.len()).expect(200);
        patch(&server, &id, &json!({ "status": "active" })).expect(200);
        patch(&server, &id, &json!({ "status": "active" })).expect(200);

        let read = server.get(&format!("{ENTRIES}/{id}")).expect(200).json();
        assert_eq!(read["storage_locations"][0]["storage_config"]["location"], "big.bin");
        let url = signed_url(&read);
        // The asynchronous client sends its token there.
        let whole =
            server.send("GET", &url, &[("authorization", "Bearer nonsense")], None).expect(200);
        assert!(whole.bytes == content, "{store}");
        assert_eq!(whole.header("content-disposition"), "attachment; filename=\"big.bin\"");
        assert_eq!(
            (whole.header("accept-ranges"), whole.header("content-encoding")),
            ("bytes", "")
        );
        let part = server.send("GET", &url, &[("range", "bytes=2097152-")], None).expect(206);
        assert_eq!(part.bytes, &content[2 * MIB..]);
        assert_eq!(
            part.header("content-range"),
            format!("bytes 2097152-2097158/{}", content.len())
        );
        let end = format!("bytes={}-", content.len());
        let done = server.send("GET", &url, &[("range", &end)], None).expect(416);
        assert_eq!(done.header("content-range"), format!("bytes */{}", content.len()));
        let head = server.send("HEAD", &url, &[], None).expect(200);
        assert_eq!(head.header("content-length"), content.len().to_string());
        server.delete(&format!("{ENTRIES}/{id}")).expect(204);
        server.get(&format!("{ENTRIES}/{id}")).expect(404);
        server.get(&url).expect(404);
    }
}

#[test]
fn an_empty_file_is_said_in_two_ways() {
    let place = Place::new();
    let server = place.serve("");
    for says_so in [true, false] {
        let entry = create(&server, &json!({ "name": "e", "file_path": "e.bin" }));
        let upload = begin(&server, &signed_url(&entry));
        if says_so {
            put_range(&server, &upload, 0, b"", 0).expect(200);
        }
        let active =
            patch(&server, &id_of(&entry), &json!({ "status": "active" })).expect(200).json();
        assert_eq!(server.get(&signed_url(&active)).expect(200).bytes, b"");
    }
}

#[test]
fn a_file_is_uploaded_in_parts_whose_digests_are_compared() {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        let entry = create(
            &server,
            &json!({ "name": "b", "file_path": "b.bin", "metadata": { "size": 12 } }),
        );
        let (id, content) = (id_of(&entry), bytes(12));
        let parts: Vec<&[u8]> = content.chunks(5).collect();
        let hash = |part: &[u8]| BASE64_STANDARD.encode(md5::Md5::digest(part));
        let hashes: Vec<String> = parts.iter().map(|part| hash(part)).collect();
        let at = format!("{ENTRIES}/{id}/multipart-upload");
        let begun =
            server.post(&format!("{at}/initiate"), &json!({ "part_hashes": hashes }).to_string());
        let begun = begun.expect(200).json();
        let url = |n: usize| begun["part_urls"][n].as_str().unwrap().to_owned();
        let put = |n: usize, bytes: &[u8]| {
            server.send("PUT", &url(n), &[("content-md5", &hashes[n])], Some(bytes))
        };
        put(0, b"wrong").expect(400);
        let mut tags = vec![String::new(); parts.len()];
        for n in [2, 0, 1] {
            tags[n] = put(n, parts[n]).expect(200).header("etag").to_owned();
        }
        let listed: Vec<Json> = (0..parts.len())
            .map(|n| json!({ "part_number": n + 1, "etag": tags[n], "checksum": hashes[n] }))
            .collect();
        let complete = |listed: &[Json]| {
            let body = json!({ "upload_id": begun["upload_id"], "parts": listed });
            server.post(&format!("{at}/complete"), &body.to_string())
        };
        assert!(complete(&listed[..2]).status >= 400);
        complete(&listed).expect(200);
        complete(&listed).expect(200);
        let active = patch(&server, &id, &json!({ "status": "active" })).expect(200).json();
        assert_eq!(server.get(&signed_url(&active)).expect(200).bytes, content, "{store}");
        let status = server.get(&format!("{ENTRIES}/{id}/status")).expect(200).json();
        assert_eq!(status, json!({ "id": id, "status": "active" }));
    }
}

#[test]
fn a_signed_url_is_for_one_thing_and_for_a_time() {
    let place = Place::new();
    let server = place.serve("");
    let entry = create(&server, &json!({ "name": "s", "file_path": "s.bin" }));
    let other = create(&server, &json!({ "name": "t", "file_path": "t.bin" }));
    let url = signed_url(&entry);
    let start = [("x-goog-resumable", "start")];
    let post = |url: &str| server.send("POST", url, &start, Some(b""));
    server.get(&url).expect(405);
    post(&url.replace(&id_of(&entry), &id_of(&other))).expect(403);
    post(&url.replace("signature=", "signature=A")).expect(403);
    let expires = url.split("expires=").nth(1).unwrap().split('&').next().unwrap();
    post(&url.replace(expires, "1")).expect(403);
    post(&url.replace(expires, &format!("{expires}0"))).expect(403);
    post(url.split('?').next().unwrap()).expect(403);
    post(&format!("{}/signed/entries/..%2F..%2Fetc", server.base)).expect(400);
    server.send("POST", &url, &[], Some(b"")).expect(400);
    let upload = begin(&server, &url);
    let at = |range: &str| server.send("PUT", &upload, &[("content-range", range)], Some(b"abc"));
    at("bytes 0-2").expect(400);
    at("bytes 2-0/3").expect(400);
    at("bytes 0-9/10").expect(400);
    at("bytes 0-2/3").expect(200);
}

#[test]
fn text_directories_and_sources_come_back_as_they_were_given() {
    let place = Place::new();
    let server = place.serve("");
    let exact = r#"{"name": "t", "description": "d", "content": "hello", "is_collection": false,
        "tags": ["x"], "metadata": {"m": 1.10}}"#;
    let text = server.post(ENTRIES, exact).expect(200).json();
    assert_eq!(text["data_storage"]["status"], "active");
    assert_eq!(text["data_storage"]["content"], "hello");
    assert_eq!(text["storage_locations"][0]["storage_config"]["storage_type"], "raw_content");
    let raw = server.get(&format!("{ENTRIES}/{}", id_of(&text))).expect(200).text();
    assert!(raw.contains("1.10"), "{raw}");
    let large = "x".repeat(200_000);
    let spilled = create(&server, &json!({ "name": "l", "content": large }));
    assert_eq!(
        server.get(&format!("{ENTRIES}/{}", id_of(&spilled))).json()["data_storage"]["content"],
        large
    );
    let root = create(&server, &json!({ "name": "proj", "is_collection": false }));
    assert_eq!(root["storage_locations"].as_array().unwrap().len(), 1);
    let dataset = root["data_storage"]["dataset_id"].as_str().unwrap();
    let child = create(
        &server,
        &json!({ "name": "src", "parent_id": id_of(&root), "dataset_id": dataset }),
    );
    assert_eq!(child["data_storage"]["parent_id"], json!(id_of(&root)));
    let link = create(
        &server,
        &json!({ "name": "l", "content": "http://127.0.0.1/x",
        "existing_location": { "storage_type": "link", "content_type": "text", "location": "http://127.0.0.1/x", "metadata": { "instructions": "i" } } }),
    );
    assert_eq!(link["data_storage"]["content"], "http://127.0.0.1/x");
    assert_eq!(link["storage_locations"][0]["storage_config"]["storage_type"], "link");
    let denied = server.post(
        ENTRIES,
        &json!({ "name": "e", "existing_location": { "storage_type": "gcs",
        "content_type": "directory", "metadata": { "bucket_name": "bucket-k", "prefix": "p/" } } })
        .to_string(),
    );
    assert_eq!(denied.expect(403).kind(), "PermissionDenied");
    server.post(ENTRIES, r#"{"content":"x"}"#).expect(422);
    server.post(ENTRIES, r#"{"name":"x","parent_id":"../../x"}"#).expect(422);
    server.get(&format!("{ENTRIES}/nope")).expect(422);
    let missing = server.get(&format!("{ENTRIES}/00000000-0000-4000-8000-000000000000"));
    assert!(missing.expect(404).json()["detail"].is_string());
    let id = id_of(&text);
    let shared = patch(
        &server,
        &id,
        &json!({ "share_status": "shared", "permitted_accessors": { "users": ["a@b.c"], "organizations": null } }),
    );
    assert_eq!(shared.expect(200).json()["data_storage"]["share_status"], "shared");
    let tagged = patch(&server, &id, &json!({ "tags": ["q"] })).expect(200);
    assert_eq!(tagged.json()["data_storage"]["tags"], json!(["q"]));
    let stale = [("if-match", "\"1\"")];
    server.send("DELETE", &format!("{ENTRIES}/{id}"), &stale, None).expect(412);
    patch(&server, &id, &json!({ "status": "disabled" })).expect(422);
    patch(&server, &id, &json!({ "owner": "me" })).expect(422);
}

#[test]
fn what_is_mine_is_not_seen_by_others_unless_it_is_shared() {
    let place = Place::new();
    let key = |name: &str| {
        let made = place.json(&format!("keys create --name {name}"));
        format!("Bearer {}", made["key"].as_str().unwrap())
    };
    let (ada, bob) = (key("ada"), key("bob"));
    let server = place.serve("");
    let ask = |who: &str, method: &str, path: &str, body: Option<&str>| {
        server.send(method, path, &[("authorization", who)], body.map(str::as_bytes))
    };
    let made =
        ask(&ada, "POST", ENTRIES, Some(r#"{"name":"t","content":"mine"}"#)).expect(200).json();
    let at = format!("{ENTRIES}/{}", id_of(&made));
    assert_eq!(made["data_storage"]["user_id"], "ada");
    ask(&bob, "GET", &at, None).expect(404);
    ask(&bob, "DELETE", &at, None).expect(404);
    let share = r#"{"share_status":"shared","permitted_accessors":{"users":["bob"]}}"#;
    ask(&ada, "PATCH", &at, Some(share)).expect(200);
    ask(&bob, "GET", &at, None).expect(200);
    ask(&bob, "DELETE", &at, None).expect(403);
    ask(&ada, "DELETE", &at, None).expect(204);
    server.get(&at).expect(401);
}

#[test]
fn an_entry_is_revised_from_what_it_was_created_with() {
    let place = Place::new();
    let server = place.serve("");
    let made = create(&server, &json!({ "name": "t", "content": "first" }));
    let (at, first) = (format!("{ENTRIES}/{}", id_of(&made)), made["current_revision_id"].clone());
    assert!(first.is_string(), "{made}");
    assert_eq!(made["version"], 0);
    let by_id = format!("{at}?revision_id={}", first.as_str().unwrap());
    assert_eq!(server.get(&by_id).expect(200).json()["current_revision_id"], first);
    let second = "11111111-1111-4111-8111-111111111111";
    let change = json!({ "revision_id": second, "base_revision_id": first, "content": "second" });
    for _again in 0..2 {
        let done = patch(&server, &id_of(&made), &change).expect(200).json();
        assert_eq!((&done["current_revision_id"], &done["version"]), (&json!(second), &json!(1)));
    }
    let stale = json!({ "revision_id": "22222222-2222-4222-8222-222222222222",
        "base_revision_id": first, "content": "lost" });
    patch(&server, &id_of(&made), &stale).expect(409);
    assert_eq!(server.get(&by_id).expect(200).json()["data_storage"]["content"], "first");
    let shown = server.get(&format!("{at}/revisions")).expect(200).json();
    assert_eq!(shown["revisions"][0]["id"], first);
    assert_eq!(shown["revisions"][1]["parent_revision_id"], first);
}

#[test]
fn the_history_of_a_file_says_where_it_was() {
    let place = Place::new();
    let server = place.serve("");
    let file = |bytes: &[u8]| {
        let made = create(&server, &json!({ "name": "f", "file_path": "a/f.bin" }));
        let upload = begin(&server, &signed_url(&made));
        put_range(&server, &upload, 0, bytes, bytes.len()).expect(200);
        patch(&server, &id_of(&made), &json!({ "status": "active" })).expect(200).json()
    };
    let (one, other) = (file(b"one"), file(b"other"));
    let change = json!({ "revision_id": "11111111-1111-4111-8111-111111111111",
        "base_revision_id": one["current_revision_id"], "source_entry_id": id_of(&other) });
    patch(&server, &id_of(&one), &change).expect(200);
    let shown = server.get(&format!("{ENTRIES}/{}/revisions", id_of(&one))).expect(200).json();
    for number in 0..2 {
        let place = &shown["revisions"][number]["snapshot"]["storage_location"];
        assert_eq!((&place["storage_type"], &place["location"]), (&json!("gcs"), &json!("f.bin")));
    }
    let then = server.get(&format!("{ENTRIES}/{}?version=0", id_of(&one))).expect(200).json();
    assert_eq!(server.get(&signed_url(&then)).expect(200).bytes, b"one");
}

/// On S3, where the environment names one.
#[test]
fn files_of_a_registered_bucket_are_fetched_through_the_server() {
    let of = |name: &str| std::env::var(format!("REPO_TEST_S3_{name}"));
    let (Ok(url), Ok(bucket)) = (of("URL"), of("BUCKET")) else { return };
    let (place, prefix) = (Place::new(), repo_testkit::servers::unique_name());
    let s3 = json!({ "endpoint": url, "region": "us-east-1" });
    let listed = json!([{ "name": bucket, "prefix": prefix, "s3": s3 }]);
    let config = json!({ "server": { "s3": s3, "sources": { "buckets": listed } } });
    place.write("repository.json", &config.to_string());
    let line = format!("--listen 127.0.0.1:0 --store memory: --blobs s3://{bucket}/{prefix}");
    let mut command = place.command(&line);
    command.env("AWS_ACCESS_KEY_ID", of("ACCESS_KEY").unwrap());
    command.env("AWS_SECRET_ACCESS_KEY", of("SECRET_KEY").unwrap());
    let server = place.started(command.stdout(std::process::Stdio::piped()));
    for bytes in [&b"one"[..], b"other"] {
        let made = create(&server, &json!({ "name": "f", "file_path": "f.bin" }));
        let upload = begin(&server, &signed_url(&made));
        put_range(&server, &upload, 0, bytes, bytes.len()).expect(200);
        patch(&server, &id_of(&made), &json!({ "status": "active" })).expect(200);
    }
    let register = |prefix: &str| {
        let place = json!({ "storage_type": "gcs", "content_type": "directory",
            "metadata": { "bucket_name": bucket, "prefix": prefix } });
        server.post(ENTRIES, &json!({ "name": "e", "existing_location": place }).to_string())
    };
    register("elsewhere").expect(403);
    let made = register(&prefix).expect(200).json();
    let urls: Vec<&str> = made["storage_locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["storage_config"]["signed_url"].as_str().unwrap())
        .collect();
    let mut found: Vec<_> = urls.iter().map(|url| server.get(url).expect(200).bytes).collect();
    found.sort();
    assert_eq!(found, [b"one".to_vec(), b"other".to_vec()]);
    server.send("GET", urls[0], &[("range", "bytes=9-")], None).expect(416);
    server.get(&urls[0].replace("/0?", "/1?")).expect(403);
    server.delete(&format!("{ENTRIES}/{}", id_of(&made))).expect(204);
    server.get(urls[0]).expect(404);
}
