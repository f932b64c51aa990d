//! Callers who want the same key at the same time.

use futures::poll;
use repo_core::ErrorKind;
use repo_layers::{Inner, Layer as _, OperationKind};

use super::support::{Holding, cache, holding, version};
use crate::faults::{Fault, Faulty, faulty, get, hosts, key, save};

#[tokio::test]
async fn callers_of_one_key_wait_for_one_read() {
    let cache = cache();
    let (store, holding, _) = holding(cache.clone()).await;
    save(&store, "h").await.unwrap();
    holding.hold(OperationKind::GetMany);
    let mut callers: Vec<_> = (0..20).map(|_| Box::pin(version(&store, "h"))).collect();
    for caller in &mut callers {
        assert!(poll!(caller).is_pending());
    }
    holding.let_go(0);
    for caller in callers {
        assert_eq!(caller.await, Some(1));
    }
    assert_eq!(holding.reads(), 1);
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.waits), (1, 19));
}

/// Each asks only for what nobody else is asking for.
#[tokio::test]
async fn callers_of_several_keys_divide_them() {
    let (store, holding, _) = holding(cache()).await;
    save(&store, "b").await.unwrap();
    holding.hold(OperationKind::GetMany);
    let name = hosts();
    let [some, more] = [["a", "b"], ["b", "c"]].map(|ids| ids.map(|id| key(id).id));
    let mut first = Box::pin(store.get_many(&name, &some));
    assert!(poll!(&mut first).is_pending());
    let mut second = Box::pin(store.get_many(&name, &more));
    assert!(poll!(&mut second).is_pending());
    assert_eq!(holding.asked(), [vec!["a", "b"], vec!["c"]]);
    holding.let_go(1);
    assert!(poll!(&mut second).is_pending(), "it waits for the first one's read");
    holding.let_go(0);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(first[0].is_none() && first[1].is_some());
    assert_eq!(first[1], second[0]);
    assert!(second[1].is_none());
}

/// Who began a read may give it up, and may also not be polled: the others go on.
#[tokio::test]
async fn a_read_does_not_depend_on_who_began_it() {
    for given_up in [true, false] {
        let (store, holding, _) = holding(cache()).await;
        save(&store, "h").await.unwrap();
        holding.hold(OperationKind::GetMany);
        let mut first = Some(Box::pin(version(&store, "h")));
        assert!(poll!(first.as_mut().unwrap()).is_pending());
        let mut second = Box::pin(version(&store, "h"));
        assert!(poll!(&mut second).is_pending());
        if given_up {
            first = None;
        }
        holding.let_go(0);
        assert_eq!(second.await, Some(1));
        assert_eq!(version(&store, "h").await, Some(1));
        assert_eq!(holding.reads(), 1);
        drop(first);
    }
}

/// Nobody waits any more: the next caller begins anew, and what is left is nothing.
#[tokio::test]
async fn a_read_that_all_gave_up_is_begun_again() {
    let (store, holding, _) = holding(cache()).await;
    holding.hold(OperationKind::GetMany);
    let mut callers: Vec<_> = (0..3).map(|_| Box::pin(version(&store, "h"))).collect();
    for caller in &mut callers {
        assert!(poll!(caller).is_pending());
    }
    drop(callers);
    holding.hold_nothing();
    assert_eq!(version(&store, "h").await, None);
    assert_eq!(holding.reads(), 2);
}

/// A cache around a store that fails its next read, and learns of it when it is let go.
async fn failing(kind: ErrorKind) -> (Inner, Holding, Faulty) {
    let (store, faults) = faulty().await;
    save(&store, "h").await.unwrap();
    faults.plan(OperationKind::GetMany, &[Fault::Refused(kind)]);
    let holding = Holding::default();
    holding.hold(OperationKind::GetMany);
    (cache().around(holding.clone().around(store)), holding, faults)
}

#[tokio::test]
async fn all_who_wait_for_one_key_get_its_error() {
    let (store, holding, faults) = failing(ErrorKind::Unavailable).await;
    let mut callers: Vec<_> = (0..5).map(|_| Box::pin(get(&store, "h"))).collect();
    for caller in &mut callers {
        assert!(poll!(caller).is_pending());
    }
    holding.hold_nothing();
    holding.let_go(0);
    for caller in callers {
        let error = caller.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.message(), "the fault that was asked for");
    }
    assert_eq!(faults.calls(OperationKind::GetMany), 1);
    assert_eq!(version(&store, "h").await, Some(1));
}

/// An error of a read of several keys may be about a key that the other did not ask for.
#[tokio::test]
async fn who_waited_for_one_of_several_keys_reads_it_again() {
    let (store, holding, faults) = failing(ErrorKind::Corrupt).await;
    let name = hosts();
    let ids = ["broken", "h"].map(|id| key(id).id);
    let mut both = Box::pin(store.get_many(&name, &ids));
    assert!(poll!(&mut both).is_pending());
    let mut one = Box::pin(version(&store, "h"));
    assert!(poll!(&mut one).is_pending());
    holding.hold_nothing();
    holding.let_go(0);
    assert_eq!(both.await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(one.await, Some(1));
    assert_eq!(faults.calls(OperationKind::GetMany), 2);
}
