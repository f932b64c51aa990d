//! Times are UTC in microseconds and come from the injected clock.

use std::time::Duration;

use repo_core::strategy::{Applied, Record};
use repo_core::{Clock as _, Query, Timestamp, Written};

use super::support::{
    delete, document, entity, find, key, live, put, record, records, save, tombstone,
};
use crate::Fixture;

const MICROSECOND: Duration = Duration::from_micros(1);

/// `created_at` survives updates; `updated_at` is the moment of the write.
pub async fn created_at_survives_updates(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let key = key(name, "a");
        let first = f.clock.now();
        save(&store, &key, "").await;
        for _ in 0..3 {
            f.clock.advance(MICROSECOND);
            save(&store, &key, "").await;
        }
        let kept = entity(&store, &key).await;
        assert_eq!(kept.created_at, first);
        assert_eq!(kept.updated_at, f.clock.now());
        assert_eq!(kept.updated_at.as_micros() - first.as_micros(), 3);
    }
}

/// What is created again is created anew; the tombstone has the time of the
/// delete.
pub async fn created_at_does_not_survive_a_delete(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    save(&store, &key, "").await;
    f.clock.advance(MICROSECOND);
    delete(&store, &key).await;
    assert_eq!(record(&store, &key).await.map(|r| r.updated_at()), Some(f.clock.now()));
    f.clock.advance(MICROSECOND);
    save(&store, &key, "").await;
    let kept = entity(&store, &key).await;
    assert_eq!((kept.created_at, kept.updated_at), (f.clock.now(), f.clock.now()));
}

/// The answer to a commit holds the times that are read afterwards, and every
/// way of reading gives the same ones.
pub async fn every_way_of_reading_gives_the_same_times(f: Fixture) {
    let store = f.prepared().await;
    let key = key("things", "a");
    let created = f.clock.now();
    save(&store, &key, "").await;
    f.clock.advance(Duration::from_micros(999_999));
    let answer = store.commit(vec![put(&key, "\"n\":1")]).await.unwrap();
    let Written::Put { created_at, updated_at, .. } = answer[0] else {
        panic!("a put is answered by Put, not by {answer:?}");
    };
    assert_eq!((created_at, updated_at), (created, f.clock.now()));
    let store = f.reopen(store).await;
    let read = entity(&store, &key).await;
    assert_eq!((read.created_at, read.updated_at), (created_at, updated_at));
    assert_eq!(find(&store, "things", Query::all()).await, std::slice::from_ref(&read));
    assert_eq!(records(&store, "things").await, [Record::Live(read)]);
}

/// All writes of one commit have one time.
pub async fn a_commit_has_one_time(f: Fixture) {
    let store = f.prepared().await;
    let keys = ["items", "notes", "things"].map(|name| key(name, "a"));
    store.commit(keys.iter().map(|key| put(key, "")).collect()).await.unwrap();
    for key in &keys {
        assert_eq!(entity(&store, key).await.updated_at, f.clock.now());
    }
}

/// A clock that goes back stops nothing; versions alone decide.
pub async fn a_clock_that_stands_stops_nothing(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    let future = f.clock.now().saturating_add(Duration::from_secs(3_600)).as_micros();
    store.apply(vec![live(&key, 1, "", future)]).await.unwrap();
    assert_eq!(save(&store, &key, "\"n\":2").await, 2);
    let kept = entity(&store, &key).await;
    assert_eq!(kept.updated_at, f.clock.now());
    assert!(kept.document.equals(&document(&key, "\"n\":2")));
}

/// Times from other stores are kept, long before and after today.
pub async fn distant_times_are_kept(f: Fixture) {
    let store = f.prepared().await;
    let texts = [
        "1600-01-01T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00.000000Z",
        "2000-02-29T12:00:00.100000Z",
        "9999-12-01T23:59:59.999999Z",
    ];
    for text in texts {
        let micros = Timestamp::parse(text).unwrap().as_micros();
        let brought =
            [live(&key("items", text), 1, "", micros), tombstone(&key("notes", text), 1, micros)];
        let answer = store.apply(brought.to_vec()).await.unwrap();
        assert_eq!(answer, [Applied::Applied; 2]);
        for expected in brought {
            assert_eq!(record(&store, &expected.key()).await, Some(expected));
        }
    }
    let store = f.reopen(store).await;
    for text in texts {
        assert_eq!(entity(&store, &key("items", text)).await.created_at.to_string(), text);
    }
}
