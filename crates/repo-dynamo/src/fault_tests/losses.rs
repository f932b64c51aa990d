//! Answers that are lost, writers that are faster, requests that come late.

use super::*;

#[tokio::test]
async fn a_lost_answer_to_a_single_write_is_an_unknown_outcome() {
    let (proxy, store) = filled(|operation, before, _| match (operation, before) {
        ("UpdateItem", 0) => Fate::Lose,
        _ => Fate::Forward,
    })
    .await;
    let there = key("items", "there");
    let error = store.update(there.clone(), document("there"), version(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(proxy.operations(), ["UpdateItem"], "it is never repeated blindly");
    let found = store.get(&there.collection, &there.id).await.unwrap().unwrap();
    assert_eq!(found.version, version(2), "it was applied");
}

#[tokio::test]
async fn a_lost_answer_to_a_commit_is_resolved_by_its_token() {
    let (proxy, store) = filled(|operation, before, _| match (operation, before) {
        ("TransactWriteItems", 0) => Fate::Lose,
        ("TransactWriteItems", 1) => Fate::Break,
        _ => Fate::Forward,
    })
    .await;
    let one = Precondition::Version(version(1));
    let writes = vec![put("items", "there", one), put("notes", "there", one)];
    let written = store.commit(writes).await.unwrap();
    assert_eq!(written[0].version(), Some(version(2)));
    let sent: Vec<_> =
        proxy.take().into_iter().filter(|seen| seen.operation == "TransactWriteItems").collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|seen| seen.body == sent[0].body), "another token was sent");
    let found = store.get(&key("notes", "there").collection, &id("there")).await.unwrap().unwrap();
    assert_eq!(found.version, version(2), "it was applied once");
}

#[tokio::test]
async fn a_commit_that_stays_in_conflict_is_unavailable() {
    let (_proxy, store) = filled(|operation, _, _| match operation {
        "TransactWriteItems" => {
            let answer = serde_json::json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": "canceled",
                "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
            });
            Fate::Answer(400, answer.to_string())
        }
        _ => Fate::Forward,
    })
    .await;
    let writes = vec![put("items", "a", Precondition::Any), put("notes", "a", Precondition::Any)];
    let error = store.commit(writes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(store.get(&key("items", "a").collection, &id("a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_that_comes_after_a_change_of_indexes_is_indexed() {
    let prefix = Arc::new(OnceLock::new());
    let known = Arc::clone(&prefix);
    // Longer under way than the indexes take to change.
    let (_proxy, store) = filled(move |operation, before, _| match operation {
        "UpdateItem" | "TransactWriteItems" | "PutItem" if known.get().is_some() && before == 0 => {
            Fate::Delay(Duration::from_secs(4))
        }
        _ => Fate::Forward,
    })
    .await;
    let table_prefix = store.location().rsplit('/').next().unwrap().to_owned();
    prefix.set(()).unwrap();
    let settings = DynamoSettings { table_prefix, ..DynamoSettings::default() };
    let options = OpenOptions::default();
    let direct = DynamoStrategy::open_with(&config(&server()), settings, options).await.unwrap();
    let mut schema = CollectionSchema::undeclared(key("items", "a").collection);
    schema.indexes = vec![vec![FieldPath::parse("v").unwrap()]];
    let text = |id: &str| Document::parse(&format!("{{\"id\":\"{id}\",\"v\":1}}")).unwrap();
    let put = |id: &str| Write::put(key("items", id), text(id), Precondition::Any);
    let applied = Record::Live(Entity {
        collection: schema.collection.clone(),
        id: id("applied"),
        version: version(7),
        created_at: Timestamp::from_micros(1).unwrap(),
        updated_at: Timestamp::from_micros(1).unwrap(),
        document: text("applied"),
    });
    let changed = async {
        direct.prepare(std::slice::from_ref(&schema)).await.unwrap();
        Instant::now()
    };
    let written = async {
        tokio::try_join!(
            store.commit(vec![put("single")]),
            store.commit(vec![put("one"), put("two")]),
            async { store.apply(vec![applied]).await.map(|_| vec![Written::Unchanged]) },
        )
        .unwrap();
        Instant::now()
    };
    let (changed, written) = tokio::join!(changed, written);
    assert!(changed < written, "the writes were too fast for this test");
    let query = Query::new(Filter::parse(r#"{"v":1}"#).unwrap());
    let page = direct.query(&schema.collection, &query).await.unwrap();
    assert_eq!(page.plan, Plan::Index { name: "v-index".to_owned() });
    let mut ids: Vec<&str> = page.entities.iter().map(|entity| entity.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["applied", "one", "single", "two"]);
}

/// Saves a record from a runtime of its own.
pub(super) fn come_between(table_prefix: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = DynamoSettings { table_prefix, ..DynamoSettings::default() };
        let options = OpenOptions::default();
        let store = DynamoStrategy::open_with(&config(&server()), settings, options).await.unwrap();
        store.save(key("items", "there"), document("there")).await.unwrap();
    });
}

#[tokio::test]
async fn a_commit_that_lost_a_race_is_decided_by_the_answer() {
    let prefix: Arc<OnceLock<String>> = Arc::default();
    let known = Arc::clone(&prefix);
    // Another writer comes between the read and the transaction.
    let (proxy, store) = filled(move |operation, before, _| {
        if let (Some(prefix), "TransactWriteItems", 0) = (known.get(), operation, before) {
            let prefix = prefix.clone();
            std::thread::spawn(move || come_between(prefix)).join().unwrap();
        }
        Fate::Forward
    })
    .await;
    prefix.set(store.location().rsplit('/').next().unwrap().to_owned()).unwrap();
    let one = Precondition::Version(version(1));
    let writes = vec![put("items", "there", one), put("notes", "there", one)];
    let error = store.commit(writes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let failed = error.failed_preconditions();
    assert_eq!((failed.len(), failed[0].actual), (1, Some(version(2))));
    assert_eq!(proxy.operations(), ["BatchGetItem", "TransactWriteItems"]);
    let any = Precondition::Any;
    let writes = vec![put("items", "there", any), put("notes", "there", any)];
    let written = store.commit(writes).await.unwrap();
    assert_eq!(written[0].version(), Some(version(4)), "a racer came first again");
    let expected = ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"];
    assert_eq!(proxy.operations(), expected, "no second read");
}
