//! Removing entities whose time to live has passed.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use repo_core::ErrorKind;
use repo_layers::{Layer as _, SweepOptions, sweep};

use super::expiry_support::{EXPIRING, Expiring, HOUR, Renewing, expiring, seen, swept, until};
use super::feed_support::{all_after, assert_seen, hold};
use super::support::{assert_kind, fill, key, live, put, record, records, save};
use crate::Fixture;

fn in_batches(size: usize) -> SweepOptions {
    SweepOptions::default().with_batch_size(NonZeroUsize::new(size).unwrap())
}

/// 25 entities of each collection whose time has passed, and 5 others.
async fn with_passed(f: &Fixture) -> Expiring {
    let e = expiring(f).await;
    for name in EXPIRING {
        let time = |n: usize| if n < 25 { "09:00:00" } else { "23:00:00" };
        let writes = (0..30).map(|n| put(&key(name, &format!("{n:02}")), &until(name, time(n))));
        fill(&e.store, writes.collect()).await;
    }
    f.clock.advance(HOUR);
    e
}

/// The sweeper deletes by version what has passed, and nothing else; a second one finds nothing.
pub async fn the_sweeper_deletes_what_has_passed(f: Fixture) {
    let e = with_passed(&f).await;
    let done = swept(&f, &e, &in_batches(10)).await;
    let names: Vec<&str> = done.iter().map(|one| one.collection.as_str()).collect();
    assert_eq!(names, EXPIRING);
    for one in &done {
        assert_eq!((one.removed, one.no_time, one.more), (25, 0, false), "{one:?}");
    }
    for name in EXPIRING {
        for (n, record) in records(&e.raw, name).await.iter().enumerate() {
            let expected = if n < 25 { (2, false) } else { (1, true) };
            assert_eq!((record.version().get(), record.is_live()), expected, "{record:?}");
        }
    }
    assert!(swept(&f, &e, &in_batches(10)).await.iter().all(|one| one.removed == 0));
}

/// A sweep ends after as many deletions as it was given.
pub async fn a_sweep_can_be_bounded(f: Fixture) {
    let e = with_passed(&f).await;
    let most = |count| in_batches(4).with_most(NonZeroU64::new(count));
    let counts = |done: Vec<repo_layers::Swept>| -> Vec<(u64, bool)> {
        done.into_iter().map(|one| (one.removed, one.more)).collect()
    };
    assert_eq!(counts(swept(&f, &e, &most(7)).await), [(7, true), (0, true)]);
    assert_eq!(counts(swept(&f, &e, &most(30)).await), [(18, false), (12, true)]);
    assert_eq!(counts(swept(&f, &e, &most(100)).await), [(0, false), (13, false)]);
}

/// What somebody writes between the sweeper's look and its deletion stays.
pub async fn what_is_written_meanwhile_stays(f: Fixture) {
    let e = expiring(&f).await;
    for id in ["a", "b", "renewed"] {
        save(&e.store, &key("sessions", id), &until("sessions", "09:00:00")).await;
    }
    f.clock.advance(HOUR);
    let between = Renewing::default().around(Arc::clone(&e.raw));
    let done = sweep(&*between, &e.schemas, &*f.clock, &SweepOptions::default()).await.unwrap();
    assert_eq!(done[0].removed, 2);
    let ids = ["a", "b", "renewed"];
    assert_eq!(seen(&e.store, "sessions", &ids).await, ["renewed"]);
    let renewed = record(&e.raw, &key("sessions", "renewed")).await.unwrap();
    assert_eq!((renewed.version().get(), renewed.is_live()), (2, true));
}

/// What says no time, because a copy brought it, is left for somebody to look at.
pub async fn what_says_no_time_is_left_and_named(f: Fixture) {
    let e = expiring(&f).await;
    let (session, ticket) = (key("sessions", "s"), key("tickets", "t"));
    let copies = vec![
        live(&session, 1, r#""until": "1 day""#, 1_000),
        live(&ticket, 1, r#""until": -1"#, 1_000),
    ];
    e.store.apply(copies).await.unwrap();
    assert!(seen(&e.store, "sessions", &["s"]).await.is_empty());
    for (one, id) in swept(&f, &e, &SweepOptions::default()).await.iter().zip(["s", "t"]) {
        assert_eq!((one.removed, one.no_time), (0, 1), "{one:?}");
        assert_eq!(one.first_without_time[0].as_str(), id);
    }
    assert!(record(&e.raw, &session).await.unwrap().is_live());
    assert!(record(&e.raw, &ticket).await.unwrap().is_live());
}

/// The feed tells of the deletions, as of any others.
pub async fn the_feed_shows_the_deletions(f: Fixture) {
    let e = expiring(&f).await;
    if !e.raw.capabilities().changes {
        assert_kind(e.raw.head().await, ErrorKind::Unsupported);
        return;
    }
    hold(&e.raw, "a").await;
    let head = e.store.head().await.unwrap();
    save(&e.store, &key("sessions", "over"), &until("sessions", "09:00:00")).await;
    save(&e.store, &key("sessions", "later"), &until("sessions", "23:00:00")).await;
    f.clock.advance(HOUR);
    swept(&f, &e, &SweepOptions::default()).await;
    let (changes, _) = all_after(&e.store, Some(&head), 10).await;
    assert_seen(&changes, &[("over", 1, false), ("over", 2, true), ("later", 1, false)]);
}

/// A store that is open for reading only is not swept.
pub async fn a_store_for_reading_is_not_swept(f: Fixture) {
    let e = with_passed(&f).await;
    let options = f.options().with_schemas(Arc::clone(&e.schemas)).with_read_only(true);
    e.store.close().await.unwrap();
    let reader = f.open_with(options).await.unwrap();
    let done = sweep(&*reader, &e.schemas, &*f.clock, &SweepOptions::default()).await;
    assert_kind(done, ErrorKind::Unsupported);
    assert_eq!(records(&reader, "sessions").await.iter().filter(|one| one.is_live()).count(), 30);
}
