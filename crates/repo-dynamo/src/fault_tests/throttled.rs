//! DynamoDB throttles a share of all requests: nothing is lost and nothing done twice. It
//! throttles for ever: each request is made again a few times, and then the error says so.

use std::sync::atomic::{AtomicBool, Ordering};

use super::loads::{begin, empty, numbered, schemas};
use super::*;
use crate::retry::PATIENCE;

/// Programs that write at the same time.
const WRITERS: usize = 6;
/// How often each does.
const ROUNDS: u64 = 12;

/// A handle behind the proxy that is as patient as any program's.
async fn patient(proxy: &Proxy, prefix: &str) -> DynamoStrategy {
    let settings = DynamoSettings { table_prefix: prefix.to_owned(), ..DynamoSettings::default() };
    let options = OpenOptions::default();
    DynamoStrategy::open_patiently(&config(&proxy.url), settings, options, PATIENCE).await.unwrap()
}

fn asked(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap()
}

/// The answer to a transaction that is throttled.
fn throttled_transaction() -> Fate {
    let answer = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "canceled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}],
    });
    Fate::Answer(400, answer.to_string())
}

/// About a third of the requests are throttled, in each way there is.
fn fate(drawn: u8, operation: &str, body: &str) -> Fate {
    match (drawn, operation) {
        (0, _) => throttled(),
        (1, _) => error(400, "ThrottlingException", "Rate exceeded"),
        (2, "BatchGetItem") => {
            let none = serde_json::json!({
                "Responses": {}, "UnprocessedKeys": asked(body)["RequestItems"],
            });
            Fate::Answer(200, none.to_string())
        }
        (2, "TransactWriteItems") => throttled_transaction(),
        (2, _) => error(400, "RequestLimitExceeded", "too many requests"),
        _ => Fate::Forward,
    }
}

/// Writes of one program, each on condition of the version that the one before left.
async fn work(store: &DynamoStrategy, writer: usize) {
    for round in 0..ROUNDS {
        let text = format!("w{writer}");
        let precondition = match round {
            0 => Precondition::Absent,
            _ => Precondition::Version(version(round)),
        };
        let both = vec![put("items", &text, precondition), put("notes", &text, precondition)];
        for written in store.commit(both).await.unwrap() {
            assert_eq!(written.version(), Some(version(round + 1)));
        }
        let new = format!("{writer}-{round:02}");
        let fields = format!("{{\"id\":\"{new}\",\"zone\":\"z{}\"}}", round % 4);
        store.create(key("things", &new), Document::parse(&fields).unwrap()).await.unwrap();
    }
}

/// What a query for all zones finds, in the order of its pages of five.
async fn of_zones(store: &DynamoStrategy) -> Vec<String> {
    let filter = Filter::parse(r#"{"zone": {"$in": ["z3", "z1", "z0", "z2"]}}"#).unwrap();
    let (mut found, mut query) = (Vec::new(), Query::new(filter).limit(5).unwrap());
    loop {
        let page = store.query(&key("things", "a").collection, &query).await.unwrap();
        found.extend(page.entities.iter().map(|entity| entity.id.to_string()));
        match page.next {
            Some(next) => query = query.after(next),
            None => return found,
        }
    }
}

/// All things in the order of the index.
fn things() -> Vec<String> {
    let of_zone = |zone: u64| {
        let rounds = move || (0..ROUNDS).filter(move |round| round % 4 == zone);
        (0..WRITERS)
            .flat_map(move |writer| rounds().map(move |round| format!("{writer}-{round:02}")))
    };
    (0..4).flat_map(of_zone).collect()
}

#[tokio::test]
async fn a_share_of_throttled_requests_loses_and_doubles_nothing() {
    let (faulty, chance) =
        (Arc::new(AtomicBool::new(false)), Mutex::new(fastrand::Rng::with_seed(9)));
    let switch = Arc::clone(&faulty);
    let (proxy, plain) = filled(move |operation, _, body| match switch.load(Ordering::Relaxed) {
        true => fate(chance.lock().unwrap().u8(..9), operation, body),
        false => Fate::Forward,
    })
    .await;
    let mut schema = CollectionSchema::undeclared(key("things", "a").collection);
    schema.indexes = vec![vec![FieldPath::parse("zone").unwrap()]];
    plain.prepare(std::slice::from_ref(&schema)).await.unwrap();
    let store = patient(&proxy, plain.location().rsplit('/').next().unwrap()).await;
    faulty.store(true, Ordering::Relaxed);
    futures::future::join_all((0..WRITERS).map(|writer| work(&store, writer))).await;
    assert_eq!(of_zones(&store).await, things());
    let (ids, everything) = (things(), Filter::default());
    let ids: Vec<EntityId> = ids.iter().map(|text| id(text)).collect();
    let found = store.get_many(&schema.collection, &ids).await.unwrap();
    for (found, id) in found.into_iter().zip(&ids) {
        let found = found.unwrap();
        assert!(found.is_live() && found.key().id == *id, "{found:?}");
        assert_eq!(found.version(), version(1));
    }
    let counted = store.count(&schema.collection, &everything, Consistency::Strong).await.unwrap();
    assert_eq!(counted, u64::try_from(ids.len()).unwrap());
    // The same without a proxy.
    let direct = direct(&store).await;
    assert_eq!(of_zones(&direct).await, things());
    for (name, writer) in ["items", "notes"].iter().flat_map(|n| (0..WRITERS).map(move |w| (n, w)))
    {
        let key = key(name, &format!("w{writer}"));
        let there = direct.get(&key.collection, &key.id).await.unwrap().unwrap();
        assert_eq!(there.version, version(ROUNDS), "{key}");
    }
}

/// A batch of which the half is written, and what becomes of the rest.
fn half_done(body: &str) -> Fate {
    let whole = asked(body);
    let Some((table, puts)) = whole["RequestItems"].as_object().unwrap().iter().next() else {
        return Fate::Forward;
    };
    let puts = puts.as_array().unwrap();
    let (done, left) = puts.split_at(puts.len().div_ceil(2));
    if left.is_empty() {
        return Fate::Forward;
    }
    let mut passed_on = whole.clone();
    passed_on["RequestItems"][table] = done.into();
    let answer = serde_json::json!({"UnprocessedItems": {table: left}});
    Fate::Part { passed_on: passed_on.to_string(), answer: answer.to_string() }
}

#[tokio::test]
async fn a_load_of_which_parts_are_left_unprocessed_is_whole() {
    let chance = Mutex::new(fastrand::Rng::with_seed(5));
    let (proxy, _, prefix) = empty(None, move |operation, _, body| {
        if operation != "BatchWriteItem" {
            return Fate::Forward;
        }
        match chance.lock().unwrap().u8(..4) {
            0 => throttled(),
            1 | 2 => half_done(body),
            _ => Fate::Forward,
        }
    })
    .await;
    let store = patient(&proxy, &prefix).await;
    begin(&store).await;
    proxy.take();
    let records = numbered(110);
    assert_eq!(store.apply(records.clone()).await.unwrap(), [Applied::Applied; 110]);
    let sent = proxy.take().iter().filter(|seen| seen.operation == "BatchWriteItem").count();
    assert!(sent > 5, "nothing was left unprocessed: {sent}");
    store.prepare(&schemas()).await.unwrap();
    let direct = direct(&store).await;
    let (name, all) = (key("items", "a").collection, Filter::default());
    assert_eq!(direct.count(&name, &all, Consistency::Strong).await.unwrap(), 110);
    let ids: Vec<EntityId> = records.iter().map(|record| record.key().id).collect();
    let found = direct.get_many(&name, &ids).await.unwrap();
    for (found, record) in found.into_iter().zip(records) {
        assert_eq!(record.compare_to_stored(found.as_ref()), Applied::Equal, "{record:?}");
    }
}

/// What is done, and which request of it is throttled for ever.
async fn refused(store: &DynamoStrategy, operation: &str) -> repo_core::Error {
    let items = key("items", "there");
    let zones = Filter::parse(r#"{"zone": {"$in": ["z0", "z1", "z2", "z3"]}}"#).unwrap();
    let things = key("things", "a").collection;
    match operation {
        "GetItem" => store.get(&items.collection, &items.id).await.unwrap_err(),
        "BatchGetItem" => {
            let ids = [id("there"), id("absent")];
            store.get_many(&items.collection, &ids).await.unwrap_err()
        }
        "UpdateItem" => store.save(items, document("there")).await.unwrap_err(),
        "TransactWriteItems" => {
            let both = ["items", "notes"].map(|name| put(name, "there", Precondition::Any));
            store.commit(both.to_vec()).await.unwrap_err()
        }
        "PutItem" => store.apply(vec![brought("there", 9)]).await.unwrap_err(),
        "Scan" => {
            let all = Filter::default();
            store.count(&items.collection, &all, Consistency::Strong).await.unwrap_err()
        }
        _ => store.query(&things, &Query::new(zones)).await.unwrap_err(),
    }
}

/// The handle waits 300 ms in all. Pauses that begin with 20 ms and double leave room for
/// four of them; without pauses there would be hundreds of requests in that time.
#[tokio::test]
async fn each_request_is_made_again_a_few_times_and_no_more() {
    const MOST: usize = 5;
    let which = Arc::new(Mutex::new("none"));
    let throttle = Arc::clone(&which);
    let (proxy, store) = filled(move |operation, _, _| {
        let hit = *throttle.lock().unwrap() == operation;
        match operation {
            "TransactWriteItems" if hit => throttled_transaction(),
            _ if hit => throttled(),
            _ => Fate::Forward,
        }
    })
    .await;
    let mut schema = CollectionSchema::undeclared(key("things", "a").collection);
    schema.indexes = vec![vec![FieldPath::parse("zone").unwrap()]];
    store.prepare(std::slice::from_ref(&schema)).await.unwrap();
    let all =
        ["GetItem", "BatchGetItem", "UpdateItem", "TransactWriteItems", "PutItem", "Scan", "Query"];
    for operation in all {
        *which.lock().unwrap() = operation;
        proxy.take();
        let error = refused(&store, operation).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}: {error}");
        let words = format!("{error} {:?}", error.hint_text());
        assert!(words.contains("throttles") && words.contains("capacity"), "{operation}: {words}");
        let sent = proxy.operations().iter().filter(|sent| *sent == operation).count();
        assert!((2..=MOST).contains(&sent), "{operation}: {sent} requests");
        *which.lock().unwrap() = "none";
    }
    // Nothing of it was done.
    let there = key("items", "there");
    let found = store.get(&there.collection, &there.id).await.unwrap().unwrap();
    assert_eq!(found.version, version(1));
}
