//! The change feed: what it costs in requests, and what of it survives failures.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use repo_core::strategy::{CaptureHolder, RecordChange};

use super::*;

const RECORD_TABLE: &str = "__store\"";
const FEED_TABLE: &str = "__changes\"";

fn holder() -> CaptureHolder {
    CaptureHolder::new("consumer", "a").unwrap()
}

async fn hold(store: &DynamoStrategy) {
    store.update_store_record(StoreUpdate::HoldCapture(holder())).await.unwrap();
}

/// As [`filled`], with capture on, of which the handle knows. Requests are decided on
/// from then on.
async fn capturing(
    decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
) -> (Proxy, DynamoStrategy) {
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
    hold(&store).await;
    proxy.take();
    begun.store(true, Ordering::Release);
    (proxy, store)
}

async fn changes(store: &DynamoStrategy) -> Vec<(String, u64, bool)> {
    let most = NonZeroUsize::new(1_000).unwrap();
    let one =
        |change: &RecordChange| (change.key.id.to_string(), change.version.get(), change.deleted);
    store.changes(None, most).await.unwrap().changes.iter().map(one).collect()
}

#[tokio::test]
async fn a_captured_write_is_a_read_and_a_transaction() {
    let (proxy, store) = capturing(|_, _, _| Fate::Forward).await;
    let there = key("items", "there");
    store.update(there.clone(), document("there"), version(1)).await.unwrap();
    assert_eq!(proxy.operations(), ["GetItem", "TransactWriteItems"]);
    let stale = store.update(there.clone(), document("there"), version(1)).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    assert_eq!(store.delete(key("items", "never")).await.unwrap(), None);
    assert_eq!(proxy.operations(), ["GetItem"; 2]);
    let writes = vec![put("items", "a", Precondition::Any), put("notes", "a", Precondition::Any)];
    store.commit(writes).await.unwrap();
    assert_eq!(proxy.operations(), ["BatchGetItem", "TransactWriteItems"]);
    assert_eq!(store.apply(vec![brought("b", 4)]).await.unwrap(), [Applied::Applied]);
    assert_eq!(proxy.operations(), ["GetItem", "TransactWriteItems"]);
    assert_eq!(store.apply(vec![brought("b", 4)]).await.unwrap(), [Applied::Equal]);
    assert_eq!(proxy.operations(), ["GetItem"]);
    store.get(&there.collection, &there.id).await.unwrap();
    assert_eq!(proxy.operations(), ["GetItem"]);
}

/// What a reader asks for: the store's record, a page of each shard; where something
/// was captured a transaction for each such shard, before it what was there before.
#[tokio::test]
async fn a_read_of_the_feed_is_a_request_a_shard() {
    let (proxy, store) = capturing(|_, _, _| Fate::Forward).await;
    let counted = || {
        let mut operations = proxy.operations();
        operations.sort_unstable();
        operations
    };
    let idle: Vec<&str> = ["GetItem"].into_iter().chain(["Query"; 8]).collect();
    assert_eq!(changes(&store).await, []);
    assert_eq!(counted(), idle);
    store.head().await.unwrap();
    assert_eq!(counted(), idle);
    // Over a version from before the capture, and a new record.
    let writes = vec![put("items", "there", Precondition::Any)];
    store.commit(writes).await.unwrap();
    proxy.take();
    store.head().await.unwrap();
    let moved = [&idle[..], &["TransactGetItems", "TransactWriteItems"]].concat();
    assert_eq!(counted(), moved);
    assert_eq!(changes(&store).await, [("there".to_owned(), 2, false)]);
    let mut read = idle.clone();
    read.push("GetItem");
    read.sort_unstable();
    assert_eq!(counted(), read, "and the record itself");
}

#[tokio::test]
async fn a_captured_commit_of_too_many_keys_is_refused_before_anything_is_sent() {
    let (proxy, store) = capturing(|_, _, _| Fate::Forward).await;
    assert_eq!(store.capabilities().max_commit_keys, Some(50));
    let puts = |n: usize| -> Vec<Write> {
        (0..n).map(|at| put("items", &at.to_string(), Precondition::Any)).collect()
    };
    let error = store.commit(puts(51)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert_eq!(
        (error.context_value("limit"), error.context_value("keys")),
        (Some("50"), Some("51"))
    );
    assert_eq!(proxy.operations(), [""; 0]);
    store.commit(puts(50)).await.unwrap();
    // A check takes one item of the transaction, a write two.
    let check = |at: usize| Write::check(key("notes", &at.to_string()), Precondition::Absent);
    store.commit(puts(30).into_iter().chain((0..40).map(check)).collect()).await.unwrap();
    let over = puts(30).into_iter().chain((0..41).map(check)).collect();
    assert_eq!(store.commit(over).await.unwrap_err().kind(), ErrorKind::LimitExceeded);
    store.update_store_record(StoreUpdate::ReleaseCapture(holder())).await.unwrap();
    assert_eq!(store.capabilities().max_commit_keys, Some(100));
    store.commit(puts(100)).await.unwrap();
    // A handle knows it from the beginning.
    hold(&store).await;
    assert_eq!(direct(&store).await.capabilities().max_commit_keys, Some(50));
}

/// Writes under way since before the capture, for longer than it takes to begin.
#[tokio::test]
async fn a_write_that_comes_after_capture_began_is_captured() {
    let on = Arc::new(AtomicBool::new(false));
    let delays = Arc::clone(&on);
    let (_proxy, store) = filled(move |operation, before, _| match operation {
        "UpdateItem" | "TransactWriteItems" | "PutItem"
            if delays.load(Ordering::Acquire) && before == 0 =>
        {
            Fate::Delay(Duration::from_secs(4))
        }
        _ => Fate::Forward,
    })
    .await;
    let other = direct(&store).await;
    on.store(true, Ordering::Release);
    let switched = async {
        hold(&other).await;
        Instant::now()
    };
    let written = async {
        let both =
            vec![put("items", "one", Precondition::Any), put("notes", "two", Precondition::Any)];
        tokio::try_join!(
            store.commit(vec![put("items", "there", Precondition::Any)]),
            store.commit(both),
            async {
                store.apply(vec![brought("applied", 7)]).await.map(|_| vec![Written::Unchanged])
            },
        )
        .unwrap();
        Instant::now()
    };
    let (switched, written) = tokio::join!(switched, written);
    assert!(switched < written, "the writes were too fast for this test");
    let mut found = changes(&other).await;
    found.sort();
    let expected = [("applied", 7), ("one", 1), ("there", 2), ("two", 1)];
    assert_eq!(found, expected.map(|(id, version)| (id.to_owned(), version, false)));
}

/// A write that others keep from its turn until capture has begun, or begun anew, is
/// made by what the store's record says then: at once with what captures it.
#[tokio::test]
async fn a_write_that_waits_for_others_learns_of_the_capture() {
    for anew in [false, true] {
        let on = Arc::new(AtomicBool::new(false));
        let contends = Arc::clone(&on);
        let (proxy, store) = filled(move |operation, before, _| match (operation, before) {
            ("TransactWriteItems", 0) if contends.load(Ordering::Acquire) => {
                Fate::AnswerAfter(Duration::from_secs(4), 400, conflict())
            }
            _ => Fate::Forward,
        })
        .await;
        let other = direct(&store).await;
        if anew {
            hold(&store).await;
        }
        store.get(&key("items", "there").collection, &id("there")).await.unwrap();
        proxy.take();
        on.store(true, Ordering::Release);
        let switched = async {
            other.update_store_record(StoreUpdate::ReleaseCapture(holder())).await.unwrap();
            hold(&other).await;
            Instant::now()
        };
        let written = async {
            let two = put("notes", "two", Precondition::Any);
            match anew {
                true => drop(store.apply(vec![brought("one", 1)]).await.unwrap()),
                false => {
                    let both = vec![put("items", "one", Precondition::Any), two];
                    store.commit(both).await.unwrap();
                }
            }
            Instant::now()
        };
        let (switched, written) = tokio::join!(switched, written);
        assert!(switched < written, "the write was too fast for this test");
        let mut sent = proxy.take();
        sent.retain(|seen| seen.operation == "TransactWriteItems");
        assert_eq!(sent.len(), 2, "anew: {anew}");
        assert!(sent[1].body.contains(FEED_TABLE), "anew: {anew}");
        assert!(changes(&other).await.contains(&("one".to_owned(), 1, false)), "anew: {anew}");
    }
}

/// What fails of a late write, once the write itself was done.
async fn late_failure(
    fails: impl Fn(&str, &str) -> bool + Send + Sync + 'static,
) -> (DynamoStrategy, repo_core::Error) {
    let on = Arc::new(AtomicBool::new(false));
    let late = Arc::clone(&on);
    let (_proxy, store) = filled(move |operation, _, body| match operation {
        _ if !late.load(Ordering::Acquire) => Fate::Forward,
        "UpdateItem" => Fate::Delay(Duration::from_secs(4)),
        operation if fails(operation, body) => error(400, "SomethingNewException", "no"),
        _ => Fate::Forward,
    })
    .await;
    let other = direct(&store).await;
    on.store(true, Ordering::Release);
    let write = store.save(key("items", "there"), document("there"));
    let ((), written) = tokio::join!(hold(&other), write);
    (other, written.unwrap_err())
}

#[tokio::test]
async fn a_late_write_that_cannot_look_again_is_of_unknown_outcome() {
    let record =
        |operation: &str, body: &str| operation == "GetItem" && body.contains(RECORD_TABLE);
    let (other, error) = late_failure(record).await;
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(error.to_string().contains("change feed"), "{error}");
    let there = key("items", "there");
    let stored = other.get(&there.collection, &there.id).await.unwrap().unwrap();
    assert_eq!(stored.version, version(2));
}

#[tokio::test]
async fn a_late_write_that_cannot_be_captured_is_of_unknown_outcome() {
    let inbox = |operation: &str, body: &str| {
        operation == "TransactWriteItems" && body.contains(FEED_TABLE)
    };
    let (other, error) = late_failure(inbox).await;
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(changes(&other).await, []);
}

/// The feed has the later version already, and does not go back.
#[tokio::test]
async fn a_late_write_that_was_overtaken_is_of_unknown_outcome() {
    let prefix: Arc<OnceLock<String>> = Arc::default();
    let known = Arc::clone(&prefix);
    let (_proxy, store) = filled(move |operation, before, body| {
        let late = known.get();
        match (late, operation, before) {
            (Some(_), "UpdateItem", 0) => Fate::Delay(Duration::from_secs(4)),
            (Some(prefix), "TransactWriteItems", 0) if body.contains(FEED_TABLE) => {
                let prefix = prefix.clone();
                std::thread::spawn(move || losses::come_between(prefix)).join().unwrap();
                Fate::Forward
            }
            _ => Fate::Forward,
        }
    })
    .await;
    let other = direct(&store).await;
    prefix.set(store.location().rsplit('/').next().unwrap().to_owned()).unwrap();
    let write = store.save(key("items", "there"), document("there"));
    let ((), written) = tokio::join!(hold(&other), write);
    let error = written.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(changes(&other).await, [("there".to_owned(), 3, false)]);
}

/// A reader that ends between reading and moving, and one whose answer is lost.
#[tokio::test]
async fn a_move_that_fails_is_done_by_the_next_reader_once() {
    let (_proxy, store) = capturing(|operation, before, body| {
        let moves = operation == "TransactWriteItems" && body.contains("Delete");
        match (moves, before % 2) {
            (true, 0) => error(400, "SomethingNewException", "no"),
            (true, _) => Fate::Lose,
            _ => Fate::Forward,
        }
    })
    .await;
    let writer = direct(&store).await;
    writer.save(key("items", "there"), document("there")).await.unwrap();
    let most = NonZeroUsize::new(10).unwrap();
    let failed = store.changes(None, most).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unexpected, "{failed}");
    // The answer of the second is lost, and what follows it is refused.
    let lost = store.head().await;
    assert!(lost.is_err(), "{lost:?}");
    let expected = [("there".to_owned(), 2, false)];
    assert_eq!(changes(&writer).await, expected);
    assert_eq!(changes(&store).await, expected);
}

#[tokio::test]
async fn a_captured_write_that_meets_a_transaction_is_made_again() {
    let (proxy, store) = capturing(|operation, before, _| match (operation, before) {
        ("TransactWriteItems", 0 | 1) => Fate::Answer(400, conflict()),
        ("TransactWriteItems", 2) => Fate::Lose,
        _ => Fate::Forward,
    })
    .await;
    let saved = store.save(key("items", "there"), document("there")).await.unwrap();
    assert_eq!(saved.version, version(2));
    let sent = proxy.operations();
    assert_eq!(sent[1..], ["TransactWriteItems"; 4]);
    assert_eq!(changes(&store).await, [("there".to_owned(), 2, false)]);
}

/// As while the transaction of version 2 becomes visible item by item: the query has
/// version 3 already.
#[tokio::test]
async fn a_version_that_a_query_does_not_show_yet_is_not_overtaken() {
    let forged: Arc<Mutex<Option<String>>> = Arc::default();
    let (answer, asked) = (Arc::clone(&forged), Arc::new(AtomicUsize::new(0)));
    let counts = Arc::clone(&asked);
    let (_proxy, store) = capturing(move |operation, _, body| {
        let forged = answer.lock().unwrap().clone();
        match forged {
            Some(json) if operation == "Query" => {
                let item: serde_json::Value = serde_json::from_str(&json).unwrap();
                let shard = item["Items"][0]["_shard"]["S"].as_str().unwrap();
                if !body.contains(&format!("\"{shard}\"")) || counts.load(Ordering::Relaxed) > 0 {
                    return Fate::Forward;
                }
                counts.fetch_add(1, Ordering::Relaxed);
                Fate::Answer(200, json)
            }
            _ => Fate::Forward,
        }
    })
    .await;
    for _ in 0..2 {
        store.save(key("items", "there"), document("there")).await.unwrap();
    }
    let prefix = store.location().rsplit('/').next().unwrap().to_owned();
    let client = aws_sdk_dynamodb::Client::new(&config(&server()));
    let scan = client.scan().table_name(format!("{prefix}__changes")).send().await.unwrap();
    let newer = scan.items().iter().find(|item| item["v"].as_n().unwrap() == "3").unwrap();
    let typed = |(name, value): (&String, &aws_sdk_dynamodb::types::AttributeValue)| {
        let value = match value.as_s() {
            Ok(text) => serde_json::json!({ "S": text }),
            Err(_) => serde_json::json!({ "N": value.as_n().unwrap() }),
        };
        (name.clone(), value)
    };
    let item: serde_json::Map<_, _> = newer.iter().map(typed).collect();
    let json = serde_json::json!({ "Items": [item], "Count": 1, "ScannedCount": 1 });
    *forged.lock().unwrap() = Some(json.to_string());
    let expected = [2, 3].map(|version| ("there".to_owned(), version, false));
    assert_eq!(changes(&store).await, expected);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
