//! `scan`: every record, tombstones too, in bounded batches and in segments.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{OnUnreadable, Record, ScanOptions, Segment, UnreadableRecord};
use repo_core::{Consistency, ErrorKind, Result};

use super::support::{
    batches, collection, delete, fill, key, live, put, record, records, save, scan, tombstone,
};
use crate::{Fixture, Store};

fn batches_of(size: usize) -> ScanOptions {
    ScanOptions::default()
        .with_batch_size(NonZeroUsize::new(size).unwrap())
        .with_consistency(Consistency::Strong)
}

/// 100 records, every fifth a tombstone.
async fn stock(store: &Store, name: &str) {
    let brought = (0..100_u64).map(|n| {
        let key = key(name, &format!("{n:03}"));
        let micros = i64::try_from(n).unwrap();
        match n % 5 {
            0 => tombstone(&key, n + 1, micros),
            _ => live(&key, n + 1, &format!("\"n\":{n}"), micros),
        }
    });
    store.apply(brought.collect()).await.unwrap();
}

/// A scan yields live entities and tombstones, each exactly once, as stored.
pub async fn a_scan_yields_every_record_once(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        assert_eq!(records(&store, name).await, []);
        stock(&store, name).await;
        let scanned = records(&store, name).await;
        assert_eq!(scanned.len(), 100);
        for (n, found) in scanned.iter().enumerate() {
            assert_eq!(found.is_live(), n % 5 != 0);
            assert_eq!(Some(found), record(&store, &found.key()).await.as_ref());
        }
    }
}

/// A batch holds at least one record and at most the batch size.
pub async fn a_batch_is_no_larger_than_asked_for(f: Fixture) {
    let store = f.prepared().await;
    stock(&store, "items").await;
    for size in [1, 7, 50, 99, 100, 101, 10_000] {
        let stream = store.scan(&collection("items"), batches_of(size)).await.unwrap();
        let batches = batches(stream).await.unwrap();
        assert!(batches.iter().all(|batch| !batch.is_empty() && batch.len() <= size));
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 100);
    }
    let empty = store.scan(&collection("notes"), batches_of(5)).await.unwrap();
    assert_eq!(batches(empty).await.unwrap(), Vec::<Vec<Record>>::new());
}

/// The segments are disjoint and together the whole collection, read one
/// after the other or at once.
pub async fn segments_divide_the_collection(f: Fixture) {
    let store = f.prepared().await;
    stock(&store, "items").await;
    let whole = records(&store, "items").await;
    let most = store.capabilities().max_scan_segments;
    assert!(most >= 1);
    for total in [1, 2, 3, 8, 16].into_iter().filter(|total| *total <= most) {
        let total = NonZeroUsize::new(total).unwrap();
        let parts = Segment::split(total)
            .map(|segment| scan(&store, "items", batches_of(9).with_segment(segment)));
        let parts = futures::future::try_join_all(parts).await.unwrap();
        let mut all: Vec<Record> = parts.concat();
        assert_eq!(all.len(), whole.len(), "{total} segments");
        all.sort_by_key(|record| record.id().clone());
        assert_eq!(all, whole, "{total} segments");
        if total.get() == 3 {
            assert!(parts.iter().all(|part| part.len() > 10), "the segments are no parts");
        }
    }
}

/// A segment of the same number holds the same ids at another time.
pub async fn segments_are_stable(f: Fixture) {
    let store = f.prepared().await;
    stock(&store, "items").await;
    let total = NonZeroUsize::new(2).unwrap();
    if store.capabilities().max_scan_segments < 2 {
        return;
    }
    let first = Segment::split(total).next().unwrap();
    let options = batches_of(30).with_segment(first);
    let mut before = scan(&store, "items", options).await.unwrap();
    save(&store, &key("items", "another"), "").await;
    let store = f.reopen(store).await;
    let mut after = scan(&store, "items", options).await.unwrap();
    after.retain(|record| record.id().as_str() != "another");
    before.sort_by_key(|record| record.id().clone());
    after.sort_by_key(|record| record.id().clone());
    assert_eq!(after, before);
}

/// While others change, each record that does not is returned exactly once,
/// and one that does is returned in its old or its new state.
pub async fn others_may_change_while_a_scan_runs(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        stock(&store, name).await;
        let before = by_id(records(&store, name).await);
        let mut stream = store.scan(&collection(name), batches_of(8)).await.unwrap();
        let mut seen: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        let mut round = 0;
        while let Some(batch) = stream.next().await {
            for record in batch.unwrap().into_records().unwrap() {
                seen.entry(record.id().to_string()).or_default().push(record);
            }
            if round < 8 {
                disturb(&store, name, round).await;
            }
            round += 1;
        }
        let after = by_id(records(&store, name).await);
        for (id, old) in &before {
            let found = seen.get(id).map_or(&[][..], |found| found);
            if after.get(id) == Some(old) {
                assert_eq!(found, std::slice::from_ref(old), "{id} did not change");
            }
        }
        for (id, found) in &seen {
            for record in found {
                let old_or_new = Some(record) == before.get(id) || Some(record) == after.get(id);
                assert!(old_or_new, "{id}: {record:?} was never committed");
            }
        }
    }
}

/// Each record is changed at most once.
async fn disturb(store: &Store, name: &str, round: usize) {
    let place = |n: usize| key(name, &format!("{:03}", (n * 10 + 1) % 100));
    save(store, &place(round), "\"changed\":true").await;
    delete(store, &key(name, &format!("{:03}", 98 - round * 10))).await;
    save(store, &key(name, &format!("new {round}")), "").await;
}

fn by_id(records: Vec<Record>) -> BTreeMap<String, Record> {
    records.into_iter().map(|record| (record.id().to_string(), record)).collect()
}

/// A scan reads more than it keeps: many records in small batches.
pub async fn a_scan_goes_over_many_records(f: Fixture) {
    let store = f.prepared().await;
    let writes = (0..3_000).map(|n| put(&key("things", &format!("{n}")), "\"status\":\"on\""));
    fill(&store, writes.collect()).await;
    let stream = store.scan(&collection("things"), batches_of(100)).await.unwrap();
    assert!(batches(stream).await.unwrap().len() >= 30);
    assert_eq!(records(&store, "things").await.len(), 3_000);
}

/// A scan that is given up leaves the store usable.
pub async fn a_scan_may_be_given_up(f: Fixture) {
    let store = f.prepared().await;
    stock(&store, "items").await;
    for _ in 0..10 {
        let mut stream = store.scan(&collection("items"), batches_of(3)).await.unwrap();
        assert!(stream.next().await.is_some());
    }
    let key = key("items", "after");
    assert_eq!(save(&store, &key, "").await, 1);
    assert_eq!(records(&store, "items").await.len(), 101);
}

/// Thirty records in `items`, of which `017` cannot be read; not where nothing
/// can be spoiled.
async fn with_one_spoiled(f: &Fixture) -> bool {
    let store = f.prepared().await;
    let writes = (0..30).map(|n| put(&key("items", &format!("{n:03}")), "\"status\":\"on\""));
    fill(&store, writes.collect()).await;
    store.close().await.unwrap();
    drop(store);
    f.spoil(&key("items", "017")).await
}

/// A handle that only reads.
async fn reading(f: &Fixture, unreadable: OnUnreadable) -> Store {
    f.open_with(f.options().with_read_only(true).with_unreadable(unreadable)).await.unwrap()
}

/// A record that cannot be read ends a scan with `Corrupt`, and nothing follows.
pub async fn a_record_that_cannot_be_read_ends_a_scan(f: Fixture) {
    if !with_one_spoiled(&f).await {
        return;
    }
    let store = reading(&f, OnUnreadable::Fail).await;
    let mut stream = store.scan(&collection("items"), batches_of(7)).await.unwrap();
    let error = loop {
        match stream.next().await.expect("the scan ended as if it had read everything") {
            Ok(batch) => assert!(batch.unreadable.is_empty() && !batch.records.is_empty()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("017"), "{error}");
    assert!(stream.next().await.is_none(), "something follows the error");
}

/// One that is set aside stands beside the others, once over all segments, with
/// the reason.
pub async fn a_record_that_is_set_aside_is_named_beside_the_others(f: Fixture) {
    if !with_one_spoiled(&f).await {
        return;
    }
    let store = reading(&f, OnUnreadable::SetAside).await;
    for total in [1, 3] {
        let (records, unreadable) = read_past(&store, total).await.unwrap();
        assert_eq!(records.len(), 29, "{total} segments");
        let [spoiled] = unreadable.as_slice() else { panic!("{unreadable:?}") };
        assert_eq!((spoiled.collection.as_str(), spoiled.id.as_str()), ("items", "017"));
        assert_eq!(spoiled.error.kind(), ErrorKind::Corrupt, "{}", spoiled.error);
        assert!(spoiled.stored.as_ref().is_some_and(|stored| !stored.is_empty()));
        assert!(records.iter().all(|record| record.id().as_str() != "017"));
    }
}

/// Where all are named, it is named beside the others, or at the end of the scan.
pub async fn a_record_is_named_where_all_are(f: Fixture) {
    if !with_one_spoiled(&f).await {
        return;
    }
    let store = reading(&f, OnUnreadable::NameAll).await;
    match read_past(&store, 1).await {
        Ok((records, unreadable)) => {
            assert_eq!(records.len(), 29);
            assert_eq!(unreadable.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["017"]);
        }
        Err(error) => assert!(error.to_string().contains("017"), "{error}"),
    }
}

async fn read_past(store: &Store, total: usize) -> Result<(Vec<Record>, Vec<UnreadableRecord>)> {
    let total = total.min(store.capabilities().max_scan_segments);
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for segment in Segment::split(NonZeroUsize::new(total).unwrap()) {
        let options = batches_of(7).with_segment(segment);
        let mut stream = store.scan(&collection("items"), options).await?;
        while let Some(batch) = stream.try_next().await? {
            assert!(!batch.is_empty() && batch.records.len() <= 7);
            records.extend(batch.records);
            unreadable.extend(batch.unreadable);
        }
    }
    Ok((records, unreadable))
}
