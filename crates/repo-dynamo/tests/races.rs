//! Many writers at once, more of them than the conformance suite has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::DynamoPlace;
use futures::future::join_all;
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, Precondition, Result,
    StorageStrategy, Write, Written,
};

fn key(id: &str) -> Key {
    Key::new(CollectionName::new("items").unwrap(), EntityId::new(id).unwrap())
}

fn document(id: &str, number: u64) -> Document {
    Document::parse(&format!("{{\"id\":\"{id}\",\"n\":{number}}}")).unwrap()
}

async fn prepared(place: &DynamoPlace) -> Arc<dyn StorageStrategy> {
    let store = place.open_as(place.settings()).await.unwrap();
    store.prepare(&[CollectionSchema::undeclared(key("a").collection)]).await.unwrap();
    Arc::new(store)
}

async fn commit(store: &Arc<dyn StorageStrategy>, writes: Vec<Write>) -> Result<Vec<Written>> {
    loop {
        match store.commit(writes.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            answer => return answer,
        }
    }
}

/// One round: two commits that each check the other's key as absent.
async fn exclude(store: Arc<dyn StorageStrategy>, round: usize) {
    let [a, b] = ["a", "b"].map(|side| key(&format!("{side}{round}")));
    let write = |mine: &Key, theirs: &Key| {
        let put = Write::put(mine.clone(), document(mine.id.as_str(), 1), Precondition::Any);
        vec![put, Write::check(theirs.clone(), Precondition::Absent)]
    };
    let (one, two) = tokio::join!(commit(&store, write(&a, &b)), commit(&store, write(&b, &a)));
    let through = usize::from(one.is_ok()) + usize::from(two.is_ok());
    let found = store.get_many(&a.collection, &[a.id, b.id]).await.unwrap();
    assert_eq!((through, found.iter().flatten().count()), (1, 1), "{round}: {one:?} {two:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_exclude_each_other_exactly_one_commits_in_a_thousand_tries() {
    let place = DynamoPlace::new();
    let store = prepared(&place).await;
    for rounds in (0..1_000_usize).collect::<Vec<_>>().chunks(8) {
        let rounds = rounds.iter().map(|round| tokio::spawn(exclude(Arc::clone(&store), *round)));
        join_all(rounds).await.into_iter().for_each(|done| done.unwrap());
    }
}
