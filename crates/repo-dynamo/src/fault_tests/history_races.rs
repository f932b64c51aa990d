//! Histories that begin while others write, and commits of unknown outcome.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::history::{VERSIONS_TABLE, begin, keep, replaced};
use super::*;

/// As [`filled`], with a record of version 1 under more ids, and another handle.
async fn racing(
    decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
) -> (Proxy, DynamoStrategy, DynamoStrategy) {
    let begun = Arc::new(AtomicBool::new(false));
    let decides = Arc::clone(&begun);
    let (proxy, store) = filled(move |operation, before, body| {
        if decides.load(Ordering::Acquire) {
            decide(operation, before, body)
        } else {
            Fate::Forward
        }
    })
    .await;
    let other = direct(&store).await;
    for text in ["applied", "deleted", "one", "two"] {
        other.save(key("items", text), document(text)).await.unwrap();
    }
    proxy.take();
    begun.store(true, Ordering::Release);
    (proxy, store, other)
}

/// Writes under way since before the history, for longer than it takes to begin: what
/// they replaced is kept, or a mark of it.
#[tokio::test]
async fn a_write_that_comes_after_the_history_began_loses_nothing() {
    let (_proxy, store, other) = racing(|operation, before, _| match operation {
        "UpdateItem" if before < 2 => Fate::Delay(Duration::from_secs(4)),
        "TransactWriteItems" | "PutItem" if before == 0 => Fate::Delay(Duration::from_secs(4)),
        _ => Fate::Forward,
    })
    .await;
    let begins = async {
        begin(&other, "items").await;
        Instant::now()
    };
    let written = async {
        let both =
            vec![put("items", "one", Precondition::Any), put("items", "two", Precondition::Any)];
        let written = tokio::join!(
            store.save(key("items", "there"), document("there")),
            store.apply(vec![brought("applied", 7), brought("new", 3)]),
            store.delete(key("items", "deleted")),
            store.commit(both),
        );
        (written, Instant::now())
    };
    let (began, ((saved, applied, deleted, both), written)) = tokio::join!(begins, written);
    assert!(began < written, "the writes were too fast for this test");
    assert_eq!(saved.unwrap().version, version(2));
    assert_eq!(applied.unwrap(), [Applied::Applied; 2]);
    // Nobody was told what these replaced.
    for error in [deleted.map(drop).unwrap_err(), both.map(drop).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        assert!(error.to_string().contains("history"), "{error}");
    }
    for (text, kept) in
        [("there", true), ("applied", true), ("deleted", false), ("one", false), ("two", false)]
    {
        assert_eq!(replaced(&other, "items", text).await, [(1, kept)], "{text}");
    }
    assert_eq!(replaced(&other, "items", "new").await, []);
}

/// Of two callers who begin a history at once the second one learns of the first.
#[tokio::test]
async fn a_history_is_begun_by_one_of_two() {
    let (_proxy, store, other) = racing(|_, _, _| Fate::Forward).await;
    let (one, two) = tokio::join!(keep(&store, "items", true), keep(&other, "items", true));
    let failed = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(failed.iter().map(repo_core::Error::kind).collect::<Vec<_>>(), [ErrorKind::Locked]);
    store.save(key("items", "there"), document("there")).await.unwrap();
    assert_eq!(replaced(&other, "items", "there").await, [(1, true)]);
}

/// Who does a write that comes after the history began is known as well.
#[tokio::test]
async fn who_does_a_late_write_is_kept() {
    let (_proxy, store, other) = racing(|operation, before, _| match operation {
        "UpdateItem" if before == 0 => Fate::Delay(Duration::from_secs(4)),
        _ => Fate::Forward,
    })
    .await;
    let by = repo_core::Attribution::new(Some("ada"), None).unwrap();
    let write = put("items", "there", Precondition::Any).attributed_to(Some(Arc::new(by.clone())));
    let ((), written) = tokio::join!(begin(&other, "items"), store.commit(vec![write]));
    written.unwrap();
    let of = [1, 2].map(|number| (id("there"), version(number)));
    let found = other.attributions(&key("items", "a").collection, &of).await.unwrap();
    assert_eq!(found, [None, Some(by)]);
}

/// A write that others keep from its turn until the history has begun is made by what
/// the store's record says then, with what it replaces.
#[tokio::test]
async fn a_write_that_waits_for_others_learns_of_the_history() {
    let (proxy, store, other) = racing(|operation, before, _| match (operation, before) {
        ("TransactWriteItems", 0) => Fate::AnswerAfter(Duration::from_secs(4), 400, conflict()),
        _ => Fate::Forward,
    })
    .await;
    let both = vec![put("items", "one", Precondition::Any), put("items", "two", Precondition::Any)];
    let ((), written) = tokio::join!(begin(&other, "items"), store.commit(both));
    written.unwrap();
    let mut sent = proxy.take();
    sent.retain(|seen| seen.operation == "TransactWriteItems");
    assert_eq!(sent.len(), 2);
    assert!(sent[1].body.contains(VERSIONS_TABLE));
    assert_eq!(replaced(&other, "items", "one").await, [(1, true)]);
}

/// Whether the store's record names the history of `items`, settled or not.
async fn is_named(prefix: &str) -> bool {
    let client = aws_sdk_dynamodb::Client::new(&config(&server()));
    let key = aws_sdk_dynamodb::types::AttributeValue::S("store".to_owned());
    let request = client.get_item().table_name(format!("{prefix}__store")).key("_key", key);
    let item = request.consistent_read(true).send().await.unwrap().item.unwrap();
    let record = item["record"].as_m().unwrap();
    let histories = record.get("histories").and_then(|histories| histories.as_m().ok());
    histories.is_some_and(|histories| histories["kept"].as_m().unwrap().contains_key("items"))
}

/// While a history begins some handles know of it and others do not yet: one that does
/// not cannot write over a record of one that does, and so leaves no gap.
#[tokio::test]
async fn a_handle_that_does_not_know_yet_leaves_no_gap() {
    let (proxy, store, knowing) = racing(|_, _, _| Fate::Forward).await;
    let beginner = direct(&store).await;
    let prefix = store.location().rsplit('/').next().unwrap().to_owned();
    let there = key("items", "there");
    let writes = async {
        while !is_named(&prefix).await {
            tokio::task::yield_now().await;
        }
        // Looks at the record, and finds none that stands.
        let early = knowing.write_versions(&there.collection, Vec::new()).await.unwrap_err();
        assert_eq!(early.kind(), ErrorKind::NotFound, "{early}");
        assert!(knowing.store_record().await.unwrap().history.is_empty());
        for handle in [&knowing, &store, &knowing] {
            handle.save(there.clone(), document("there")).await.unwrap();
        }
        Instant::now()
    };
    let begins = async {
        begin(&beginner, "items").await;
        Instant::now()
    };
    let (began, written) = tokio::join!(begins, writes);
    assert!(written < began, "the writes were too slow for this test");
    let sent = proxy.operations();
    assert_eq!(sent[0], "UpdateItem", "the handle knew of the history: {sent:?}");
    assert!(sent.contains(&"TransactWriteItems".to_owned()), "{sent:?}");
    assert_eq!(replaced(&beginner, "items", "there").await, [(3, true), (2, true), (1, true)]);
}

/// Who begins a history is killed while it waits: the next call ends the wait.
#[tokio::test]
async fn a_history_that_half_began_is_begun_by_the_next_call() {
    let (_proxy, store, other) = racing(|_, _, _| Fate::Forward).await;
    let begins = keep(&other, "items", true);
    let short = Duration::from_secs(1);
    assert!(tokio::time::timeout(short, begins).await.is_err());
    assert!(store.store_record().await.unwrap().history.is_empty());
    store.save(key("items", "there"), document("there")).await.unwrap();
    begin(&store, "items").await;
    store.save(key("items", "there"), document("there")).await.unwrap();
    let kept = replaced(&other, "items", "there").await;
    assert_eq!(kept.first(), Some(&(2, true)));
    // Or is ended, and begins anew.
    assert_eq!(keep(&other, "items", false).await.unwrap(), 0);
    begin(&other, "items").await;
    assert_eq!(replaced(&other, "items", "there").await, []);
}

/// A lost answer is asked for again; if none ever comes the outcome is unknown. What
/// was replaced is kept once, whatever is known of it.
#[tokio::test]
async fn a_commit_of_unknown_outcome_keeps_what_it_replaced_once() {
    let loses = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&loses);
    let (proxy, store, other) = racing(move |operation, _, _| {
        let less = |left: usize| left.checked_sub(1);
        let lost = operation == "TransactWriteItems"
            && left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok();
        if lost { Fate::Lose } else { Fate::Forward }
    })
    .await;
    begin(&store, "items").await;
    proxy.take();
    loses.store(1, Ordering::Release);
    store.save(key("items", "there"), document("there")).await.unwrap();
    assert_eq!(proxy.operations(), ["GetItem", "TransactWriteItems", "TransactWriteItems"]);
    assert_eq!(replaced(&other, "items", "there").await, [(1, true)]);

    loses.store(usize::MAX, Ordering::Release);
    let unknown = store.save(key("items", "there"), document("there")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
    let both = vec![put("items", "one", Precondition::Any), put("items", "two", Precondition::Any)];
    let unknown = store.commit(both).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
    let unknown = store.apply(vec![brought("applied", 7)]).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown, "{unknown}");
    assert_eq!(replaced(&other, "items", "there").await, [(2, true), (1, true)]);
    for text in ["one", "two", "applied"] {
        assert_eq!(replaced(&other, "items", text).await, [(1, true)], "{text}");
    }

    loses.store(0, Ordering::Release);
    store.save(key("items", "there"), document("there")).await.unwrap();
    let kept = [(3, true), (2, true), (1, true)];
    assert_eq!(replaced(&other, "items", "there").await, kept);
}

/// As when a retention changes a version while a record of it is written.
#[tokio::test]
async fn a_kept_write_that_meets_a_transaction_is_made_again() {
    let conflicts = Arc::new(AtomicBool::new(false));
    let meets = Arc::clone(&conflicts);
    let (proxy, store, other) = racing(move |operation, before, _| match (operation, before) {
        ("TransactWriteItems", 0 | 1) if meets.load(Ordering::Acquire) => {
            Fate::Answer(400, conflict())
        }
        _ => Fate::Forward,
    })
    .await;
    begin(&store, "items").await;
    proxy.take();
    conflicts.store(true, Ordering::Release);
    store.save(key("items", "there"), document("there")).await.unwrap();
    let sent = proxy.operations();
    assert_eq!(sent, [&["GetItem"][..], &["TransactWriteItems"; 3]].concat());
    assert_eq!(replaced(&other, "items", "there").await, [(1, true)]);
}
