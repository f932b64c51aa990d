//! What the change feed costs the writer, and how fast it is read. Both sides of the
//! first rows are the engine: one captures, the other does not.

use std::num::NonZeroUsize;

use repo_core::Result;
use repo_core::strategy::{CaptureHolder, FeedPosition, StoreUpdate};

use super::postgres;
use super::servers::unique;
use crate::bench::Bench;
use crate::errors;
use crate::grouping::grouped;
use crate::measure::{Timed, timed};
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::row::{Bound, Measure, Row};

const CAPTURED: &str = "one conditional update while changes are captured";
const NOT_CAPTURED: &str = "the same update while they are not";
const READ: &str = "reading the feed, 1,000 changes with their records at once";

static SQLITE: Row = Row {
    name: "sqlite.update_captured",
    what: CAPTURED,
    against: NOT_CAPTURED,
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.15)),
};
static SQLITE_READ: Row = Row {
    name: "sqlite.feed_read",
    what: READ,
    against: "a scan of as many records",
    measure: Measure::Rate,
    bound: None,
};

pub(super) static ROWS: [&Row; 2] = [&SQLITE, &SQLITE_READ];

static POSTGRES: Row = Row {
    name: "postgresql.update_captured",
    what: CAPTURED,
    against: NOT_CAPTURED,
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.1)),
};
static POSTGRES_READ: Row = Row {
    name: "postgresql.feed_read",
    what: READ,
    against: "a scan of as many records",
    measure: Measure::Rate,
    bound: None,
};

pub(super) static POSTGRES_ROWS: [&Row; 2] = [&POSTGRES, &POSTGRES_READ];

pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants_any(&ROWS) {
        return Ok(());
    }
    let machines = bench.scale().store;
    bench.say(&format!("sqlite: making two stores of {} entities", grouped(machines)));
    let mut stores = Vec::with_capacity(2);
    for name in ["captured.db", "not-captured.db"] {
        let store = ours::open_sqlite(&bench.path(name), false).await?;
        ours::fill(&store, machines).await?;
        stores.push(store);
    }
    measure(bench, &SQLITE, &SQLITE_READ, &stores[0], &stores[1]).await?;
    for store in stores {
        store.close().await?;
    }
    Ok(())
}

pub(super) async fn run_postgres(bench: &mut Bench, url: &str) -> Result<()> {
    if !bench.wants_any(&POSTGRES_ROWS) {
        return Ok(());
    }
    let machines = bench.scale().store;
    bench.say(&format!("postgresql: making two stores of {} entities", grouped(machines)));
    let server = postgres::Server::at(url);
    let [captured, plain] = ["captured", "plain"].map(unique);
    let mut stores = Vec::with_capacity(2);
    for schema in [&captured, &plain] {
        let store = postgres::open(url, schema, 1).await?;
        ours::fill(&store, machines).await?;
        server.settle(schema).await?;
        stores.push(store);
    }
    measure(bench, &POSTGRES, &POSTGRES_READ, &stores[0], &stores[1]).await?;
    for (store, schema) in stores.iter().zip([&captured, &plain]) {
        store.close().await?;
        server.remove(schema).await?;
    }
    Ok(())
}

async fn measure(
    bench: &mut Bench,
    update: &'static Row,
    read: &'static Row,
    captured: &Store,
    plain: &Store,
) -> Result<()> {
    let scale = bench.scale();
    let holder = CaptureHolder::new("bench", "row")?;
    captured.update_store_record(StoreUpdate::HoldCapture(holder)).await?;
    let begin = captured.head().await?;
    let (mut mine, mut theirs) = (Book::new(scale.store), Book::new(scale.store));
    let at = format!("{} entities", grouped(scale.store));
    let on = async || ours::updates(captured, &mine.updates(scale.commits)).await;
    let off = async || ours::updates(plain, &theirs.updates(scale.commits)).await;
    bench.compare_finely(update, at.clone(), on, off).await?;
    if !bench.wants(read) {
        return Ok(());
    }
    // Enough that reading takes a while, whatever was measured before.
    ours::updates_at_once(captured, mine.updates(20_000.min(scale.store)), scale.callers).await?;
    let feed = async || read_all(captured, &begin).await;
    let scan = async || ours::scan(plain, scale.store).await;
    bench.compare(read, at, feed, scan).await
}

/// Reads the whole feed from a position on.
async fn read_all(store: &Store, begin: &FeedPosition) -> Result<Timed> {
    let page = NonZeroUsize::new(ours::BATCH).unwrap_or(NonZeroUsize::MIN);
    let mut count = 0;
    let mut at = begin.clone();
    // The count is not known before, so the time is taken twice: once to count.
    loop {
        let found = store.changes(Some(&at), page).await?;
        if found.changes.is_empty() {
            break;
        }
        count += found.changes.len();
        at = found.next;
    }
    timed(count, async {
        let (mut read, mut at) = (0, begin.clone());
        while read < count {
            let found = store.changes(Some(&at), page).await?;
            read += found.changes.len();
            at = found.next;
        }
        errors::expect("read the feed", count, read)
    })
    .await
}
