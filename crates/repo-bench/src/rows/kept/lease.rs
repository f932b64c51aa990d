//! What a lease costs that nobody else wants.

use std::sync::Arc;
use std::time::Duration;

use repo_core::Result;
use repo_lease::{LeaseScope, LeaseTtl, Leases};

use super::kind::Kind;
use crate::bench::Bench;
use crate::grouping::grouped;
use crate::measure::{Timed, timed};
use crate::ours;
use crate::plan::Book;

pub(super) async fn run(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let scale = bench.scale();
    let made = kind.filled(bench, "lease", scale.store, 1).await?;
    let leases = Leases::new(Arc::clone(&made.store));
    leases.prepare().await?;
    let mut book = Book::new(scale.store);
    let lease = async || take_turns(&leases, scale.commits).await;
    let update = async || ours::updates(&made.store, &book.updates(scale.commits)).await;
    let at = format!("{} entities", grouped(scale.store));
    bench.compare_finely(&kind.rows().lease, at, lease, update).await?;
    made.end().await
}

/// Acquires one lease again and again, and gives it back each time.
async fn take_turns(leases: &Leases, count: usize) -> Result<Timed> {
    let (scope, ttl) = (LeaseScope::new("bench")?, LeaseTtl::new(Duration::from_secs(60))?);
    timed(count, async {
        for _ in 0..count {
            leases.acquire(&scope, ttl).await?.release().await?;
        }
        Ok(())
    })
    .await
}
