//! How many requests a call makes, and which are made again.

use repo_core::Aggregation;

use super::*;

#[tokio::test]
async fn a_conditional_write_is_one_request() {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    let there = key("items", "there");
    for round in 1..=3_u64 {
        let updated = store.update(there.clone(), document("there"), version(round)).await;
        assert_eq!(updated.unwrap().version, version(round + 1));
        assert_eq!(proxy.operations(), ["UpdateItem"]);
    }
    let stale = store.update(there.clone(), document("there"), version(2)).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    assert_eq!(stale.failed_preconditions()[0].actual, Some(version(4)));
    assert_eq!(proxy.operations(), ["UpdateItem"]);
    store.create(key("items", "new"), document("new")).await.unwrap();
    let again = store.create(key("items", "new"), document("new")).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.delete(key("items", "never")).await.unwrap(), None);
    assert_eq!(store.delete_version(there.clone(), version(4)).await.unwrap(), version(5));
    let gone = store.delete_version(there.clone(), version(5)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(proxy.operations(), ["UpdateItem"; 5]);
    store.get(&there.collection, &there.id).await.unwrap();
    assert_eq!(proxy.operations(), ["GetItem"]);
    let many: Vec<EntityId> = (0..250).map(|n| id(&n.to_string())).collect();
    store.get_many(&there.collection, &many).await.unwrap();
    assert_eq!(proxy.operations(), ["BatchGetItem"; 3]);
    let writes = vec![put("items", "a", Precondition::Any), put("notes", "a", Precondition::Any)];
    store.commit(writes).await.unwrap();
    assert_eq!(proxy.operations(), ["BatchGetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn an_aggregation_scans_segments_for_what_it_looks_at() {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    let name = key("items", "there").collection;
    let groups = Aggregation::new(Filter::default()).group_by("status").unwrap();
    let groups = groups.sum("meta.price").unwrap();
    assert_eq!(store.aggregate(&name, &groups).await.unwrap().rows.len(), 1);
    let seen = proxy.take();
    assert_eq!(seen.len(), 4, "{seen:?}");
    for request in seen {
        assert_eq!(request.operation, "Scan");
        for part in ["\"ProjectionExpression\"", "\"meta\"", "\"status\"", "\"TotalSegments\":4"] {
            assert!(request.body.contains(part), "{part}: {request:?}");
        }
    }
    // How many there are DynamoDB counts itself.
    let all = Aggregation::new(Filter::default()).count().unwrap();
    store.aggregate(&name, &all).await.unwrap();
    let seen = proxy.take();
    assert!(seen.len() == 1 && seen[0].body.contains("\"COUNT\""), "{seen:?}");
}

#[tokio::test]
async fn too_much_is_refused_before_anything_is_sent() {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    let writes = |n: usize| -> Vec<Write> {
        (0..n).map(|at| put("items", &at.to_string(), Precondition::Any)).collect()
    };
    let error = store.commit(writes(101)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let text = "x".repeat(370_000);
    let large = |at: usize| {
        let document = Document::parse(&format!("{{\"id\":\"{at}\",\"t\":\"{text}\"}}")).unwrap();
        Write::put(key("items", &at.to_string()), document, Precondition::Any)
    };
    let error = store.commit((0..12).map(large).collect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(proxy.operations(), [""; 0]);
    assert_eq!(store.commit(writes(100)).await.unwrap().len(), 100);
}

#[tokio::test]
async fn throttled_requests_are_made_again() {
    let (proxy, store) = filled(|operation, before, _| match operation {
        "UpdateItem" | "BatchGetItem" | "PutItem" | "Scan" if before < 2 => throttled(),
        _ => Fate::Forward,
    })
    .await;
    store.save(key("items", "there"), document("there")).await.unwrap();
    assert_eq!(proxy.operations(), ["UpdateItem"; 3]);
    store.get_many(&key("items", "a").collection, &[id("a"), id("there")]).await.unwrap();
    assert_eq!(proxy.operations(), ["BatchGetItem"; 3]);
    let name = key("items", "a").collection;
    store.count(&name, &Filter::default(), Consistency::Eventual).await.unwrap();
    assert_eq!(proxy.operations(), ["Scan"; 3]);
    let record = Record::Live(Entity {
        collection: name,
        id: id("brought"),
        version: version(7),
        created_at: Timestamp::from_micros(1).unwrap(),
        updated_at: Timestamp::from_micros(1).unwrap(),
        document: document("brought"),
    });
    assert_eq!(store.apply(vec![record]).await.unwrap(), [Applied::Applied]);
    assert_eq!(proxy.operations(), ["PutItem"; 3]);
}

/// A transaction that was throttled, and a write that met a transaction.
#[tokio::test]
async fn what_passes_by_itself_is_waited_for() {
    let (proxy, store) = filled(|operation, before, _| match (operation, before) {
        ("UpdateItem", 0 | 1) => error(400, "TransactionConflictException", "ongoing"),
        ("TransactWriteItems", 0 | 1) => {
            let answer = serde_json::json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": "canceled",
                "CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}],
            });
            Fate::Answer(400, answer.to_string())
        }
        _ => Fate::Forward,
    })
    .await;
    let saved = store.save(key("items", "there"), document("there")).await.unwrap();
    assert_eq!(saved.version, version(2));
    assert_eq!(proxy.operations(), ["UpdateItem"; 3]);
    let writes = vec![put("items", "a", Precondition::Any), put("notes", "a", Precondition::Any)];
    assert_eq!(store.commit(writes).await.unwrap()[1].version(), Some(version(1)));
    let sent = proxy.operations();
    assert_eq!(sent[1..], ["TransactWriteItems"; 3]);
}

#[tokio::test]
async fn a_table_that_stays_throttled_is_unavailable() {
    let (proxy, store) = filled(|operation, _, _| match operation {
        "UpdateItem" | "Query" | "Scan" => throttled(),
        _ => Fate::Forward,
    })
    .await;
    let start = Instant::now();
    let error = store.save(key("items", "there"), document("there")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let name = key("items", "a").collection;
    let error = store.query(&name, &Query::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("throttles"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(proxy.take().len() > 4);
}

/// Patience counts the time that the answers take, not the pauses alone.
#[tokio::test]
async fn patience_ends_although_the_answers_are_slow() {
    let pause = Duration::from_millis(250);
    let (proxy, store) = filled(move |operation, _, _| match (operation, throttled()) {
        ("UpdateItem" | "Scan", Fate::Answer(status, json)) => {
            Fate::AnswerAfter(pause, status, json)
        }
        _ => Fate::Forward,
    })
    .await;
    let error = store.save(key("items", "there"), document("there")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let name = key("items", "a").collection;
    let error = store.query(&name, &Query::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let sent = proxy.operations();
    assert!((4..=5).contains(&sent.len()), "patience of 300 ms allows two each: {sent:?}");
}

/// A page of an index on which few items match is found in few requests.
#[tokio::test]
async fn a_page_that_few_items_fill_is_looked_for_in_growing_steps() {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    let mut schema = CollectionSchema::undeclared(key("things", "a").collection);
    schema.indexes = vec![vec![FieldPath::parse("status").unwrap()]];
    store.prepare(std::slice::from_ref(&schema)).await.unwrap();
    let numbers: Vec<usize> = (0..400).collect();
    for numbers in numbers.chunks(100) {
        let put = |n: &usize| {
            let text = format!("{{\"id\":\"{n:03}\",\"status\":\"on\",\"n\":{n}}}");
            let document = Document::parse(&text).unwrap();
            Write::put(key("things", &format!("{n:03}")), document, Precondition::Any)
        };
        store.commit(numbers.iter().map(put).collect()).await.unwrap();
    }
    proxy.take();
    let filter = |text: &str| Query::new(Filter::parse(text).unwrap()).limit(1).unwrap();
    for (text, most) in [
        (r#"{"status":"on"}"#, 1),
        (r#"{"status":"on","n":{"$gt":398}}"#, 10),
        (r#"{"status":"on","n":{"$lt":0}}"#, 10),
    ] {
        store.query(&schema.collection, &filter(text)).await.unwrap();
        let sent = proxy.operations();
        assert!(sent.iter().all(|operation| operation == "Query"), "{sent:?}");
        assert!(sent.len() <= most, "{text}: {} requests", sent.len());
    }
}

#[tokio::test]
async fn unprocessed_keys_are_asked_for_again() {
    let (proxy, store) = filled(|operation, before, body| {
        if operation != "BatchGetItem" || before >= 2 {
            return Fate::Forward;
        }
        let asked: serde_json::Value = serde_json::from_str(body).unwrap();
        let answer = serde_json::json!({
            "Responses": {}, "UnprocessedKeys": asked["RequestItems"]
        });
        Fate::Answer(200, answer.to_string())
    })
    .await;
    let name = key("items", "there").collection;
    let found = store.get_many(&name, &[id("absent"), id("there")]).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some());
    assert_eq!(proxy.operations(), ["BatchGetItem"; 3]);
}

#[tokio::test]
async fn keys_that_stay_unprocessed_are_unavailable() {
    let (_proxy, store) = filled(|operation, _, body| match operation {
        "BatchGetItem" => {
            let asked: serde_json::Value = serde_json::from_str(body).unwrap();
            let answer = serde_json::json!({
                "Responses": {}, "UnprocessedKeys": asked["RequestItems"]
            });
            Fate::Answer(200, answer.to_string())
        }
        _ => Fate::Forward,
    })
    .await;
    let name = key("items", "there").collection;
    let error = store.get_many(&name, &[id("absent"), id("there")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("unprocessed"), "{error}");
}

#[tokio::test]
async fn an_index_is_read_in_pages_of_a_bounded_number_of_items() {
    let limits = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&limits);
    let (_proxy, store) = filled(move |operation, _, body| {
        if operation == "Query" {
            let asked: serde_json::Value = serde_json::from_str(body).unwrap();
            seen.lock().unwrap().push(asked["Limit"].as_u64());
        }
        Fate::Forward
    })
    .await;
    let indexed = CollectionSchema {
        indexes: vec![vec![FieldPath::parse("status").unwrap()]],
        ..CollectionSchema::undeclared(CollectionName::new("indexed").unwrap())
    };
    store.prepare(std::slice::from_ref(&indexed)).await.unwrap();
    let filter = Filter::parse(r#"{"status": "on"}"#).unwrap();
    store.count(&indexed.collection, &filter, Consistency::Eventual).await.unwrap();
    let query = Query::new(filter).limit(7).unwrap();
    for query in [query.clone(), query.order_by("name").unwrap()] {
        store.query(&indexed.collection, &query).await.unwrap();
    }
    assert_eq!(*limits.lock().unwrap(), [Some(2_000), Some(8), Some(2_000)]);
}

/// Without a limit DynamoDB ends a page at 1 MB, and DynamoDB Local takes ever
/// longer for a larger table.
#[tokio::test]
async fn counting_asks_for_pages_of_a_bounded_number_of_items() {
    let (proxy, store) = filled(|_, _, _| Fate::Forward).await;
    let live = |number: usize| {
        let key = key("items", &format!("{number:04}"));
        let document = document(key.id.as_str());
        let at = Timestamp::from_micros(1).unwrap();
        Record::Live(Entity {
            collection: key.collection,
            id: key.id,
            version: version(1),
            created_at: at,
            updated_at: at,
            document,
        })
    };
    let applied = store.apply((0..2_100).map(live).collect()).await.unwrap();
    assert_eq!(applied.len(), 2_100);
    proxy.take();
    let (collection, all) = (key("items", "there").collection, Filter::default());
    let counted = store.count(&collection, &all, Consistency::Eventual).await.unwrap();
    // By now the catalog may be old enough to be looked at again.
    let scans = proxy.operations().iter().filter(|operation| *operation == "Scan").count();
    assert_eq!((counted, scans), (2_101, 2));
}
