//! What the change feed and histories cost the writer, and how they are read; what a lease
//! costs. Both sides of these rows are the engine, or two ways to ask it.

mod feed;
mod history;
mod kind;
mod lag;
mod lease;
mod rows;

use repo_core::Result;

pub(super) use kind::Kind;
pub(super) use rows::{JSON, POSTGRES, SQLITE};

use crate::bench::Bench;

/// Measures the rows of a kind of store that are asked for.
pub(super) async fn run(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let rows = kind.rows();
    if bench.wants_any(&[&rows.captured, &rows.read]) {
        Box::pin(feed::run(bench, kind)).await?;
    }
    if bench.wants_any(&[&rows.follow, &rows.lag]) {
        Box::pin(lag::run(bench, kind)).await?;
    }
    if bench.wants(&rows.history) {
        Box::pin(history::updates(bench, kind)).await?;
    }
    if bench.wants(&rows.as_of) {
        Box::pin(history::as_of(bench, kind)).await?;
    }
    if bench.wants(&rows.lease) {
        Box::pin(lease::run(bench, kind)).await?;
    }
    Ok(())
}
