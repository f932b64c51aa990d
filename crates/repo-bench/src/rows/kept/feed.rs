//! What capture costs, and how fast the feed is read.

use std::num::NonZeroUsize;

use repo_core::Result;
use repo_core::strategy::{CaptureHolder, FeedPosition, StoreUpdate};

use super::kind::Kind;
use crate::bench::Bench;
use crate::errors;
use crate::grouping::grouped;
use crate::measure::{Timed, timed};
use crate::ours::{self, Store};
use crate::plan::Book;

pub(super) async fn capture(store: &Store) -> Result<()> {
    let holder = CaptureHolder::new("bench", "row")?;
    store.update_store_record(StoreUpdate::HoldCapture(holder)).await.map(drop)
}

pub(super) async fn run(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let (rows, scale) = (kind.rows(), bench.scale());
    let captured = kind.filled(bench, "captured", scale.store, 1).await?;
    let plain = kind.filled(bench, "not_captured", scale.store, 1).await?;
    capture(&captured.store).await?;
    let begin = captured.store.head().await?;
    let (mut mine, mut theirs) = (Book::new(scale.store), Book::new(scale.store));
    let at = format!("{} entities", grouped(scale.store));
    let on = async || ours::updates(&captured.store, &mine.updates(scale.commits)).await;
    let off = async || ours::updates(&plain.store, &theirs.updates(scale.commits)).await;
    bench.compare_finely(&rows.captured, at.clone(), on, off).await?;
    // Whoever lost a change would be fast.
    read_all(&captured.store, &begin, mine.planned()).await?;
    if bench.wants(&rows.read) {
        // Enough that reading takes a while, whatever was measured before.
        let more = mine.updates(20_000.min(scale.store));
        ours::updates_at_once(&captured.store, more, scale.callers).await?;
        let count = mine.planned();
        let feed = async || read_all(&captured.store, &begin, count).await;
        let scan = async || ours::scan(&plain.store, scale.store).await;
        bench.compare(&rows.read, at, feed, scan).await?;
    }
    captured.end().await?;
    plain.end().await
}

/// Reads the whole feed from a position on, which is so many changes.
async fn read_all(store: &Store, begin: &FeedPosition, count: usize) -> Result<Timed> {
    let page = NonZeroUsize::new(ours::BATCH).unwrap_or(NonZeroUsize::MIN);
    timed(count, async {
        let (mut read, mut at) = (0, begin.clone());
        loop {
            let found = store.changes(Some(&at), page).await?;
            if found.changes.is_empty() {
                break;
            }
            read += found.changes.len();
            at = found.next;
        }
        errors::expect("read the feed", count, read)
    })
    .await
}
