//! What holds after a kill, and what holds when the sweeper has had its time.

use std::collections::BTreeMap;

use repo_blob::BlobDigest;
use serde_json::Value as Json;

use super::scene::{Scene, swept};
use super::story::{Item, Told};
use crate::support::{Answer, Client};

/// All documents of a collection, by their ids.
fn dump(client: &Client, collection: &str) -> BTreeMap<String, Json> {
    let path = format!("/api/v1/collections/{collection}/export");
    let lines = client.get(&path).expect(200).text();
    let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.map(|line| (line["id"].as_str().unwrap().to_owned(), line["document"].clone())).collect()
}

/// The keys of the blobs that a document names.
fn keys_in(document: &Json, keys: &mut Vec<String>) {
    match document {
        Json::Object(fields) => {
            if let (Some(key), true) = (fields.get("key"), fields.contains_key("sha256")) {
                keys.push(key.as_str().unwrap().to_owned());
            }
            fields.values().for_each(|value| keys_in(value, keys));
        }
        Json::Array(values) => values.iter().for_each(|value| keys_in(value, keys)),
        _ => {}
    }
}

/// The content of an answer: of an entry its text or its file, of anything else its bytes.
fn content(client: &Client, path: &str, answer: &Answer) -> Vec<u8> {
    if !path.contains("data-entries") {
        return answer.bytes.clone();
    }
    let entry = answer.json();
    if let Some(text) = entry["data_storage"]["content"].as_str() {
        return text.as_bytes().to_vec();
    }
    let place = &entry["storage_locations"][0]["storage_config"];
    client.get(place["signed_url"].as_str().unwrap()).expect(200).bytes
}

/// What a client was told is so.
fn as_told(client: &Client, items: &[Item], expired: bool) {
    for Item { path, content: wanted, told } in items {
        let answer = client.get(path);
        let active = || {
            let entry = answer.json();
            entry["data_storage"]["status"] == "active"
        };
        match told {
            Told::Deleted => assert_eq!(answer.status, 404, "{path} came back"),
            Told::Active => {
                assert_eq!(answer.status, 200, "{path} is lost: {}", answer.text());
                assert!(content(client, path, &answer) == *wanted, "{path} is not what it was");
            }
            Told::Pending if !expired => {
                assert_eq!((answer.status, active()), (200, false), "{}", answer.text());
            }
            Told::Pending => {
                let gone = answer.status == 404 || !active();
                assert!(gone, "{path} is active without a request");
            }
            Told::Nothing if answer.status == 404 => {}
            Told::Nothing => {
                let there = !path.contains("data-entries") || active();
                assert_eq!(answer.status, 200, "{}", answer.text());
                let same = || content(client, path, &answer) == *wanted;
                assert!(!there || same(), "{path} is not what it was");
            }
        }
    }
}

/// Nothing active lacks its bytes, and they are what the record says. In which state blobs are
/// is given back.
fn nothing_lacks_bytes(scene: &Scene, client: &Client) -> BTreeMap<String, Json> {
    let blobs = dump(client, "blobs");
    let active = |key: &String| blobs.get(key).is_some_and(|blob| blob["state"] == "active");
    for collection in ["entries", "datapoints"] {
        for (id, document) in dump(client, collection) {
            let mut keys = Vec::new();
            keys_in(&document, &mut keys);
            if document["status"] == "active" {
                assert!(keys.iter().all(active), "{id} lacks its blob: {document}");
                let awaits = document["content"].get("awaited").is_some();
                assert!(!awaits, "{id} is active and awaits its bytes");
            }
        }
    }
    let stored = scene.stored();
    for (key, blob) in blobs.iter().filter(|(_, blob)| blob["state"] == "active") {
        assert!(stored.contains(key), "the bytes of {key} are not there");
        if let Some(bytes) = scene.bytes_of(key) {
            let found = BlobDigest::of(&bytes);
            let recorded = (blob["sha256"].as_str(), blob["size"].as_u64());
            assert_eq!(recorded, (Some(&*found.sha256.to_string()), Some(found.size)), "{key}");
        }
    }
    blobs
}

/// What holds right after a kill.
pub(super) fn holds_now(scene: &Scene, client: &Client, items: &[Item], expired: bool) {
    as_told(client, items, expired);
    nothing_lacks_bytes(scene, client);
}

/// What holds when all times are over: what is active is there, and nothing else.
pub(super) fn holds_in_the_end(scene: &Scene, client: &Client, items: &[Item]) {
    swept(client).unwrap();
    as_told(client, items, true);
    let blobs = nothing_lacks_bytes(scene, client);
    let states: Vec<&Json> = blobs.values().map(|blob| &blob["state"]).collect();
    assert!(states.iter().all(|state| **state == "active"), "{states:?}");
    assert_eq!(scene.stored(), blobs.keys().cloned().collect(), "bytes without a record");
    assert_eq!(scene.spooled().len(), 0, "{:?}", scene.spooled());
    assert_eq!(dump(client, "uploads").len(), 0);
    for (id, entry) in dump(client, "entries") {
        assert_eq!(entry["status"], "active", "{id}");
    }
    for (id, set) in dump(client, "datasets") {
        assert_eq!(set["state"], "active", "{id}");
    }
    // Each blob that is left belongs to something.
    let mut keys = Vec::new();
    for collection in ["entries", "datapoints", "revisions"] {
        dump(client, collection).values().for_each(|document| keys_in(document, &mut keys));
    }
    assert!(blobs.keys().all(|key| keys.contains(key)), "{blobs:?} {keys:?}");
}
