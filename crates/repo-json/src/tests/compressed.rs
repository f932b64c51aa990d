//! Data files that are compressed, switched on and off, and changed by other tools.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt as _;
use repo_core::strategy::{OnUnreadable, RecordBatch, ScanOptions, StorageStrategy as _};
use repo_core::{EntityId, ErrorKind, Filter, HealthDepth, Precondition, Query, Write};
use serde_json::{Value as Json, json};

use super::{Fixture, all, delete, document, key, name, save, snapshot};
use crate::config::JsonSettings;
use crate::env::Env;
use crate::hooks::Hooks;
use crate::packed::Text;
use crate::strategy::JsonStrategy;

const SINGLE: &str = "request_database.json.zst";

fn compressed(mut settings: Json) -> Fixture {
    settings["enable_compression"] = json!(true);
    Fixture::new(settings)
}

/// What the settings say from now on.
pub(super) fn compress(fixture: &mut Fixture, on: bool) {
    fixture.settings["enable_compression"] = json!(on);
}

/// The names of the data files.
pub(super) fn data_files(fixture: &Fixture) -> Vec<String> {
    let names = snapshot(&fixture.path()).into_keys();
    names.filter(|name| !name.starts_with('.')).collect()
}

fn text_of(fixture: &Fixture, file: &str) -> Json {
    let text = zstd::decode_all(File::open(fixture.file(file)).unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn is_in_blocks(fixture: &Fixture, file: &str) -> bool {
    let file = Arc::new(File::open(fixture.file(file)).unwrap());
    let len = file.metadata().unwrap().len();
    Text::of_blocks(&file, len).unwrap().is_some()
}

fn layout(fixture: &Fixture) -> u32 {
    let meta = fs::read(fixture.file(".meta")).unwrap();
    u32::from_le_bytes(meta[8..12].try_into().unwrap())
}

async fn notices(store: &JsonStrategy) -> String {
    let health = store.health(&HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
    health.checks.iter().map(|check| format!("{}\n", check.detail)).collect()
}

/// Enough for several blocks.
async fn fill(store: &JsonStrategy) {
    let put = |n: u64| {
        let id = format!("m-{n:04}");
        Write::put(key("machines", &id), document(&id, n), Precondition::Absent)
    };
    store.commit((0..1_500).map(put).collect()).await.unwrap();
    save(store, "machines", "m-0003", 33).await;
    delete(store, "machines", "m-0004").await;
    save(store, "requests", "r", 1).await;
}

#[tokio::test]
async fn a_data_file_is_one_stream_that_other_tools_read() {
    for (fixture, files) in [
        (compressed(json!({})), vec![SINGLE]),
        (
            compressed(json!({ "storage_type": "split_files", "pretty_print": false })),
            vec!["machines.json.zst", "requests.json.zst"],
        ),
    ] {
        let store = fixture.prepared().await;
        fill(&store).await;
        let expected = all(&store).await;
        store.close().await.unwrap();
        assert_eq!(data_files(&fixture), files);
        assert_eq!(layout(&fixture), 4);
        let whole = text_of(&fixture, files[0]);
        let machines = if files.len() == 1 { &whole["machines"] } else { &whole };
        assert_eq!(machines.as_object().unwrap().len(), 1_499);
        assert_eq!(machines["m-0003"]["n"], 33);
        assert!(is_in_blocks(&fixture, files[0]));
        let reader = fixture.open_read_only();
        assert_eq!(all(&reader).await, expected);
        for id in ["m-1499", "m-0000", "m-0777"] {
            let found = reader.get_many(&name("machines"), &[EntityId::new(id).unwrap()]).await;
            let n = id[2..].parse().unwrap();
            assert_eq!(found.unwrap()[0].as_ref().unwrap().document(), Some(&document(id, n)));
        }
        let even = Query::new(Filter::parse(r#"{"status": "EVEN", "n": {"$lt": 10}}"#).unwrap());
        assert_eq!(reader.query(&name("machines"), &even).await.unwrap().entities.len(), 4);
        assert!(notices(&reader).await.contains("as stored"));
    }
}

#[tokio::test]
async fn it_is_switched_on_and_off_by_an_upgrade_alone() {
    for settings in [json!({}), json!({ "storage_type": "split_files", "backup_enabled": true })] {
        let mut fixture = Fixture::new(settings);
        let store = fixture.prepared().await;
        fill(&store).await;
        store.checkpoint().await.unwrap();
        save(&store, "machines", "m-0001", 11).await;
        drop(store);
        let plain = data_files(&fixture);
        let packed: Vec<String> = plain.iter().map(|name| format!("{name}.zst")).collect();
        for (on, before, after) in [(true, &plain, &packed), (false, &packed, &plain)] {
            compress(&mut fixture, on);
            let store = fixture.open();
            save(&store, "requests", "r", u64::from(on)).await;
            store.checkpoint().await.unwrap();
            assert_eq!(data_files(&fixture), *before, "nothing else switches");
            assert!(notices(&store).await.contains("enable_compression"));
            let expected = all(&store).await;
            let (from, to) = if on { (3, 4) } else { (4, 3) };
            assert_eq!(store.upgrade_layout().await.unwrap(), Some(from));
            assert_eq!(store.upgrade_layout().await.unwrap(), None);
            assert_eq!((data_files(&fixture), layout(&fixture)), (after.clone(), to));
            assert_eq!(store.store_record().await.unwrap().layout_version, to);
            assert_eq!(all(&store).await, expected);
            assert!(!notices(&store).await.contains("enable_compression"));
            save(&store, "machines", "later", 1).await;
            let expected = all(&store).await;
            store.close().await.unwrap();
            assert_eq!(all(&fixture.open_read_only()).await, expected);
            assert_eq!(data_files(&fixture), *after);
        }
    }
}

/// A handle that was open meanwhile, and one that leaves the choice to the store.
#[tokio::test]
async fn other_handles_follow() {
    let mut fixture = Fixture::single();
    let plain = fixture.prepared().await;
    save(&plain, "machines", "a", 1).await;
    compress(&mut fixture, true);
    let switching = fixture.open();
    assert_eq!(switching.upgrade_layout().await.unwrap(), Some(3));
    save(&plain, "machines", "b", 2).await;
    plain.checkpoint().await.unwrap();
    assert_eq!(all(&switching).await.len(), 2);
    assert_eq!(data_files(&fixture), [SINGLE]);
    fixture.settings = json!({ "storage_type": "detect" });
    let detecting = fixture.open();
    assert_eq!(detecting.upgrade_layout().await.unwrap(), None);
    assert_eq!(all(&detecting).await.len(), 2);
    assert!(!notices(&detecting).await.contains("enable_compression"));
}

#[tokio::test]
async fn a_file_of_others_is_not_written_over() {
    let mut fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    let expected = all(&store).await;
    fs::write(fixture.file(SINGLE), "mine").unwrap();
    store.close().await.unwrap();
    compress(&mut fixture, true);
    let store = fixture.open();
    let error = store.upgrade_layout().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(all(&store).await, expected);
    assert_eq!((fixture.read(SINGLE).as_str(), layout(&fixture)), ("mine", 3));
    save(&store, "machines", "b", 1).await;
}

#[tokio::test]
async fn what_another_tool_compressed_is_taken_in() {
    for known in [true, false] {
        let fixture = compressed(json!({}));
        let store = fixture.prepared().await;
        fill(&store).await;
        store.close().await.unwrap();
        let mut whole = text_of(&fixture, SINGLE);
        whole["machines"]["m-0007"]["n"] = json!(777);
        let edited = zstd::encode_all(whole.to_string().as_bytes(), 1).unwrap();
        fs::write(fixture.file(SINGLE), edited).unwrap();
        if !known {
            for name in [".meta", ".journal"] {
                fs::remove_file(fixture.file(name)).unwrap();
            }
        }
        assert!(!is_in_blocks(&fixture, SINGLE));
        let before = snapshot(&fixture.path());
        for read_only in [true, false] {
            let store = if read_only { fixture.open_read_only() } else { fixture.open() };
            let records = all(&store).await;
            let (version, document) = &records["machines/m-0007"];
            assert_eq!(*version, if known { 2 } else { 1 });
            assert_eq!(document.as_ref().unwrap()["n"], 777);
            if read_only {
                assert_eq!(snapshot(&fixture.path()), before);
            }
        }
        assert!(is_in_blocks(&fixture, SINGLE), "a writer makes blocks of it");
        assert_eq!((data_files(&fixture), layout(&fixture)), (vec![SINGLE.to_owned()], 4));
    }
}

#[tokio::test]
async fn without_a_record_of_the_store_one_form_has_to_be_alone() {
    let fixture = Fixture::split();
    fixture.write("machines.json", r#"{"a": {"id": "a"}}"#);
    let packed = zstd::encode_all(&br#"{"b": {"id": "b"}}"#[..], 1).unwrap();
    fs::write(fixture.file("machines.json.zst"), packed).unwrap();
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.hint_text().unwrap().contains("move"), "{error}");
    fs::remove_file(fixture.file("machines.json")).unwrap();
    assert_eq!(all(&fixture.open_read_only()).await.len(), 1);
}

/// Changes a byte as a failing disk does: size and time stay.
fn change(path: &Path, at: usize, byte: u8) {
    let file = File::options().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(&[byte], at as u64).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
}

/// A store that is closed, and the bytes of its file.
async fn closed() -> (Fixture, Vec<u8>) {
    let fixture = compressed(json!({ "cache_size": 0 }));
    let store = fixture.prepared().await;
    fill(&store).await;
    store.close().await.unwrap();
    let sound = fs::read(fixture.file(SINGLE)).unwrap();
    (fixture, sound)
}

#[tokio::test]
async fn damage_is_found_wherever_it_is() {
    let (fixture, sound) = closed().await;
    let path = fixture.file(SINGLE);
    // In the first block, and in the table behind the last.
    for (at, first_readable) in [(200, false), (sound.len() - 12, true)] {
        change(&path, at, sound[at] ^ 0x10);
        let store = fixture.open_read_only();
        let first = [EntityId::new("m-0000").unwrap()];
        let read = store.get_many(&name("machines"), &first).await;
        match read {
            Err(error) if !first_readable => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            }
            read => assert!(first_readable && read.is_ok(), "{at}: {read:?}"),
        }
        let health = store.health(&HealthDepth::Quick).await.unwrap();
        assert!(!health.is_ok(), "{at}: {health:?}");
        drop(store);
        change(&path, at, sound[at]);
    }
    for (content, words) in [(&sound[..sound.len() / 2], "damaged"), (&b"{}"[..], "zstd stream")] {
        fs::write(&path, content).unwrap();
        let error = fixture.refused();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn records_of_a_damaged_block_are_set_aside_and_no_others() {
    let (fixture, sound) = closed().await;
    change(&fixture.file(SINGLE), 200, sound[200] ^ 0x10);
    let options = fixture.options(true).with_unreadable(OnUnreadable::SetAside);
    let settings = JsonSettings::read(&fixture.settings(&fixture.path())).unwrap();
    let store = JsonStrategy::open_here(Env::new(settings, options, Hooks::default())).unwrap();
    let scan = store.scan(&name("machines"), ScanOptions::default()).await.unwrap();
    let batches: Vec<RecordBatch> = scan.try_collect().await.unwrap();
    let records: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let aside: Vec<&str> =
        batches.iter().flat_map(|b| &b.unreadable).map(|one| one.id.as_str()).collect();
    assert_eq!(records + aside.len(), 1_500);
    assert!(aside.contains(&"m-0000") && !aside.contains(&"m-1499"), "{aside:?}");
}

#[tokio::test]
async fn a_copy_that_holds_a_scrubbed_record_is_named() {
    let fixture = compressed(json!({ "backup_enabled": true }));
    let store = fixture.prepared().await;
    save(&store, "machines", "m-1", 1).await;
    store.checkpoint().await.unwrap();
    delete(&store, "machines", "m-1").await;
    let gone = key("machines", "m-1");
    let remnants = store.scrub(&gone.collection, std::slice::from_ref(&gone.id)).await.unwrap();
    let places: Vec<String> = remnants.iter().map(|remnant| remnant.place.to_string()).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(places[0].contains("backups") && places[0].contains(SINGLE), "{places:?}");
}
