//! Loads: requests that are lost or late, and ids that come twice.

use super::*;

/// A store of its own that has no collection yet, behind a proxy.
pub(super) async fn empty(
    oldest: Option<Duration>,
    decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
) -> (Proxy, DynamoStrategy, String) {
    let prefix = format!("f{:016x}", fastrand::u64(..));
    let proxy = Proxy::checking(&server(), oldest, decide).await;
    let store = open(&proxy, &prefix).await.unwrap();
    (proxy, store, prefix)
}

/// Another handle on the same store, behind a proxy of its own.
pub(super) async fn another(oldest: Option<Duration>, prefix: &str) -> (Proxy, DynamoStrategy) {
    let proxy = Proxy::checking(&server(), oldest, |_, _, _| Fate::Forward).await;
    let store = open(&proxy, prefix).await.unwrap();
    (proxy, store)
}

pub(super) fn schemas() -> [CollectionSchema; 1] {
    [CollectionSchema::undeclared(key("items", "a").collection)]
}

pub(super) fn record(text: &str, number: u64) -> Record {
    let key = key("items", text);
    let at = Timestamp::from_micros(1).unwrap();
    Record::Live(Entity {
        collection: key.collection,
        id: key.id,
        version: version(number),
        created_at: at,
        updated_at: at,
        document: Document::parse(&format!("{{\"id\":\"{text}\",\"n\":{number}}}")).unwrap(),
    })
}

pub(super) fn numbered(count: usize) -> Vec<Record> {
    (0..count).map(|n| record(&format!("{n:04}"), 1)).collect()
}

pub(super) async fn begin(store: &DynamoStrategy) {
    let made = store.prepare_for_load(&schemas()).await.unwrap();
    assert_eq!(made[0].change, PrepareChange::Created);
}

pub(super) async fn version_of(store: &DynamoStrategy, text: &str) -> u64 {
    let key = key("items", text);
    store.get(&key.collection, &key.id).await.unwrap().unwrap().version.get()
}

/// How often an operation was sent to the table of the collection.
pub(super) fn sent(seen: &[proxy::Seen], operation: &str) -> usize {
    let of_items =
        |seen: &&proxy::Seen| seen.operation == operation && seen.body.contains("_items");
    seen.iter().filter(of_items).count()
}

pub(super) const FULL: Option<Duration> = Some(Duration::from_secs(300));
/// Shorter than AWS's, lest the tests take minutes.
pub(super) const SHORT: Option<Duration> = Some(Duration::from_secs(2));

#[tokio::test]
async fn a_load_sends_25_records_in_a_request_and_signs_with_the_time_of_its_renewal() {
    // The second load comes more than a second after the renewal.
    let (proxy, store, prefix) = empty(FULL, |operation, before, _| match (operation, before) {
        ("BatchWriteItem", 0) => Fate::Delay(Duration::from_millis(1_500)),
        _ => Fate::Forward,
    })
    .await;
    begin(&store).await;
    proxy.take();
    let records = numbered(60);
    assert_eq!(store.apply(records[..1].to_vec()).await.unwrap(), [Applied::Applied]);
    assert_eq!(store.apply(records[1..].to_vec()).await.unwrap(), [Applied::Applied; 59]);
    let seen = proxy.take();
    let renewals: Vec<_> = seen.iter().filter(|seen| seen.operation == "PutItem").collect();
    let batches: Vec<_> = seen.iter().filter(|seen| seen.operation == "BatchWriteItem").collect();
    assert_eq!((renewals.len(), batches.len()), (1, 4), "{seen:?}");
    let day_and_time: String =
        batches[0].date.chars().filter(char::is_ascii_digit).collect::<String>();
    for batch in &batches {
        assert_eq!(batch.date, batches[0].date, "not the time of the renewal");
    }
    let digits: String = renewals[0].body.chars().filter(char::is_ascii_digit).collect();
    assert!(digits.contains(&day_and_time), "{} is not in {digits}", batches[0].date);
    store.prepare(&schemas()).await.unwrap();
    let later = proxy.take();
    assert!(later.iter().all(|seen| seen.date > batches[0].date), "others are signed as ever");
    let (_other, second) = another(FULL, &prefix).await;
    let (name, all) = (key("items", "a").collection, Filter::default());
    assert_eq!(second.count(&name, &all, Consistency::Strong).await.unwrap(), 60);
}

#[tokio::test]
async fn what_is_left_unprocessed_or_throttled_is_sent_again() {
    let (proxy, store, _) = empty(None, |operation, before, body| match (operation, before) {
        ("BatchWriteItem", 0) => {
            let asked: serde_json::Value = serde_json::from_str(body).unwrap();
            let answer = serde_json::json!({"UnprocessedItems": asked["RequestItems"]});
            Fate::Answer(200, answer.to_string())
        }
        ("BatchWriteItem", 1) => throttled(),
        _ => Fate::Forward,
    })
    .await;
    begin(&store).await;
    assert_eq!(store.apply(numbered(3)).await.unwrap(), [Applied::Applied; 3]);
    assert_eq!(sent(&proxy.take(), "BatchWriteItem"), 3);
    store.prepare(&schemas()).await.unwrap();
    assert_eq!(version_of(&store, "0002").await, 1);
}

#[tokio::test]
async fn items_that_stay_unprocessed_are_unavailable() {
    let (_proxy, store, _) = empty(None, |operation, _, body| match operation {
        "BatchWriteItem" => {
            let asked: serde_json::Value = serde_json::from_str(body).unwrap();
            let answer = serde_json::json!({"UnprocessedItems": asked["RequestItems"]});
            Fate::Answer(200, answer.to_string())
        }
        _ => Fate::Forward,
    })
    .await;
    begin(&store).await;
    let error = store.apply(numbered(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("unprocessed"), "{error}");
}

#[tokio::test]
async fn an_id_that_comes_twice_keeps_the_higher_version() {
    let (proxy, store, _) = empty(None, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    proxy.take();
    let once = store.apply(vec![record("a", 2), record("a", 1), record("a", 3)]).await.unwrap();
    assert_eq!(once, [Applied::Applied, Applied::Older, Applied::Applied]);
    let again = store.apply(vec![record("a", 3), record("a", 2), record("b", 1)]).await.unwrap();
    assert_eq!(again, [Applied::Equal, Applied::Older, Applied::Applied]);
    let seen = proxy.take();
    assert_eq!((sent(&seen, "BatchWriteItem"), sent(&seen, "PutItem")), (2, 4), "{seen:?}");
    let versions = [5, 9, 7, 4, 8, 6].map(|number| store.apply(vec![record("c", number)]));
    futures::future::try_join_all(versions).await.unwrap();
    store.prepare(&schemas()).await.unwrap();
    assert_eq!((version_of(&store, "a").await, version_of(&store, "c").await), (3, 9));
}

/// The first request for an id arrives after the second, if that is not
/// waited for.
#[tokio::test]
async fn a_repeated_id_waits_for_a_lost_request() {
    let (proxy, store, _) = empty(None, |operation, before, _| match (operation, before) {
        ("BatchWriteItem", 0) => Fate::Late(Duration::from_secs(1)),
        _ => Fate::Forward,
    })
    .await;
    begin(&store).await;
    store.apply(vec![record("a", 1)]).await.unwrap();
    store.apply(vec![record("a", 2)]).await.unwrap();
    proxy.late_one().await;
    store.prepare(&schemas()).await.unwrap();
    assert_eq!(version_of(&store, "a").await, 2);
}

/// Both on a server that checks the age of signatures and on one that does not.
#[tokio::test]
async fn a_late_request_replaces_nothing_after_the_end_of_its_load() {
    for (oldest, late) in [(SHORT, 6), (None, 1)] {
        let (proxy, store, _) =
            empty(oldest, move |operation, before, _| match (operation, before) {
                ("BatchWriteItem", 0) => Fate::Late(Duration::from_secs(late)),
                _ => Fate::Forward,
            })
            .await;
        begin(&store).await;
        assert_eq!(store.apply(vec![record("a", 1)]).await.unwrap(), [Applied::Applied]);
        store.prepare(&schemas()).await.unwrap();
        let saved = store.save(key("items", "a"), document("a")).await.unwrap();
        assert_eq!(saved.version, version(2));
        proxy.late_one().await;
        assert_eq!(version_of(&store, "a").await, 2, "an acknowledged write is gone");
    }
}

#[tokio::test]
async fn a_load_is_seen_by_others_and_used_by_nobody_else() {
    let (_proxy, store, prefix) = empty(None, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    store.apply(numbered(30)).await.unwrap();
    let name = key("items", "a").collection;
    assert_eq!(store.collections().await.unwrap(), std::slice::from_ref(&name));
    let (_other, second) = another(None, &prefix).await;
    assert_eq!(second.collections().await.unwrap(), []);
    let shown = second.store_record().await.unwrap();
    assert!(shown.collections.is_empty() && shown.loading.contains_key(&name));
    let health = second.health(&HealthDepth::Quick).await.unwrap();
    assert!(health.checks.iter().any(|check| check.name == "load" && !check.ok), "{health:?}");
    assert!(health.checks.iter().all(|check| check.ok || check.detail.contains("items")));
    second.check_prepare(&schemas()).await.unwrap();
    let record = record("0001", 5);
    for error in [
        second.get(&name, &id("0001")).await.unwrap_err(),
        second.apply(vec![record]).await.unwrap_err(),
        second.save(key("items", "0001"), document("0001")).await.unwrap_err(),
        second.purge(&name, Timestamp::from_micros(1).unwrap()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("being loaded"), "{error}");
    }
    // The handle that loads may do anything; the collection is everybody's then.
    assert_eq!(version_of(&store, "0001").await, 1);
    assert_eq!(version_of(&second, "0001").await, 1);
    assert!(second.store_record().await.unwrap().loading.is_empty());
}

/// The answer to the change of the store's record is lost, not the change.
#[tokio::test]
async fn a_lost_answer_about_the_record_is_no_takeover() {
    let changes = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let lost = Arc::clone(&changes);
    let (_proxy, store, _) = empty(None, move |operation, _, body| {
        let of_record = operation == "PutItem" && body.contains("__store");
        if of_record && lost.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Fate::Lose;
        }
        Fate::Forward
    })
    .await;
    let lose = || changes.store(true, std::sync::atomic::Ordering::SeqCst);
    store.prepare(&[CollectionSchema::undeclared(key("notes", "a").collection)]).await.unwrap();
    lose();
    begin(&store).await;
    lose();
    assert_eq!(store.apply(vec![record("a", 1)]).await.unwrap(), [Applied::Applied]);
    lose();
    store.prepare(&schemas()).await.unwrap();
    assert!(!changes.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(version_of(&store, "a").await, 1);
}

/// The table could not be made; the next try resumes.
#[tokio::test]
async fn a_load_that_did_not_come_to_its_table_is_prepared_again() {
    let denied = |operation: &str, before, body: &str| match operation {
        "CreateTable" if body.contains("_items") && before < 2 => {
            error(400, "AccessDeniedException", "not yours")
        }
        _ => Fate::Forward,
    };
    let (_proxy, store, prefix) = empty(None, denied).await;
    let refused = store.prepare_for_load(&schemas()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
    let made = store.prepare_for_load(&schemas()).await.unwrap();
    assert_eq!(made[0].change, PrepareChange::Created);
    assert_eq!(store.apply(vec![record("a", 1)]).await.unwrap(), [Applied::Applied]);
    let (_other, second) = another(None, &prefix).await;
    assert_eq!(version_of(&second, "a").await, 1);
}

/// A floor, tombstones, several collections and one that is not loaded.
#[tokio::test]
async fn a_load_takes_what_a_store_holds() {
    let (proxy, store, _) = empty(None, |_, _, _| Fate::Forward).await;
    let [items] = schemas();
    let of = |name| CollectionSchema::undeclared(CollectionName::new(name).unwrap());
    store.prepare(&[of("old")]).await.unwrap();
    store.prepare_for_load(&[items.clone(), of("notes"), of("old")]).await.unwrap();
    let floor = StoreUpdate::RaiseFloor { collection: items.collection.clone(), floor: 7 };
    let shown = store.update_store_record(floor).await.unwrap();
    assert_eq!(shown.collections[&items.collection].floor, 7);
    let tombstone = |name: &str| {
        let (collection, id) = (CollectionName::new(name).unwrap(), id("gone"));
        let deleted_at = Timestamp::from_micros(5).unwrap();
        Record::Tombstone(Tombstone { collection, id, version: version(4), deleted_at })
    };
    proxy.take();
    let records = vec![record("a", 1), tombstone("items"), tombstone("notes"), tombstone("old")];
    assert_eq!(store.apply(records).await.unwrap(), [Applied::Applied; 4]);
    let seen = proxy.take();
    let batches = seen.iter().filter(|seen| seen.operation == "BatchWriteItem").count();
    let puts = seen.iter().filter(|s| s.operation == "PutItem" && s.body.contains("_old")).count();
    assert_eq!((batches, puts), (1, 1), "{seen:?}");
    store.prepare(&[items, of("notes")]).await.unwrap();
    let saved = store.save(key("items", "gone"), document("gone")).await.unwrap();
    assert_eq!(saved.version, version(5));
    assert_eq!(store.save(key("items", "new"), document("new")).await.unwrap().version.get(), 8);
}

/// Every document is checked before anything is written.
#[tokio::test]
async fn a_load_with_a_wrong_document_writes_nothing() {
    let (proxy, store, _) = empty(None, |_, _, _| Fate::Forward).await;
    begin(&store).await;
    proxy.take();
    let mut records = numbered(30);
    if let Some(Record::Live(entity)) = records.last_mut() {
        entity.document = document("another");
    }
    let refused = store.apply(records).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert_eq!(sent(&proxy.take(), "BatchWriteItem"), 0);
}
