//! The verifier finds every kind of damage, names it, and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use repo_core::ErrorKind;
use repo_core::strategy::{Record, StoreUpdate};
use repo_migrate::{
    Aspect, Depth, Difference, DifferenceKind, MigrationOptions, OnConflict, Outcome, Silent,
    VerifyOptions, VerifyReport, migrate, verify,
};

use crate::stores::{
    Probe, Store, empty, gone, hostile, live, many, name, options, schema, schemas, store,
};

const COUNT: u64 = 10_000;

/// The id of the n-th of `many`.
fn id(n: usize) -> String {
    format!("m-{n:05}")
}

fn all() -> VerifyOptions {
    VerifyOptions::default()
}

async fn compare(source: &[Record], target: &[Record]) -> VerifyReport {
    compare_to(Depth::Complete, source, target).await
}

async fn compare_to(depth: Depth, source: &[Record], target: &[Record]) -> VerifyReport {
    let (source, target) = (store(source).await, store(target).await);
    let options = VerifyOptions { depth, ..all() };
    let report = verify(&source, &target, &options, &Silent).await.unwrap();
    assert_eq!(report.depth, depth, "the report says what was compared");
    report
}

/// Damages a copy of many records, and gives the differences found.
async fn after(damage: impl Fn(&mut Vec<Record>)) -> Vec<Difference> {
    let records = many(COUNT);
    let mut damaged = records.clone();
    damage(&mut damaged);
    let report = compare(&records, &damaged).await;
    let collection = &report.collections[0];
    let count = collection.missing + collection.unexpected + collection.differs;
    assert_eq!(count, collection.differences.len() as u64);
    assert_eq!(report.equal, collection.differences.is_empty());
    assert_ne!(collection.source.digest, collection.target.digest);

    // The other way round the same are found.
    let back = compare(&damaged, &records).await;
    assert_eq!(back.collections[0].missing, collection.unexpected);
    assert_eq!(back.collections[0].unexpected, collection.missing);
    assert_eq!(back.collections[0].differs, collection.differs);
    report.collections.into_iter().next().unwrap().differences
}

fn named(differences: &[Difference]) -> Vec<(&str, DifferenceKind, &[Aspect])> {
    differences.iter().map(|one| (one.id.as_str(), one.kind, one.aspects.as_slice())).collect()
}

fn with_text(record: &Record, change: impl Fn(&str) -> String) -> Record {
    let Record::Live(mut entity) = record.clone() else { panic!("not live") };
    let text = change(entity.document.as_str());
    assert_ne!(text, entity.document.as_str());
    entity.document = repo_core::Document::parse(&text).unwrap();
    Record::Live(entity)
}

#[tokio::test]
async fn equal_stores_have_no_difference() {
    let mut records = many(COUNT);
    records.extend(hostile());
    let mut shuffled = records.clone();
    shuffled.reverse();
    let report = compare(&records, &shuffled).await;
    assert!(report.equal);
    let collection = &report.collections[0];
    assert_eq!(collection.differences, []);
    assert_eq!(collection.source.digest, collection.target.digest);
    assert_eq!((collection.source.records, collection.source.tombstones), (10_016, 1_001));
    assert!(collection.times_equal);
}

#[tokio::test]
async fn a_flipped_character_is_named_with_its_place() {
    let found = after(|records| {
        records[5_000] =
            with_text(&records[5_000], |text| text.replace("\"b\":null", "\"c\":null"));
    })
    .await;
    assert_eq!(named(&found), [(&*id(5_000), DifferenceKind::Differs, &[Aspect::Document][..])]);
    assert_eq!(found[0].pointer.as_deref(), Some("/tags/1/b"));
}

#[tokio::test]
async fn the_last_digit_of_a_long_number_counts() {
    let found = after(|records| {
        records[42] = with_text(&records[42], |text| text.replace("12340042", "12340043"));
    })
    .await;
    assert_eq!(found[0].pointer.as_deref(), Some("/big"));
}

#[tokio::test]
async fn a_dropped_record_is_missing() {
    let found = after(|records| drop(records.remove(77))).await;
    assert_eq!(named(&found), [(&*id(77), DifferenceKind::Missing, &[][..])]);
    assert_eq!((found[0].source_version, found[0].target_version), (Some(1), None));
}

#[tokio::test]
async fn a_dropped_tombstone_is_missing() {
    let found = after(|records| drop(records.remove(13))).await;
    assert_eq!(named(&found), [(&*id(13), DifferenceKind::Missing, &[][..])]);
}

#[tokio::test]
async fn an_added_record_is_unexpected() {
    let found = after(|records| {
        records.push(live("m-😀\"", 3, ""));
        records.push(gone("m-gone", 3));
    })
    .await;
    let mut ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["m-gone", "m-😀\""]);
    assert!(found.iter().all(|one| one.kind == DifferenceKind::Unexpected));
}

#[tokio::test]
async fn swapped_documents_are_both_named() {
    let found = after(|records| {
        let strip = |text: &str, id: &str| text.replace(&format!("\"{id}\""), "\"ID\"");
        let (a, b) = (records[20].clone(), records[31].clone());
        let text = |record: &Record| record.document().unwrap().as_str().to_owned();
        let (of_a, of_b) = (strip(&text(&a), &id(20)), strip(&text(&b), &id(31)));
        records[20] = with_text(&a, |_| of_b.replace("\"ID\"", &format!("\"{}\"", id(20))));
        records[31] = with_text(&b, |_| of_a.replace("\"ID\"", &format!("\"{}\"", id(31))));
    })
    .await;
    let mut ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [id(20), id(31)]);
    assert!(found.iter().all(|one| one.aspects == [Aspect::Document]));
}

#[tokio::test]
async fn swapped_versions_are_both_named() {
    let found = after(|records| {
        let versions = (records[1].version(), records[2].version());
        assert_ne!(versions.0, versions.1);
        for (at, version) in [(1, versions.1), (2, versions.0)] {
            let Record::Live(entity) = &mut records[at] else { panic!() };
            entity.version = version;
        }
    })
    .await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|one| one.aspects == [Aspect::Version]));
}

#[tokio::test]
async fn a_version_alone_is_named() {
    let found = after(|records| {
        let Record::Live(entity) = &mut records[9_999] else { panic!() };
        entity.version = entity.version.next().unwrap();
    })
    .await;
    assert_eq!(named(&found), [(&*id(9_999), DifferenceKind::Differs, &[Aspect::Version][..])]);
    assert_eq!(found[0].target_version, found[0].source_version.map(|version| version + 1));
}

#[tokio::test]
async fn a_resurrected_delete_is_named() {
    let found = after(|records| {
        let version = records[13].version().get();
        records[13] = live(&id(13), version, "");
    })
    .await;
    assert_eq!(named(&found), [(&*id(13), DifferenceKind::Differs, &[Aspect::Liveness][..])]);
}

#[tokio::test]
async fn times_are_told_apart_and_are_no_difference() {
    let records = many(200);
    let mut later = records.clone();
    let Record::Live(entity) = &mut later[5] else { panic!() };
    entity.updated_at = crate::stores::time(9_999);
    let report = compare(&records, &later).await;
    assert!(report.equal && !report.collections[0].times_equal);
}

#[tokio::test]
async fn a_quick_look_finds_all_but_a_document() {
    let records = many(COUNT);
    let mut damaged = records.clone();
    damaged[5_000] = with_text(&damaged[5_000], |text| text.replace("null", "true"));
    let report = compare_to(Depth::Quick, &records, &damaged).await;
    assert!(report.equal && !compare(&records, &damaged).await.equal);
    let Record::Live(entity) = &mut damaged[9] else { panic!() };
    entity.version = entity.version.next().unwrap();
    damaged[13] = live(&id(13), damaged[13].version().get(), "");
    damaged.remove(77);
    damaged.push(live("m-new", 1, ""));
    let report = compare_to(Depth::Quick, &records, &damaged).await;
    let mut found = named(&report.collections[0].differences);
    found.sort_unstable_by_key(|one| one.0);
    assert_eq!(
        found,
        [
            (&*id(9), DifferenceKind::Differs, &[Aspect::Version][..]),
            (&*id(13), DifferenceKind::Differs, &[Aspect::Liveness][..]),
            (&*id(77), DifferenceKind::Missing, &[][..]),
            ("m-new", DifferenceKind::Unexpected, &[][..]),
        ]
    );
}

#[tokio::test]
async fn counts_are_exact_where_the_list_is_cut() {
    let report = compare(&many(5_000), &[]).await;
    let collection = &report.collections[0];
    assert_eq!((collection.missing, collection.differences.len()), (5_000, 1_000));
}

#[tokio::test]
async fn collections_of_one_side_alone_are_compared_as_empty() {
    let (source, target) = (store(&many(10)).await, empty());
    target.prepare(&[schema("requests")]).await.unwrap();
    let report = verify(&source, &target, &all(), &Silent).await.unwrap();
    assert!(!report.equal);
    let [machines, requests] = &report.collections[..] else { panic!() };
    assert_eq!((machines.missing, machines.target.prepared), (10, false));
    assert!(requests.equal && !requests.source.prepared);
    let unknown = VerifyOptions { collections: Some(vec![name("machine")]), ..all() };
    let error = verify(&source, &target, &unknown, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.hint_text(), Some("did you mean `machines`?"));
    let error = verify(&source, &source, &all(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test]
async fn a_floor_below_the_sources_is_a_difference() {
    let (source, target) = (store(&many(10)).await, store(&many(10)).await);
    let collection = name("machines");
    source.update_store_record(StoreUpdate::RaiseFloor { collection, floor: 3 }).await.unwrap();
    let report = verify(&source, &target, &all(), &Silent).await.unwrap();
    assert!(!report.equal && report.collections[0].floor_too_low);
    let report = verify(&target, &source, &all(), &Silent).await.unwrap();
    assert!(report.equal);
}

#[tokio::test]
async fn a_target_that_drops_a_record_and_says_it_did_not_is_found_out() {
    let mut probe = Probe::new(empty());
    probe.on_apply = Box::new(|number, mut records| {
        if number == 3 {
            records.pop();
        }
        Ok(records)
    });
    let (source, target): (Store, Store) = (store(&many(1_000)).await, Arc::new(probe));
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Differs);
    let verification = report.verification.unwrap();
    assert_eq!(verification.collections[0].missing, 1);
    assert_eq!(verification.collections[0].differences[0].id, id(299));
    assert_eq!(verification.collections[0].source_changed, 0);
}

#[tokio::test]
async fn what_changed_in_the_source_meanwhile_is_told_apart() {
    let inner = store(&many(1_000)).await;
    let probe = Arc::new(Probe::new(inner.clone()));
    let source: Store = probe.clone();
    let mut into = Probe::new(empty());
    // While the copy runs, someone changes the source.
    into.on_apply = Box::new(move |number, records| {
        if number == 5 {
            let changed = vec![
                live(&id(7), 90, "\"by\":\"someone\""),
                live("m-new", 1, ""),
                gone(&id(8), 91),
            ];
            futures::executor::block_on(inner.apply(changed)).unwrap();
        }
        Ok(records)
    });
    let folder = tempfile::tempdir().unwrap();
    let options = crate::stores::with_backup(folder.path());
    let target: Store = Arc::new(into);
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Differs);
    let collection = &report.verification.unwrap().collections[0];
    assert_eq!((collection.differs, collection.missing, collection.source_changed), (2, 1, 3));
    assert!(probe.scans.load(Ordering::SeqCst) > 0);
    // The way out that is named then.
    let options = MigrationOptions { on_conflict: OnConflict::Newer, ..options };
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, 3));
    assert!(verify(&source, &target, &all(), &Silent).await.unwrap().equal);
}

#[tokio::test]
async fn a_scan_that_repeats_a_record_is_not_believed() {
    let mut probe = Probe::new(store(&many(100)).await);
    probe.on_scan = Arc::new(Box::new(|_, mut records| {
        let again = records[0].clone();
        records.push(again);
        Ok(records)
    }));
    let (source, target): (Store, Store) = (store(&many(100)).await, Arc::new(probe));
    let error = verify(&source, &target, &all(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn errors_say_which_side() {
    let mut probe = Probe::new(store(&many(10)).await);
    probe.on_scan = Arc::new(Box::new(|_, _| Err(crate::stores::cut_off())));
    let broken: Store = Arc::new(probe);
    let sound = store(&many(10)).await;
    let error = verify(&sound, &broken, &all(), &Silent).await.unwrap_err();
    assert_eq!(error.context_value("side"), Some("target"));
    let error = verify(&broken, &sound, &all(), &Silent).await.unwrap_err();
    assert_eq!(error.context_value("side"), Some("source"));
    assert_eq!(error.context_value("store"), Some(broken.location()));
}
