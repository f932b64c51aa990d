//! Comparisons that are ended and resumed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use repo_core::strategy::Record;
use repo_core::{ErrorKind, Result};
use repo_migrate::{Depth, Silent, VerifyOptions, VerifyReport, verify};

use crate::stores::{Probe, Store, cut_off, live, many, store};

const COUNT: u64 = 3_000;

fn keeping(file: &Path) -> VerifyOptions {
    VerifyOptions { state: Some(file.to_owned()), ..VerifyOptions::default() }
}

/// Reads only so many segments of the source before the connection is gone.
async fn cut_off_after(source: &Store, target: &Store, segments: u64, file: &Path) {
    let mut probe = Probe::new(Arc::clone(source));
    probe.on_scan = Arc::new(Box::new(move |scan, records: Vec<Record>| -> Result<_> {
        if scan > segments { Err(cut_off()) } else { Ok(records) }
    }));
    let broken: Store = Arc::new(probe);
    let error = verify(&broken, target, &keeping(file), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

async fn whole(source: &Store, target: &Store) -> VerifyReport {
    verify(source, target, &VerifyOptions::default(), &Silent).await.unwrap()
}

#[tokio::test]
async fn one_that_was_cut_off_reads_only_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("comparison.json");
    let (source, target) = (store(&many(COUNT)).await, store(&many(COUNT)).await);
    for segments in [3, 9] {
        cut_off_after(&source, &target, segments, &file).await;
        assert!(file.exists());
    }
    let probe = Arc::new(Probe::new(Arc::clone(&source)));
    let rest: Store = probe.clone();
    let report = verify(&rest, &target, &keeping(&file), &Silent).await.unwrap();
    assert!(report.equal && report.resumed_from.is_some());
    let scans = probe.scans.load(Ordering::SeqCst);
    assert!((1..16).contains(&scans), "{scans} segments were read");
    let of_one_go = whole(&source, &target).await;
    assert_eq!(report.collections[0].source, of_one_go.collections[0].source);
    assert_eq!(report.collections[0].target, of_one_go.collections[0].target);
    assert!(!file.exists(), "it is done");
    let again = verify(&source, &target, &keeping(&file), &Silent).await.unwrap();
    assert!(again.equal && again.resumed_from.is_none() && !file.exists());
}

#[tokio::test]
async fn damage_in_a_part_that_was_read_before_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("comparison.json");
    let mut damaged = many(COUNT);
    for at in [1, 500, 2_999] {
        damaged[at] = live(damaged[at].id().as_str(), 9, "\"n\":0");
    }
    damaged.remove(77);
    let (source, target) = (store(&many(COUNT)).await, store(&damaged).await);
    cut_off_after(&source, &target, 8, &file).await;
    let report = verify(&source, &target, &keeping(&file), &Silent).await.unwrap();
    let expected = whole(&source, &target).await;
    assert_eq!(report.collections[0].differences, expected.collections[0].differences);
    assert_eq!((report.collections[0].missing, report.collections[0].differs), (1, 3));
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("comparison.json");
    let (source, target) = (store(&many(50)).await, store(&many(50)).await);
    cut_off_after(&source, &target, 2, &file).await;
    let kept = std::fs::read(&file).unwrap();
    let quick = VerifyOptions { depth: Depth::Quick, ..keeping(&file) };
    for (a, b, options) in [(&target, &source, keeping(&file)), (&source, &target, quick)] {
        let error = verify(a, b, &options, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(
            error.remedy_as::<repo_migrate::Remedy>(),
            Some(&repo_migrate::Remedy::OtherStateFile),
            "{error}"
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), kept);
    for text in ["", "{}", "{\"format\":9}", "a letter to somebody"] {
        std::fs::write(&file, text).unwrap();
        let error = verify(&source, &target, &keeping(&file), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{text:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    for place in [folder.path(), Path::new("/dev/zero")] {
        let error = verify(&source, &target, &keeping(place), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{}", place.display());
    }
    let nowhere = keeping(&folder.path().join("no/such/folder"));
    assert_eq!(
        verify(&source, &target, &nowhere, &Silent).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
