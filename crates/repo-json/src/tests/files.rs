//! Copies made before checkpoints, settings, and what an entity costs.

use std::time::Duration;

use repo_core::ErrorKind;
use repo_core::strategy::{StorageStrategy as _, StrategyFactory as _};
use serde_json::json;

use super::{Fixture, save, snapshot};
use crate::JsonFactory;
use crate::table::{ShortDigest, Slot, Table};

#[tokio::test]
async fn the_newest_copies_are_kept() {
    let settings = json!({ "backup_enabled": true, "backup_count": 2 });
    let fixture = Fixture::new(settings);
    let store = fixture.prepared().await;
    let mut states = vec![fixture.read("request_database.json")];
    for n in 0..5 {
        fixture.clock.advance(Duration::from_secs(1));
        save(&store, "machines", "a", n).await;
        store.checkpoint().await.unwrap();
        states.push(fixture.read("request_database.json"));
    }
    let copies = snapshot(&fixture.file("backups"));
    let texts: Vec<String> =
        copies.values().map(|text| String::from_utf8(text.clone()).unwrap()).collect();
    assert_eq!(texts, states[3..5], "the two states before the last");
    assert!(copies.keys().all(|name| name.starts_with("request_database.json.2026")), "{copies:?}");
    // What merely looks alike is not removed.
    std::fs::write(fixture.file("backups").join("request_database.json.mine"), "x").unwrap();
    save(&store, "machines", "b", 1).await;
    store.checkpoint().await.unwrap();
    assert_eq!(snapshot(&fixture.file("backups")).len(), 3);
}

#[tokio::test]
async fn copies_may_go_elsewhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let place = elsewhere.path().join("a/b");
    let fixture = Fixture::new(json!({ "backup_enabled": true, "backup_location": place }));
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.checkpoint().await.unwrap();
    assert_eq!(snapshot(&place).len(), 1);
    assert!(!fixture.file("backups").exists());
}

#[test]
fn settings_are_checked() {
    let check = |settings| JsonFactory.check(&settings);
    check(json!({})).unwrap();
    check(json!({ "enable_compression": true })).unwrap();
    check(json!({ "storage_type": "split_files", "cache_size": 1000, "sync_writes": false,
        "write_buffer_size": 64000, "filenames": { "split_files": { "machines": "m.json" } } }))
    .unwrap();
    for (settings, kind) in [
        (json!({ "filenames": { "single_file": "x.json.zst" } }), ErrorKind::ConfigInvalid),
        (json!({ "enable_compression": "yes" }), ErrorKind::ConfigInvalid),
        (json!({ "pretty": true }), ErrorKind::ConfigInvalid),
        (json!({ "storage_type": "many" }), ErrorKind::ConfigInvalid),
        (json!({ "backup_count": 0 }), ErrorKind::ConfigInvalid),
        (json!({ "base_path": "" }), ErrorKind::ConfigInvalid),
        (json!({ "filenames": { "single_file": "../x" } }), ErrorKind::ConfigInvalid),
        (json!({ "filenames": { "single_file": ".meta" } }), ErrorKind::ConfigInvalid),
        (json!({ "filenames": { "split_files": { "Bad": "x" } } }), ErrorKind::ConfigInvalid),
        (
            json!({ "filenames": { "split_files": { "a": "x.json", "b": "x.json" } } }),
            ErrorKind::ConfigInvalid,
        ),
    ] {
        assert_eq!(check(settings.clone()).unwrap_err().kind(), kind, "{settings}");
    }
    let error = check(json!({ "prety_print": true })).unwrap_err();
    assert!(error.hint_text().unwrap().contains("pretty_print"));
    let schema = JsonFactory.settings_schema();
    assert_eq!(schema["properties"]["pretty_print"]["default"], true);
}

#[test]
fn an_entity_costs_at_most_150_bytes_of_memory() {
    // Base: the slot, the digest, the end of the id, and the id.
    let base = size_of::<Slot>() + size_of::<ShortDigest>() + size_of::<u64>() + 40;
    assert!(base <= 150, "{base}");
    // Added since the last checkpoint: a tree half full in the worst case, and
    // an id of 40 bytes with the allocator's head.
    let added = (size_of::<Slot>() + size_of::<Box<str>>()) * 11 / 6 + 48;
    assert!(added <= 155, "{added}");
}

#[test]
fn a_table_keeps_order_and_counts() {
    let slot = |version| Slot { place: crate::table::Place::Data, ..Slot::tombstone(version, 5) };
    let mut table = Table::default();
    for id in ["b", "d", "f"] {
        table.push(id, slot(1), [1; 16]);
    }
    for id in ["g", "a", "e", "d"] {
        table.set(id, slot(2));
    }
    table.set("b", Slot::tombstone(3, 5));
    table.set("c", Slot::tombstone(4, 9));
    let ids = |table: &Table, after: Option<&str>| {
        table.after(after).map(|(id, ..)| id.to_owned()).collect::<Vec<_>>().join("")
    };
    assert_eq!(ids(&table, None), "abcdefg");
    assert_eq!(ids(&table, Some("c")), "defg");
    assert_eq!(ids(&table, Some("cc")), "defg");
    assert_eq!(ids(&table, Some("z")), "");
    assert_eq!((table.live(), table.records()), (5, 7));
    assert_eq!(table.get("d").unwrap().version, 2);
    assert_eq!(table.highest_purgeable(9), Some(3));
    assert_eq!(table.purge(10), 2);
    assert_eq!((ids(&table, None), table.records()), ("adefg".to_owned(), 5));
    assert!(table.get("b").is_none() && table.get("c").is_none());
    table.set("b", slot(7));
    assert_eq!((ids(&table, None), table.live()), ("abdefg".to_owned(), 6));
}
