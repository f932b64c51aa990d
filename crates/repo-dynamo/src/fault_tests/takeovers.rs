//! Loads that are killed, closed and taken over.

use super::loads::*;
use super::*;

/// The process that loads is stopped, and its request is sent long after.
#[tokio::test]
async fn a_late_request_replaces_nothing_after_a_takeover() {
    for (oldest, late) in [(SHORT, 6), (None, 1)] {
        let (proxy, store, prefix) =
            empty(oldest, move |operation, before, body| match (operation, before) {
                ("BatchWriteItem", 0) => Fate::Forward,
                ("BatchWriteItem", _) if body.contains("\"b\"") => {
                    Fate::Late(Duration::from_secs(late))
                }
                _ => Fate::Forward,
            })
            .await;
        begin(&store).await;
        assert_eq!(store.apply(vec![record("a", 1)]).await.unwrap(), [Applied::Applied]);
        store.apply(vec![record("b", 1)]).await.unwrap_err();
        // Neither ended nor closed: it was killed.
        drop(store);
        let (_other, second) = another(oldest, &prefix).await;
        second.prepare(&schemas()).await.unwrap();
        assert_eq!(version_of(&second, "a").await, 1, "what was acknowledged is there");
        second.save(key("items", "b"), document("b")).await.unwrap();
        let saved = second.save(key("items", "b"), document("b")).await.unwrap();
        assert!(saved.version > version(1), "the late request has another version");
        proxy.late_one().await;
        assert_eq!(version_of(&second, "b").await, saved.version.get());
    }
}

#[tokio::test]
async fn a_load_that_is_at_work_is_not_taken_over() {
    let (_proxy, store, prefix) = empty(None, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    let (_other, second) = another(None, &prefix).await;
    let at_work = async {
        for n in 0.. {
            store.apply(vec![record(&format!("{n}"), 1)]).await.unwrap();
        }
    };
    let schemas_of_second = schemas();
    let refused = tokio::select! {
        () = at_work => unreachable!(),
        refused = second.prepare(&schemas_of_second) => refused.unwrap_err(),
    };
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    assert!(refused.to_string().contains("another run"), "{refused}");
    store.prepare(&schemas()).await.unwrap();
}

#[tokio::test]
async fn a_load_that_was_taken_over_says_so_and_writes_conditionally_from_then_on() {
    let (proxy, store, prefix) = empty(None, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    store.apply(vec![record("a", 1)]).await.unwrap();
    let (_other, second) = another(None, &prefix).await;
    second.prepare_for_load(&schemas()).await.unwrap();
    second.save(key("items", "b"), document("b")).await.unwrap();
    proxy.take();
    let refused = store.apply(vec![record("b", 1)]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
    assert!(refused.to_string().contains("another run took over"), "{refused}");
    assert_eq!(store.apply(vec![record("b", 1)]).await.unwrap(), [Applied::Diverged]);
    assert_eq!(sent(&proxy.take(), "BatchWriteItem"), 0);
    assert_eq!(version_of(&store, "b").await, 1);
}

#[tokio::test]
async fn the_end_of_a_load_that_was_taken_over_is_refused() {
    let (_proxy, store, prefix) = empty(None, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    let (_other, second) = another(None, &prefix).await;
    second.prepare(&schemas()).await.unwrap();
    let refused = store.prepare(&schemas()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
    store.prepare(&schemas()).await.unwrap();
}

#[tokio::test]
async fn a_closed_load_is_ended_and_resumed_conditionally_without_a_wait() {
    let (_proxy, store, prefix) = empty(FULL, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    store.apply(numbered(30)).await.unwrap();
    store.close().await.unwrap();
    let (other, second) = another(FULL, &prefix).await;
    let start = Instant::now();
    let resumed = second.prepare_for_load(&schemas()).await.unwrap();
    assert_eq!(resumed[0].change, PrepareChange::Unchanged);
    assert_eq!(second.apply(numbered(30)).await.unwrap(), [Applied::Equal; 30]);
    assert!(start.elapsed() < Duration::from_secs(100), "a signature was waited for");
    assert_eq!(sent(&other.take(), "BatchWriteItem"), 0);
}

/// A request of which nothing is known keeps a close from ending the load.
#[tokio::test]
async fn a_close_does_not_end_a_load_that_lost_a_request() {
    let (proxy, store, prefix) = empty(SHORT, |operation, before, _| match (operation, before) {
        ("BatchWriteItem", 0) => Fate::Late(Duration::from_secs(6)),
        _ => Fate::Forward,
    })
    .await;
    begin(&store).await;
    store.apply(vec![record("a", 1)]).await.unwrap();
    store.close().await.unwrap();
    let (_other, second) = another(SHORT, &prefix).await;
    assert!(!second.store_record().await.unwrap().loading.is_empty());
    second.prepare(&schemas()).await.unwrap();
    let saved = second.save(key("items", "a"), document("a")).await.unwrap();
    assert_eq!(saved.version, version(2));
    proxy.late_one().await;
    assert_eq!(version_of(&second, "a").await, 2);
}
