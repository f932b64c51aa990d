//! Erased documents are in no object any more.

use std::num::NonZeroUsize;

use bytes::Bytes;
use repo_core::strategy::{CaptureHolder, StorageStrategy as _, StoreUpdate};

use super::{Fixture, all, delete, key, name, save};
use crate::format::{Kind, kind_of};
use crate::hex::Hex16;
use crate::names;

const SECRET: &str = "hunter2, the secret";

#[tokio::test]
async fn a_scrubbed_document_is_in_no_object() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    let other = fixture.open().await;
    let holder = CaptureHolder::new("test", "a").unwrap();
    store.update_store_record(StoreUpdate::HoldCapture(holder)).await.unwrap();
    let begin = store.head().await.unwrap();
    save(&store, "a", SECRET).await;
    save(&store, "b", "stays").await;
    store.checkpoint().await.unwrap();
    save(&store, "a", &format!("{SECRET} again")).await;
    save(&store, "c", "stays").await;
    // It has the documents in their first places.
    let expected = all(&other).await;
    delete(&store, "a").await;
    assert!(fixture.holds(SECRET).await);
    let ids = [key("machines", "a").id];
    assert_eq!(store.scrub(&name("machines"), &ids).await.unwrap(), []);
    assert!(!fixture.holds(SECRET).await);
    // The frames keep their numbers, and say nothing.
    assert_eq!(fixture.names("log").await.len() as u64, store.store().state().position);
    for handle in [&other, &fixture.open().await] {
        let mut now = all(handle).await;
        assert_eq!(now.remove("a"), Some((3, None)));
        assert!(now.iter().all(|(id, found)| expected[id] == *found));
        let most = NonZeroUsize::new(100).unwrap();
        assert_eq!(handle.changes(Some(&begin), most).await.unwrap().changes.len(), 5);
    }
    assert_eq!(save(&other, "a", "anew").await, 4);
    assert_eq!(save(&store, "a", "anew").await, 5);
}

/// Who was about to write may not have learned yet that he did: the frames stay his. What is
/// made for the next checkpoint stays too, and what was being made for the last one goes.
#[tokio::test]
async fn a_scrub_takes_what_it_must_and_leaves_the_rest() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    save(&store, "a", SECRET).await;
    delete(&store, "a").await;
    let at = store.store().state().base.number;
    let before = commits(&fixture).await;
    let left = names::docs(Hex16::for_checkpoint(at + 1).unwrap(), 0);
    let begun = names::docs(Hex16::for_checkpoint(at + 2).unwrap(), 0);
    for (name, text) in [(&left, SECRET), (&begun, "other")] {
        fixture.objects().create(name, Bytes::from(text)).await.unwrap();
    }
    store.scrub(&name("machines"), &[key("machines", "a").id]).await.unwrap();
    assert!(!fixture.holds(SECRET).await);
    assert!(fixture.names("run").await.contains(&begun));
    let after = commits(&fixture).await;
    assert_eq!(after[..before.len()], before);
}

/// Whose the frames are.
async fn commits(fixture: &Fixture) -> Vec<Hex16> {
    let mut commits = Vec::new();
    for name in fixture.names("log").await {
        let bytes = fixture.objects().read_all(&name).await.unwrap().unwrap();
        let Ok(Kind::Log { commit, .. }) = kind_of(&bytes) else { panic!("{name}") };
        commits.push(commit);
    }
    commits
}

/// A handle whose position is in the middle of the frames that were emptied goes on by the
/// checkpoint.
#[tokio::test]
async fn a_handle_in_the_middle_goes_on() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    let early = fixture.open().await;
    save(&store, "a", SECRET).await;
    save(&store, "b", "stays").await;
    delete(&store, "a").await;
    store.scrub(&name("machines"), &[key("machines", "a").id]).await.unwrap();
    assert!(early.store().state().position < store.store().state().position);
    assert_eq!(all(&early).await, all(&store).await);
    assert_eq!(save(&early, "b", "mine").await, 2);
}
