//! A source that nobody writes to is read no more often than it has to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use repo_core::strategy::Record;
use repo_migrate::{MigrationOptions, MigrationReport, Outcome, Silent, migrate};

use crate::places::Place;
use crate::stores::{Probe, Store, empty, fill, live, many, options, schemas, with_backup};

/// A migration out of a place, during which somebody else may write there;
/// and how many records of the source were read.
async fn moved(place: Place, backup: bool, written: Option<Record>) -> (MigrationReport, u64) {
    let folder = tempfile::tempdir().unwrap();
    let (data, schemas) = (folder.path().join("data"), schemas(&["machines"]));
    std::fs::create_dir(&data).unwrap();
    let other = place.open(&data, &schemas, false).await.unwrap();
    fill(&other, &many(1_000)).await;
    let mut source = Probe::new(place.open(&data, &schemas, true).await.unwrap());
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    source.on_scan = Arc::new(Box::new(move |_, records| {
        counted.fetch_add(records.len() as u64, Ordering::SeqCst);
        Ok(records)
    }));
    let mut target = Probe::new(empty());
    target.on_apply = Box::new(move |number, records| {
        if number == 5
            && let Some(record) = written.clone()
        {
            // The store may need this thread for its own tasks.
            let runtime = tokio::runtime::Handle::current();
            let applied =
                tokio::task::block_in_place(|| runtime.block_on(other.apply(vec![record])));
            applied.unwrap();
        }
        Ok(records)
    });
    let (from, into): (Store, Store) = (Arc::new(source), Arc::new(target));
    let backups = folder.path().join("backups");
    let options = if backup { with_backup(&backups) } else { options() };
    let options = MigrationOptions { workers: 2.try_into().unwrap(), ..options };
    let report = migrate(&from, &into, &schemas, &options, &Silent).await.unwrap();
    (report, read.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wrote_to_is_compared_as_it_was_read() {
    for place in Place::all() {
        // Into the archive; or checked, and then copied.
        for (backup, times) in [(true, 1), (false, 2)] {
            let (report, read) = moved(place, backup, None).await;
            assert_eq!(report.outcome, Outcome::Verified, "{}", place.name);
            // Some more to see whether there is anything.
            assert!((times * 1_000..times * 1_000 + 500).contains(&read), "{}: {read}", place.name);
            let verification = report.verification.unwrap();
            let collection = &verification.collections[0];
            assert!(!collection.source_read_again, "{}", place.name);
            assert_eq!(collection.source, collection.target, "{}", place.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_wrote_to_is_read_again() {
    for place in Place::all() {
        for backup in [true, false] {
            let written = live("m-new", 1, "\"by\":\"someone\"");
            let (report, _) = moved(place, backup, Some(written)).await;
            let collection = &report.verification.unwrap().collections[0];
            assert!(collection.source_read_again, "{}", place.name);
            // Without an archive it may have been copied before it was compared.
            let found = (collection.missing, collection.source_changed);
            assert!(found == (1, 1) || (!backup && found == (0, 0)), "{}: {found:?}", place.name);
            assert_eq!((collection.differs, collection.unexpected), (0, 0), "{}", place.name);
        }
    }
}
