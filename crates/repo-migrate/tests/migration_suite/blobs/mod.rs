//! Blobs go along with their records.

mod archived;
mod refused;
mod s3;
mod support;

use std::sync::Arc;

use repo_blob::{BlobOptions, BlobStore};
use repo_core::strategy::Record;
use repo_migrate::{
    BlobDepth, BlobPlaces, BlobProblemKind, MigrationOptions, Outcome, Phase, Silent, verify_blobs,
};
use support::{Sample, between, filled, folder, migrate, record, samples, source, store};

use crate::stores::{Told, contents, empty, options};

/// Every blob of the samples is there, byte by byte.
pub(super) async fn assert_holds(store: &Arc<dyn BlobStore>, samples: &[Sample]) {
    for sample in samples {
        store.verify(&sample.key, &repo_blob::BlobDigest::of(&sample.bytes)).await.unwrap();
    }
}

#[tokio::test]
async fn blobs_arrive_before_their_records_and_are_proved() {
    let place = tempfile::tempdir().unwrap();
    let samples = samples(30);
    let from = filled(&place.path().join("from"), &samples).await;
    let to = folder(&place.path().join("to")).await;
    let (source, target, told) = (source(&samples).await, empty(), Told::default());
    let (schemas, options) = (support::schemas(), options());
    let how = (&schemas, &options);
    let moved = between(&from, &to);
    let report =
        repo_migrate::migrate_with_blobs(&source, &target, how, &moved, &told).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    let blobs = report.blobs.unwrap();
    assert_eq!((blobs.needed.blobs, blobs.copied, blobs.there.blobs), (30, blobs.needed, 0));
    let verified = blobs.verification.unwrap();
    assert_eq!((verified.depth, verified.sound), (BlobDepth::Full, blobs.needed));
    assert_holds(&to, &samples).await;
    assert_eq!(contents(&target, "blobs").await.len(), 30);
    let phases = told.phases.lock().unwrap().clone();
    let at = |phase| phases.iter().position(|one| *one == phase).unwrap();
    assert!(at(Phase::Blobs) < at(Phase::Copy), "{phases:?}");
    let done = |phase| {
        let advanced = told.advanced.lock().unwrap();
        advanced.iter().filter(|(of, _)| *of == phase).map(|(_, done)| done).sum::<u64>()
    };
    assert_eq!(done(Phase::Blobs), 30);

    // Once more: nothing is copied, and all is read.
    let again = migrate((&source, &target), &moved, &options).await.unwrap();
    let blobs = again.blobs.unwrap();
    assert_eq!((again.outcome, blobs.copied.blobs), (Outcome::Verified, 0));
    assert_eq!(blobs.there, blobs.needed);
}

#[tokio::test]
async fn a_flipped_byte_is_named_and_the_others_arrive() {
    let place = tempfile::tempdir().unwrap();
    let samples = samples(20);
    let from = filled(&place.path().join("from"), &samples).await;
    samples[11].flip(&place.path().join("from"));
    let to = folder(&place.path().join("to")).await;
    let (source, target) = (source(&samples).await, empty());
    let report = migrate((&source, &target), &between(&from, &to), &options()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Differs);
    let blobs = report.blobs.unwrap();
    let key = samples[11].key.to_string();
    let [problem] = &*blobs.problems.first else { panic!("{:?}", blobs.problems) };
    assert_eq!((&problem.key, problem.kind), (&key, BlobProblemKind::Digest));
    assert!(problem.place.ends_with("from"), "{}", problem.place);
    assert_eq!((blobs.copied.blobs, blobs.problems.differs), (19, 1));
    assert!(to.head(&samples[11].key).await.is_err(), "wrong bytes do not arrive");
    let verified = blobs.verification.unwrap();
    assert_eq!((verified.problems.missing, verified.sound.blobs), (1, 19));
    assert_eq!(contents(&target, "blobs").await.len(), 20);
}

#[tokio::test]
async fn states_decide_which_bytes_are_needed() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(6);
    let from = filled(&place.path().join("from"), &of[..5]).await;
    let records = [
        of[0].record(),
        of[1].record_with("condemned", "main", ",\"delete_after\":\"2030-01-01T00:00:00Z\""),
        of[2].record_with("deleting", "main", ""),
        record(&of[5].key.to_string(), "\"state\":\"pending\",\"store\":\"main\""),
        // Nobody has uploaded these bytes.
        of[3].record_with("pending", "main", ""),
    ];
    let to = folder(&place.path().join("to")).await;
    let (source, told) = (store(&records).await, Told::default());
    let (schemas, options) = (support::schemas(), options());
    let how = (&schemas, &options);
    let moved = between(&from, &to);
    let report =
        repo_migrate::migrate_with_blobs(&source, &empty(), how, &moved, &told).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    let blobs = report.blobs.unwrap();
    assert_eq!((blobs.needed.blobs, blobs.copied.blobs), (2, 2));
    assert_eq!((blobs.pending, blobs.deleting), (2, 1));
    // The fifth has no record at all.
    assert_eq!(blobs.unrecorded.count, 1);
    assert!(blobs.unrecorded.first[0].ends_with(&of[4].key.to_string()));
    assert!(to.head(&of[4].key).await.is_err());
    let warnings = told.warnings.lock().unwrap().join("\n");
    assert!(warnings.contains("2 uploads had not ended"), "{warnings}");
    assert!(warnings.contains("1 blobs of the source have no record"), "{warnings}");
}

#[tokio::test]
async fn a_missing_blob_and_records_that_do_not_fit_are_named() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(4);
    let from = filled(&place.path().join("from"), &of[..3]).await;
    let other = repo_blob::BlobDigest::of(b"other").sha256;
    let wrong = format!(
        "\"state\":\"active\",\"store\":\"main\",\"size\":{},\"sha256\":\"{other}\"",
        of[1].bytes.len()
    );
    let longer = format!(
        "\"state\":\"active\",\"store\":\"main\",\"size\":9,\"sha256\":\"{}\"",
        repo_blob::BlobDigest::of(&of[2].bytes).sha256
    );
    let records: Vec<Record> = vec![
        of[0].record(),
        record(&of[1].key.to_string(), &wrong),
        record(&of[2].key.to_string(), &longer),
        of[3].record(),
        record("no-key", "\"state\":\"active\",\"store\":\"main\",\"size\":1"),
    ];
    let to = folder(&place.path().join("to")).await;
    let source = store(&records).await;
    let dry = MigrationOptions { dry_run: true, ..options() };
    let found = migrate((&source, &empty()), &between(&from, &to), &dry).await.unwrap();
    assert_eq!(found.outcome, Outcome::DryRunDiffers);
    let report = migrate((&source, &empty()), &between(&from, &to), &options()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Differs);
    let problems = report.blobs.unwrap().problems;
    assert_eq!((problems.missing, problems.differs, problems.unreadable), (1, 2, 1));
    let kind_of = |key: &str| problems.first.iter().find(|one| one.key == key).unwrap().kind;
    assert_eq!(kind_of(&of[1].key.to_string()), BlobProblemKind::Digest);
    assert_eq!(kind_of(&of[2].key.to_string()), BlobProblemKind::Size);
    assert_eq!(kind_of(&of[3].key.to_string()), BlobProblemKind::Missing);
    assert_eq!(kind_of("no-key"), BlobProblemKind::Record);
    assert_holds(&to, &of[..1]).await;
}

#[tokio::test]
async fn a_blob_of_the_target_is_never_replaced_and_full_reading_finds_it() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(5);
    let from = filled(&place.path().join("from"), &of).await;
    let to = filled(&place.path().join("to"), &of[3..]).await;
    of[4].flip(&place.path().join("to"));
    let source = source(&of).await;
    let by_size = between(&from, &to).with_depth(Some(BlobDepth::Size));
    let report = migrate((&source, &empty()), &by_size, &options()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified, "a size says nothing of a byte");
    assert_eq!(report.blobs.unwrap().there.blobs, 2);
    let report = migrate((&source, &empty()), &between(&from, &to), &options()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Differs);
    let problems = report.blobs.unwrap().verification.unwrap().problems;
    assert_eq!((problems.differs, &*problems.first[0].key), (1, &*of[4].key.to_string()));

    // One of another size is named at once, and stays.
    std::fs::write(of[3].file(&place.path().join("to")), b"x").unwrap();
    let report = migrate((&source, &empty()), &by_size, &options()).await.unwrap();
    let problem = report.blobs.unwrap().problems.first[0].clone();
    assert_eq!((problem.kind, problem.found.as_deref()), (BlobProblemKind::Size, Some("1")));
    assert_eq!(std::fs::read(of[3].file(&place.path().join("to"))).unwrap(), b"x");
}

#[tokio::test]
async fn an_interrupted_copy_resumes_by_key() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(40);
    let from = filled(&place.path().join("from"), &of).await;
    let to = folder(&place.path().join("to")).await;
    let (source, target) = (source(&of).await, empty());
    let told = Told { stop_after: Some(7), ..Told::default() };
    let (schemas, options) = (support::schemas(), options());
    let how = (&schemas, &options);
    let moved = between(&from, &to);
    let report =
        repo_migrate::migrate_with_blobs(&source, &target, how, &moved, &told).await.unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted);
    let there = to.list(None, repo_blob::PageLimit::MAX).await.unwrap().len() as u64;
    assert!((7..40).contains(&there), "{there}");
    assert!(target.collections().await.unwrap().is_empty(), "records come after all blobs");
    let report = migrate((&source, &target), &moved, &options).await.unwrap();
    let blobs = report.blobs.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    // A blob that was under way may have become one since.
    assert!(blobs.there.blobs >= there, "{blobs:?}");
    assert_eq!(blobs.copied.blobs, 40 - blobs.there.blobs);
    assert_holds(&to, &of).await;
}

#[tokio::test]
async fn each_store_that_records_name_has_its_place() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(12);
    let [hot, cold] = ["hot", "cold"].map(|name| place.path().join(name));
    let (hot, cold) = (filled(&hot, &of[..6]).await, filled(&cold, &of[6..]).await);
    let name_of = |at: usize| if at < 6 { "hot" } else { "cold" };
    let records: Vec<Record> =
        of.iter().enumerate().map(|(at, one)| one.record_with("active", name_of(at), "")).collect();
    let source = store(&records).await;
    let [to_hot, to_cold] = ["to-hot", "to-cold"].map(|name| place.path().join(name));
    let (to_hot, to_cold) = (folder(&to_hot).await, folder(&to_cold).await);
    let mut from = BlobPlaces::default();
    from.add(Some("hot"), hot).unwrap();
    from.add(None, cold).unwrap();
    let mut to = BlobPlaces::default();
    to.add(Some("cold"), Arc::clone(&to_cold)).unwrap();
    to.add(Some("hot"), Arc::clone(&to_hot)).unwrap();
    let target = empty();
    let moved = repo_migrate::BlobMove::new(from, to.clone());
    let report = migrate((&source, &target), &moved, &options()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert_holds(&to_hot, &of[..6]).await;
    assert_holds(&to_cold, &of[6..]).await;
    assert!(to_hot.head(&of[7].key).await.is_err());

    let found = verify_blobs(&target, "target", &to, BlobDepth::Full, &Silent).await.unwrap();
    assert!(found.is_equal() && found.sound.blobs == 12);
    of[2].flip(&place.path().join("to-hot"));
    let found = verify_blobs(&target, "target", &to, BlobDepth::Full, &Silent).await.unwrap();
    assert_eq!(found.problems.first[0].key, of[2].key.to_string());
    let found = verify_blobs(&target, "target", &to, BlobDepth::Size, &Silent).await.unwrap();
    assert!(found.is_equal());
}

#[tokio::test]
async fn a_dry_run_counts_and_makes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let of = samples(8);
    let from = filled(&place.path().join("from"), &of).await;
    let path = place.path().join("to");
    let options_of_blobs = BlobOptions::default();
    let to = repo_migrate::open_target(path.to_str().unwrap(), &options_of_blobs, false).await;
    let to = to.unwrap();
    let dry = MigrationOptions { dry_run: true, ..options() };
    let report = migrate((&source(&of).await, &empty()), &between(&from, &to), &dry).await.unwrap();
    let blobs = report.blobs.unwrap();
    let bytes: usize = of.iter().map(|one| one.bytes.len()).sum();
    assert_eq!(report.outcome, Outcome::DryRun);
    assert_eq!((blobs.copied.blobs, blobs.copied.bytes), (8, bytes as u64));
    assert!(!path.exists());
}
