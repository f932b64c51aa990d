//! Datapoints: repeated, refused, listed, found by value.

use std::sync::{Arc, Mutex};

use crate::common::invariants::holds_in_the_end;
use crate::common::refused::{kind, refusal};
use crate::common::story::{datapoint, file, long};
use crate::common::{Place, bytes, id, read};
use repo_blob::{BlobDigest, ByteRange, Expected};
use repo_core::{ErrorKind, Filter, Result, RetryPolicy};
use repo_data::model::{DataType, Json, Scope};
use repo_data::{DatapointValue, FileStream, NewDatapoint, PageRequest, Refusal, collections};
use repo_engine::Store;
use repo_layers::{Inner, Layer, Operation, OperationKind};

#[tokio::test]
async fn datapoints_are_repeated_and_not_replaced() {
    let place = Place::memory().await;
    let service = place.open().await;
    let value = |name: &str, value: &str| NewDatapoint {
        value: Some(Json::parse(value).unwrap()),
        ..datapoint(name, DataType::Json)
    };
    let large = format!("{{\"a\":\"{}\",\"n\":1.10}}", long("value"));
    for (name, json) in [("v", "{\"t\":23.5}"), ("null", "null"), ("large", &large)] {
        let stored = service.submit_datapoint(value(name, json), None).await.unwrap();
        let again = service.submit_datapoint(value(name, json), None).await.unwrap();
        assert_eq!(stored, again);
        let found = service.datapoint(&id(name)).await.unwrap();
        assert_eq!(found.value.value.unwrap().as_str(), json);
        match service.datapoint_value(&id(name), ByteRange::WHOLE).await.unwrap() {
            DatapointValue::Value(found) => assert_eq!(found.as_str(), json),
            other => panic!("{other:?}"),
        }
        let other = service.submit_datapoint(value(name, "7"), None).await;
        assert_eq!(refusal(other), Refusal::OtherContent);
    }
    let with_file = || datapoint("f", DataType::File);
    service.submit_datapoint(with_file(), Some(file(b"abc"))).await.unwrap();
    service.submit_datapoint(with_file(), Some(file(b"abc"))).await.unwrap();
    let other = service.submit_datapoint(with_file(), Some(file(b"abd"))).await;
    assert_eq!(refusal(other), Refusal::OtherContent);
    match service.datapoint_value(&id("f"), ByteRange::from(1)).await.unwrap() {
        DatapointValue::File { file, bytes } => {
            assert_eq!((file.name.as_str(), read(bytes).await), ("log.txt", b"bc".to_vec()));
        }
        other => panic!("{other:?}"),
    }
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn datapoints_that_make_no_sense_are_refused() {
    let place = Place::memory().await;
    let service = place.open().await;
    let none = service.submit_datapoint(datapoint("a", DataType::File), None).await;
    assert_eq!(kind(none), ErrorKind::Invalid);
    let none = service.submit_datapoint(datapoint("a", DataType::Json), None).await;
    assert_eq!(kind(none), ErrorKind::Invalid);
    let placeless = service.submit_datapoint(datapoint("a", DataType::ObjectStorage), None).await;
    assert_eq!(kind(placeless), ErrorKind::Invalid);
    let one =
        NewDatapoint { value: Some(Json::parse("1").unwrap()), ..datapoint("a", DataType::Json) };
    let both = service.submit_datapoint(one.clone(), Some(file(b"x"))).await;
    assert_eq!(kind(both), ErrorKind::Invalid);
    let timeless = NewDatapoint { data_timestamp: String::new(), ..one };
    assert_eq!(kind(service.submit_datapoint(timeless, None).await), ErrorKind::Invalid);
    let expected = Expected { md5: Some(BlobDigest::of(b"x").md5), ..Expected::NOTHING };
    let wrong = FileStream { expected, bytes: bytes(b"y"), ..file(b"") };
    let wrong = service.submit_datapoint(datapoint("a", DataType::File), Some(wrong)).await;
    assert_eq!(refusal(wrong), Refusal::WrongDigest);
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn datapoints_are_listed_by_their_own_time_and_found_by_value() {
    let place = Place::memory().await;
    let service = place.open().await;
    for (name, time, value) in
        [("b", "2026-01-02", "2"), ("a", "2026-01-03", "3"), ("c", "2026-01-01", "1")]
    {
        let new = NewDatapoint {
            data_timestamp: time.into(),
            value: Some(Json::parse(&format!("{{\"t\":{value}}}")).unwrap()),
            ..datapoint(name, DataType::Json)
        };
        service.submit_datapoint(new, None).await.unwrap();
    }
    let names = |page: repo_data::PageOf<repo_data::model::Datapoint>| {
        page.items.into_iter().map(|found| found.value.id.to_string()).collect::<Vec<_>>()
    };
    let all = PageRequest::default();
    assert_eq!(names(service.list_datapoints(&all).await.unwrap()), ["a", "b", "c"]);
    let warm = || Filter::parse(r#"{"value.t":{"$gt":1}}"#).unwrap();
    assert_eq!(names(service.query_datapoints(warm(), &all).await.unwrap()), ["a", "b"]);
    assert_eq!(service.count_datapoints(warm()).await.unwrap(), 2);
    let large = Json::parse(&format!("{{\"t\":9,\"x\":\"{}\"}}", long("value"))).unwrap();
    let large = NewDatapoint {
        value: Some(large),
        label: Some("L".into()),
        ..datapoint("d", DataType::Json)
    };
    service.submit_datapoint(large, None).await.unwrap();
    assert_eq!(refusal(service.query_datapoints(warm(), &all).await), Refusal::SpilledValue);
    let narrowed = Filter::parse(r#"{"$and":[{"label":"T"},{"value.t":{"$gt":1}}]}"#).unwrap();
    assert_eq!(names(service.query_datapoints(narrowed, &all).await.unwrap()), ["a", "b"]);
}

/// Notes what a store is asked.
#[derive(Debug, Clone, Default)]
struct Noted(Arc<Mutex<Vec<OperationKind>>>);

impl Layer for Noted {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        self.0.lock().unwrap().push(operation.kind());
        operation.run(&**inner).await
    }
}

impl Noted {
    fn commits(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|kind| **kind == OperationKind::Commit).count()
    }
}

/// Thirty values that come at once are stored by one commit; where the id of one of them is
/// taken, that one is refused alone.
#[tokio::test]
async fn values_that_come_at_once_are_stored_by_one_commit() {
    let place = Place::memory().await;
    let noted = Noted::default();
    let strategy = noted.clone().around(Arc::clone(place.store.strategy()));
    let schemas = Arc::new(collections::schemas().unwrap());
    let store = Store::new(strategy, schemas, RetryPolicy::default());
    let service = crate::common::open(store, &place.blobs(), place.options()).await;
    let of = |name: &str, value: &str| NewDatapoint {
        value: Some(Json::parse(value).unwrap()),
        ..datapoint(name, DataType::Json)
    };
    for taken in [false, true] {
        let name = |number: usize| match (taken, number) {
            (true, 17) => "false-3".to_owned(),
            _ => format!("{taken}-{number}"),
        };
        noted.0.lock().unwrap().clear();
        // One thread runs them in turn, so all of them wait before the first commit begins.
        let submissions: Vec<_> = (0..30)
            .map(|number| {
                let (service, new) = (service.clone(), of(&name(number), &number.to_string()));
                tokio::spawn(async move { service.submit_datapoint(new, None).await })
            })
            .collect();
        for (number, submission) in submissions.into_iter().enumerate() {
            let stored = submission.await.unwrap();
            if taken && number == 17 {
                assert_eq!(refusal(stored), Refusal::OtherContent);
                continue;
            }
            let stored = stored.unwrap();
            assert_eq!(service.datapoint(&id(&name(number))).await.unwrap(), stored);
        }
        if taken {
            // The one that failed, and one for each but the refused; more where two meet at
            // a counter.
            assert!(noted.commits() > 29, "{}", noted.commits());
        } else {
            assert_eq!(noted.commits(), 1);
        }
    }
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!(usage.datapoints, 59);
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn a_value_takes_one_read_and_one_commit() {
    let place = Place::memory().await;
    let noted = Noted::default();
    let strategy = noted.clone().around(Arc::clone(place.store.strategy()));
    let schemas = Arc::new(collections::schemas().unwrap());
    let store = Store::new(strategy, schemas, RetryPolicy::default());
    let service = crate::common::open(store, &place.blobs(), place.options()).await;
    let of = |value: &str| NewDatapoint {
        value: Some(Json::parse(value).unwrap()),
        ..datapoint("a", DataType::Json)
    };
    noted.0.lock().unwrap().clear();
    let made = service.submit_datapoint(of("1.5"), None).await.unwrap();
    assert_eq!(*noted.0.lock().unwrap(), [OperationKind::GetMany, OperationKind::Commit]);
    assert_eq!(service.submit_datapoint(of("1.5"), None).await.unwrap(), made);
    let other = service.submit_datapoint(of("1.6"), None).await;
    assert_eq!(refusal(other), Refusal::OtherContent);
    service.delete_datapoint(&id("a"), None).await.unwrap();
    assert_eq!(refusal(service.submit_datapoint(of("1.5"), None).await), Refusal::Deleted);
}
