//! Objects that are damaged, missing, or not ours.

use bytes::Bytes;
use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{ErrorKind, HealthDepth};

use super::wire::{Act, Fate};
use super::{Fixture, all, document, key, save, text};
use crate::checkpoint::{Why, make};
use crate::names;

async fn replace(fixture: &Fixture, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let objects = fixture.objects();
    let mut bytes = objects.read_all(name).await.unwrap().unwrap().to_vec();
    change(&mut bytes);
    objects.replace(name, Bytes::from(bytes)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_frame_is_named() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    let frame = names::log(store.store().state().position);
    replace(&fixture, &frame, |bytes| bytes[30] ^= 1).await;
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("object"), Some(frame.as_str()));
    assert!(error.hint_text().is_some());
}

#[tokio::test]
async fn a_document_that_is_damaged_leaves_the_others_alone() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "the first text").await;
    save(&store, "b", "the other text").await;
    store.checkpoint().await.unwrap();
    let docs = fixture.names("run").await.into_iter().find(|name| name.contains("docs-"));
    replace(&fixture, &docs.unwrap(), |bytes| {
        let at = bytes.windows(9).position(|part| part == b"the first").unwrap();
        bytes[at] = b'T';
    })
    .await;
    let other = fixture.open().await;
    assert_eq!(text(&other, "b").await.as_deref(), Some("the other text"));
    let a = key("machines", "a");
    let error = other.get(&a.collection, &a.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context_value("key"), Some("a"));
    let deep = HealthDepth::Deep(std::sync::Arc::new(|_, _| {}));
    assert!(!other.health(&deep).await.unwrap().is_ok());
    // Written anew it is whole, and so is the store.
    save(&other, "a", "the second text").await;
    assert!(other.health(&deep).await.unwrap().is_ok());
    make(other.store(), Why::Whole).await.unwrap();
}

/// No checkpoint of the whole store leaves out what it cannot read.
#[tokio::test]
async fn a_damaged_document_is_not_checkpointed_away() {
    let fixture = Fixture::new().without_cache();
    let store = fixture.prepared().await;
    save(&store, "a", "the first text").await;
    let frame = names::log(store.store().state().position);
    replace(&fixture, &frame, |bytes| {
        let at = bytes.windows(9).position(|part| part == b"the first").unwrap();
        bytes[at] = b'T';
    })
    .await;
    let why = Why::Whole;
    let error = make(store.store(), why).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    // A run takes it along as it is, and it stays known as damaged.
    store.checkpoint().await.unwrap();
    let a = key("machines", "a");
    let error = fixture.open().await.get(&a.collection, &a.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_missing_frame_is_not_the_end_of_the_log() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    for n in 0..5 {
        save(&store, &n.to_string(), "").await;
    }
    fixture.objects().delete(&names::log(3)).await.unwrap();
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("object"), Some(names::log(3).as_str()));
}

/// Behind a checkpoint too.
#[tokio::test]
async fn a_missing_frame_behind_the_checkpoint_is_named() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    store.checkpoint().await.unwrap();
    let through = store.store().state().position;
    for n in 0..3 {
        save(&store, &n.to_string(), "").await;
    }
    // What the checkpoint holds nobody needs.
    fixture.objects().delete(&names::log(through)).await.unwrap();
    assert_eq!(all(&fixture.open().await).await.len(), 4);
    let missing = names::log(through + 1);
    fixture.objects().delete(&missing).await.unwrap();
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("object"), Some(missing.as_str()));
}

/// A handle that is open looks for a gap every five minutes; here each time.
#[tokio::test]
async fn an_open_handle_notices_a_missing_frame() {
    let mut fixture = Fixture::new();
    fixture.limits.stale_after = std::time::Duration::ZERO;
    let (early, other) = (fixture.prepared().await, fixture.open().await);
    let missing = names::log(early.store().state().position + 1);
    save(&other, "a", "1").await;
    save(&other, "b", "1").await;
    fixture.objects().delete(&missing).await.unwrap();
    let a = key("machines", "a");
    let error = early.get(&a.collection, &a.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("object"), Some(missing.as_str()));
    // Nothing is written in its place.
    let refused = early.save(a.clone(), document("a", "2")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
    assert!(!fixture.names("log").await.contains(&missing));
}

/// A handle that does not know of a gap writes into it. That is found out by the next frame, which
/// does not name it.
#[tokio::test]
async fn a_gap_that_was_filled_is_noticed() {
    let fixture = Fixture::new();
    let (early, other) = (fixture.prepared().await, fixture.open().await);
    let missing = early.store().state().position + 1;
    for n in 0..3 {
        save(&other, &n.to_string(), "").await;
    }
    fixture.objects().delete(&names::log(missing)).await.unwrap();
    assert_eq!(save(&early, "mine", "1").await, 1);
    let next = names::log(missing + 1);
    let refused = early.save(key("machines", "mine"), document("mine", "2")).await.unwrap_err();
    let opened = fixture.try_open(fixture.options()).await.unwrap_err();
    for error in [refused, opened] {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(error.context_value("object"), Some(next.as_str()));
    }
}

#[tokio::test]
async fn a_missing_part_of_the_checkpoint_is_named() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    store.checkpoint().await.unwrap();
    let index = fixture.names("run").await.into_iter().find(|name| name.contains("index-"));
    fixture.objects().delete(index.as_ref().unwrap()).await.unwrap();
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("object"), index.as_deref());
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let fixture = Fixture::new();
    fixture.objects().create("ab/abcdef", Bytes::from_static(b"a blob")).await.unwrap();
    let store = fixture.open().await;
    let error = store.prepare(&[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(fixture.everything().await.len(), 1);
    let fixture = Fixture::new();
    fixture.objects().create(&names::log(1), Bytes::from_static(b"a log\n")).await.unwrap();
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
}

#[tokio::test]
async fn a_newer_layout_is_refused_in_words() {
    let fixture = Fixture::new();
    let newer = Bytes::from_static(b"{\"repo_object\":9,\"is\":\"something new\"}\n");
    fixture.objects().create(&names::log(1), newer).await.unwrap();
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(error.context_value("layout"), Some("9"));
}

/// Frames of another store under our numbers: a copy of one that is not the next one.
#[tokio::test]
async fn a_frame_under_a_number_of_another_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", "1").await;
    let position = store.store().state().position;
    let bytes = fixture.objects().read_all(&names::log(position)).await.unwrap().unwrap();
    fixture.objects().create(&names::log(position + 1), bytes).await.unwrap();
    let error = store.get(&super::name("machines"), &key("machines", "a").id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// A server that ignores the condition of a write would lose commits without a word.
#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused() {
    for fate in [Fate::Unconditional, Fate::Racy] {
        let fixture = Fixture::new();
        fixture.wire.decide(move |act, _| if act == Act::Put { fate } else { Fate::Done });
        let store = fixture.open().await;
        let error = store.prepare(&[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{fate:?}: {error}");
        assert!(error.to_string().contains("commits would be lost"), "{error}");
        assert_eq!(fixture.everything().await.len(), 0, "nothing stays of the trial");
    }
}

#[tokio::test]
async fn nothing_stays_of_the_trial_of_a_good_server() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    assert_eq!(fixture.names("probe").await, Vec::<String>::new());
    assert_eq!(fixture.names("log").await.len(), 1);
    assert_eq!(all(&store).await.len(), 0);
    let refused = store.create(key("nowhere", "a"), document("a", "")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}
