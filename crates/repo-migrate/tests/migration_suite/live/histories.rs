//! What records were before, who wrote it, and how it is called, moves with the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_core::strategy::{StorageStrategyExt as _, VersionWrite};
use repo_core::{Attribution, EntityId, ErrorKind, Precondition, Version, Write};
use repo_history::{History, KnownVersion, Retention, TagName};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePhase, LivePlace as _, SwitchOptions};

use super::support::{Move, Place, Store, all, document, items, key, pausing_writer, schemas};

fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

fn history(store: &Store) -> History {
    History::of(Arc::clone(store), items())
}

async fn save_by(store: &Store, name: &str, n: u64, author: &str) {
    let by = Attribution::new(Some(author), None).unwrap();
    let write = Write::put(key(name), document(name, n), Precondition::Any);
    store.commit(vec![write.attributed_to(Some(Arc::new(by)))]).await.unwrap();
}

/// Every version of every record, and who wrote it.
async fn past(store: &Store) -> BTreeMap<String, Vec<KnownVersion>> {
    let history = history(store);
    let mut past = BTreeMap::new();
    for name in all(store.as_ref()).await.into_keys() {
        let versions = history.all_versions(&id(&name)).try_collect().await.unwrap();
        past.insert(name, versions);
    }
    past
}

async fn there_and_back(source: &str, target: &str) {
    let moving = Move::new(source, target).await;
    let routed = moving.routed().await;
    let store: Store = routed.clone();
    history(&store).begin(Retention::EVERYTHING).await.unwrap();
    for n in 1..4 {
        save_by(&store, "old-001", n, "ada").await;
    }
    store.delete(key("old-002")).await.unwrap();
    let release = TagName::new("release").unwrap();
    let third = Version::new(3).unwrap();
    history(&store).tag(&id("old-001"), third, &release, None).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    // So many versions that looking at all of them takes no time.
    let pause = Some(Duration::from_millis(5));
    let writers: Vec<_> =
        (0..3).map(|n| pausing_writer(Arc::clone(&routed), n, Arc::clone(&ended), pause)).collect();
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    let busy = async || {
        for n in 0..20 {
            save_by(&store, "busy", n, "eve").await;
        }
    };
    busy().await;
    save_by(&store, "old-003", 9, "bea").await;
    moving.switch().await.unwrap();
    busy().await;
    save_by(&store, "old-003", 10, "cyd").await;
    assert_eq!(history(&store).at_tag(&id("old-001"), &release).await.unwrap().version, third);
    history(&store).untag(&id("old-001"), &release).await.unwrap();
    let later = TagName::new("later").unwrap();
    history(&store).tag(&id("old-003"), third, &later, Some("why".to_owned())).await.unwrap();
    live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
    busy().await;
    save_by(&store, "old-003", 11, "dot").await;
    moving.switch().await.unwrap();
    ended.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let verified = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!((verified.differences, verified.finished), (0, true), "{verified:?}");
    let [source, target] = [moving.source.store().await, moving.target.store().await];
    let (ours, theirs) = (past(&source).await, past(&target).await);
    for (name, versions) in &ours {
        assert_eq!(versions, &theirs[name], "{name}");
        assert!(versions.iter().all(|one| matches!(one, KnownVersion::Kept { .. })), "{name}");
    }
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours["old-003"].len(), 4);
    assert_eq!(ours["busy"].len(), 60);
    let since = history(&source).kept().await.unwrap();
    assert_eq!(since, history(&target).kept().await.unwrap());
    for store in [&source, &target] {
        let tags = history(store).all_tags().await.unwrap();
        assert_eq!(tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["later"]);
    }
    live::finish(moving.stores()).await.unwrap();
    drop(stop);
    mover.await.unwrap().unwrap();
    // Afterwards it is a history as any other.
    history(&store).end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_goes_from_memory_to_memory_and_back() {
    there_and_back("memory", "memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_goes_from_json_to_sqlite_and_back() {
    there_and_back("json", "sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_goes_from_sqlite_to_json_and_back() {
    there_and_back("sqlite", "json").await;
}

/// Several versions that one look at the feed finds are all carried over, and the target keeps
/// exactly the histories of the source, whatever it kept before.
#[tokio::test]
async fn versions_that_the_feed_went_past_are_added() {
    let moving = Move::new("memory", "sqlite").await;
    let source = moving.source.store().await;
    let target = moving.target.store().await;
    target.prepare(&schemas()).await.unwrap();
    history(&target).begin(Retention::EVERYTHING).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    history(&source).begin(Retention::EVERYTHING).await.unwrap();
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    assert_eq!(history(&source).kept().await.unwrap(), history(&target).kept().await.unwrap());
    for n in 0..700 {
        save_by(&source, "old-007", n, "ada").await;
        save_by(&source, "old-008", n, "bea").await;
    }
    source.delete(key("old-008")).await.unwrap();
    moving.switch().await.unwrap();
    let (ours, theirs) = (past(&source).await, past(&target).await);
    assert_eq!(ours["old-007"].len(), 701);
    assert_eq!(ours["old-007"], theirs["old-007"]);
    assert_eq!(ours["old-008"], theirs["old-008"]);
}

/// A version that two runs went past is added by the next comparison.
#[tokio::test]
async fn a_version_that_is_missing_is_added() {
    let moving = Move::new("memory", "sqlite").await;
    let source = moving.source.store().await;
    history(&source).begin(Retention::EVERYTHING).await.unwrap();
    save_by(&source, "old-009", 1, "ada").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let live = live::status(moving.stores()).await.unwrap().live;
    let worker = moving.target.open(Some(live)).await.unwrap();
    let forget = VersionWrite::Remove(id("old-009"), Version::FIRST);
    worker.write_versions(&items(), vec![forget]).await.unwrap();
    let verified = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!(verified.differences, 0, "{verified:?}");
    assert_eq!(past(&source).await["old-009"], past(&moving.target.store().await).await["old-009"]);
}

/// A version that somebody changed in the target refuses the switch, and is named.
#[tokio::test]
async fn a_flipped_version_refuses_the_switch() {
    let moving = Move::new("memory", "sqlite").await;
    let source = moving.source.store().await;
    history(&source).begin(Retention::EVERYTHING).await.unwrap();
    save_by(&source, "old-009", 1, "ada").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    let Place::Sqlite(folder) = &moving.target else { panic!() };
    let other = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    let flip = "UPDATE \"items-versions\" SET document = replace(document, '0}', '9}') \
                WHERE id = 'old-009'";
    assert_eq!(other.execute(flip, []).unwrap(), 1);
    let verified = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!(verified.differences, 1, "{verified:?}");
    assert_eq!(verified.named[0].key, "items/old-009@1");
    assert_eq!(moving.switch().await.unwrap_err().kind(), ErrorKind::Locked);
}

/// Nobody begins or ends a history while the store moves: only one side would have it.
#[tokio::test]
async fn a_history_neither_begins_nor_ends_meanwhile() {
    let moving = Move::new("memory", "json").await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    let source = moving.source.store().await;
    let error = history(&source).begin(Retention::EVERYTHING).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    live::abort(moving.stores()).await.unwrap();
    drop(stop);
    mover.await.unwrap().unwrap();
    history(&source).begin(Retention::EVERYTHING).await.unwrap();
    // The target keeps what it was given.
    let again = Move { source: moving.source, target: Place::new("memory") };
    live::status(again.stores()).await.unwrap_err();
    let (mover, stop) = again.begin();
    again.until(LivePhase::Ready).await;
    drop(stop);
    mover.await.unwrap().unwrap();
    assert!(history(&again.target.store().await).kept().await.unwrap().is_some());
}
