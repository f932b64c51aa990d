//! What a lease costs that nobody else wants.

use repo_core::Result;

use super::kind::Kind;
use crate::bench::Bench;
use crate::grouping::grouped;
use crate::ours;
use crate::plan::Book;

pub(super) async fn run(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let scale = bench.scale();
    let made = kind.filled(bench, "lease", scale.store, 1).await?;
    let leases = ours::leases(&made.store).await?;
    let mut book = Book::new(scale.store);
    let lease = async || ours::lease_turns(&leases, scale.commits).await;
    let update = async || ours::updates(&made.store, &book.updates(scale.commits)).await;
    let at = format!("{} entities", grouped(scale.store));
    bench.compare_finely(&kind.rows().lease, at, lease, update).await?;
    made.end().await
}
