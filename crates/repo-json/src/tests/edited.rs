//! Data files that another tool writes between two runs, or beside one.

use repo_core::strategy::StorageStrategy as _;
use repo_core::{ErrorKind, Filter, Plan, Query, Timestamp};
use serde_json::{Value as Json, json};

use super::{Fixture, all, name, save, snapshot};
use crate::strategy::JsonStrategy;

/// One entity changed, one added, one removed, one rewritten without a change.
fn edit(file: &str, fixture: &Fixture, wrapped: Option<&str>) {
    let mut whole = fixture.json(file);
    let machines = match wrapped {
        Some(name) => &mut whole[name],
        None => &mut whole,
    };
    let machines = machines.as_object_mut().unwrap();
    machines["changed"]["n"] = json!(100);
    machines.insert("added".to_owned(), json!({ "id": "added" }));
    machines.remove("removed").unwrap();
    fixture.write(file, &serde_json::to_string(&whole).unwrap().replace('é', "\\u00e9"));
}

async fn filled(fixture: &Fixture) {
    let store = fixture.prepared().await;
    for (n, id) in ["changed", "removed", "same"].into_iter().enumerate() {
        save(&store, "machines", id, n as u64).await;
        save(&store, "machines", id, n as u64).await;
    }
    save(&store, "requests", "r", 1).await;
    store.close().await.unwrap();
}

fn notice(health: &repo_core::Health) -> Option<&str> {
    let notice = health.checks.iter().find(|check| check.name == "notice");
    notice.map(|check| check.detail.as_str())
}

async fn check_taken_in(store: &JsonStrategy) {
    let records = all(store).await;
    let version = |id: &str| records[&format!("machines/{id}")].0;
    assert_eq!([version("changed"), version("added"), version("removed")], [3, 1, 3]);
    assert_eq!(version("same"), 2, "it is equal as JSON");
    assert_eq!(records["machines/removed"].1, None);
    assert_eq!(records["machines/changed"].1.as_ref().unwrap()["n"], 100);
    assert_eq!(records["requests/r"].0, 1);
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok());
    assert!(notice(&health).unwrap().contains("1 changed, 1 added, 1 removed"), "{health:?}");
}

#[tokio::test]
async fn edits_raise_versions_and_leave_tombstones() {
    for (fixture, file, wrapped) in [
        (Fixture::single(), "request_database.json", Some("machines")),
        (Fixture::split(), "machines.json", None),
    ] {
        filled(&fixture).await;
        edit(file, &fixture, wrapped);
        let edited = snapshot(&fixture.path());
        check_taken_in(&fixture.open_read_only()).await;
        assert_eq!(snapshot(&fixture.path()), edited, "reading changes nothing");
        let store = fixture.open();
        check_taken_in(&store).await;
        assert_eq!(fixture.read(file).into_bytes(), edited[file], "the file stays as edited");
        store.close().await.unwrap();
        let store = fixture.open();
        assert_eq!(all(&store).await["machines/changed"].0, 3, "once");
        assert_eq!(notice(&store.health(&repo_core::HealthDepth::Quick).await.unwrap()), None);
    }
}

#[tokio::test]
async fn an_edit_beside_an_open_store_is_seen() {
    let fixture = Fixture::single();
    filled(&fixture).await;
    let writer = fixture.open();
    let reader = fixture.open_read_only();
    let query = Query::new(Filter::parse(r#"{"status": "EVEN"}"#).unwrap());
    assert_eq!(reader.query(&name("machines"), &query).await.unwrap().entities.len(), 2);
    edit("request_database.json", &fixture, Some("machines"));
    check_taken_in(&reader).await;
    let page = reader.query(&name("machines"), &query).await.unwrap();
    assert_eq!(page.plan, Plan::Index { name: "status-index".to_owned() });
    assert_eq!(page.entities.len(), 2, "the indexes follow");
    save(&writer, "machines", "added", 5).await;
    let records = all(&reader).await;
    assert_eq!((records["machines/added"].0, records["machines/changed"].0), (2, 3));
    writer.close().await.unwrap();
    assert_eq!(fixture.json("request_database.json")["machines"]["changed"]["n"], 100);
}

#[tokio::test]
async fn an_edit_under_commits_that_wait_in_the_journal_is_refused() {
    let fixture = Fixture::single();
    filled(&fixture).await;
    let store = fixture.open();
    save(&store, "machines", "same", 7).await;
    edit("request_database.json", &fixture, Some("machines"));
    let edited = snapshot(&fixture.path());
    let writes = store.checkpoint().await.unwrap_err();
    assert_eq!(writes.kind(), ErrorKind::Corrupt, "nothing is written over the edit");
    // After it: a commit is acknowledged a moment before its writer lets readers look.
    let reads = store.collections().await.unwrap_err();
    assert_eq!(reads.kind(), ErrorKind::Corrupt);
    assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    assert_eq!(store.close().await.unwrap_err().kind(), ErrorKind::Corrupt);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.hint_text().unwrap().contains("`resolve` with"));
    assert_eq!(snapshot(&fixture.path()), edited);
}

#[tokio::test]
async fn a_rewrite_that_changes_nothing_is_no_edit() {
    let fixture = Fixture::single();
    filled(&fixture).await;
    let before = all(&fixture.open()).await;
    let whole: Json = fixture.json("request_database.json");
    fixture.write("request_database.json", &serde_json::to_string(&whole).unwrap());
    assert_eq!(all(&fixture.open_read_only()).await, before);
    let store = fixture.open();
    assert_eq!(all(&store).await, before);
    save(&store, "machines", "same", 9).await;
    // A copy of the folder has other inodes and times, and is no edit either.
    let copy = super::restore(&snapshot(&fixture.path()));
    let copied = fixture.try_open(copy.path(), false, crate::hooks::Hooks::default()).unwrap();
    assert_eq!(all(&copied).await, all(&store).await);
}

#[tokio::test]
async fn a_store_without_meta_begins_with_version_one_and_the_time_of_the_file() {
    let fixture = Fixture::split();
    fixture.write("machines.json", r#"{"b": {"id": "b", "n": 1.50}, "a": {"id": "a"}}"#);
    fixture.write("users.json", r#"{"users": {"u": {"id": "u"}}}"#);
    let modified = std::fs::metadata(fixture.file("machines.json")).unwrap().modified().unwrap();
    for read_only in [true, false] {
        let store = if read_only { fixture.open_read_only() } else { fixture.open() };
        let names: Vec<String> =
            store.collections().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["machines", "users"]);
        let ids = ["b", "a"].map(|id| repo_core::EntityId::new(id).unwrap());
        for record in store.get_many(&name("machines"), &ids).await.unwrap() {
            let entity = record.unwrap().into_live().unwrap();
            assert_eq!(entity.version.get(), 1);
            assert_eq!(entity.created_at, Timestamp::from(modified));
            assert_eq!(entity.updated_at, Timestamp::from(modified));
        }
        let missing = store.count(&name("requests"), &Filter::default(), Default::default()).await;
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_declared_split_file_that_appears_later_is_taken_in() {
    let fixture = Fixture::split();
    fixture.write("machines.json", "{}");
    fixture.open().close().await.unwrap();
    fixture.write("requests.json", r#"{"r": {"id": "r"}}"#);
    fixture.write("notes.json", "not even JSON");
    assert_eq!(all(&fixture.open_read_only()).await.len(), 1);
    let store = fixture.open();
    assert_eq!(all(&store).await["requests/r"].0, 1);
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(health.checks.iter().any(|c| c.detail.contains("notes.json is not part")));
    store.close().await.unwrap();
    assert_eq!(all(&fixture.open_read_only()).await.len(), 1);
}

#[tokio::test]
async fn versions_rise_over_tombstones_and_floors() {
    let fixture = Fixture::single();
    filled(&fixture).await;
    let store = fixture.open();
    super::delete(&store, "machines", "removed").await;
    super::delete(&store, "machines", "same").await;
    fixture.clock.advance(std::time::Duration::from_secs(60));
    let later = Timestamp::parse("2026-03-01T08:00:30Z").unwrap();
    let purged = store.purge(&name("machines"), later).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (2, 3));
    super::delete(&store, "machines", "changed").await;
    store.close().await.unwrap();
    let mut whole = fixture.json("request_database.json");
    whole["machines"] = json!({ "changed": { "id": "changed" }, "same": { "id": "same" } });
    fixture.write("request_database.json", &whole.to_string());
    let records = all(&fixture.open()).await;
    assert_eq!(records["machines/changed"].0, 4, "above its tombstone");
    assert_eq!(records["machines/same"].0, 4, "above the floor");
}

#[tokio::test]
async fn an_edit_within_the_tick_of_the_checkpoint_is_seen() {
    let fixture = Fixture::single();
    filled(&fixture).await;
    let file = "request_database.json";
    let before = std::fs::metadata(fixture.file(file)).unwrap();
    let text = fixture.read(file);
    let edited = text.replace("ODD", "odd");
    assert_ne!(edited, text);
    fixture.write(file, &edited);
    for name in [file, ".meta"] {
        let file = std::fs::File::options().write(true).open(fixture.file(name)).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
    }
    let records = all(&fixture.open_read_only()).await;
    assert_eq!(records["machines/removed"].0, 3, "its status is another one");
    assert_eq!(records["machines/same"].0, 2);
}

#[tokio::test]
async fn a_notice_is_told_once() {
    let fixture = Fixture::split();
    let store = fixture.prepared().await;
    fixture.write("notes.json", "{}");
    fixture.write("others.json", "{}");
    for n in 0..3 {
        save(&store, "machines", "a", n).await;
        store.checkpoint().await.unwrap();
    }
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert_eq!(health.checks.iter().filter(|check| check.name == "notice").count(), 2);
}

#[tokio::test]
async fn a_handle_for_writing_records_an_edit_before_it_shows_it() {
    use repo_core::{Precondition, Version, Write};
    let fixture = Fixture::single();
    filled(&fixture).await;
    let store = fixture.open();
    let file = "request_database.json";
    let first = fixture.read(file);
    edit(file, &fixture, Some("machines"));
    assert_eq!(all(&store).await["machines/changed"].0, 3);
    fixture.write(file, &first);
    let seen = all(&store).await;
    assert_eq!(seen["machines/changed"].0, 4, "no version is seen twice or falls");
    let expected = Precondition::Version(Version::new(4).unwrap());
    edit(file, &fixture, Some("machines"));
    let put =
        Write::put(super::key("machines", "changed"), super::document("changed", 9), expected);
    let error = store.commit(vec![put]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "the second edit is noticed");
    assert_eq!(all(&fixture.open_read_only()).await["machines/changed"].0, 5);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_first_file_beside_an_open_handle_is_recorded_before_it_is_shown() {
    let fixture = Fixture::single();
    let store = fixture.open();
    let file = "request_database.json";
    fixture.write(file, r#"{"machines": {"a": {"id": "a", "n": 1}}, "requests": {}}"#);
    assert_eq!(all(&store).await["machines/a"].0, 1);
    fixture.write(file, r#"{"machines": {"a": {"id": "a", "n": 22}}, "requests": {}}"#);
    assert_eq!(all(&store).await["machines/a"].0, 2);
}
