//! What reading one page takes, by PostgreSQL's own account.

use repo_core::{Plan, Query, QueryAnalysis, Result};

use super::measured::Measured;
use super::read::{Reading, page};
use super::shared::Shared;
use super::table::Table;
use super::transaction::{Sees, Transaction};

/// What one page takes, as the database measures it in a transaction that writes nothing
/// and is rolled back. Each statement runs twice: for its plan, and for the place where the
/// next one begins.
pub(super) async fn analyze(
    shared: &Shared,
    table: &Table,
    query: &Query,
) -> Result<QueryAnalysis> {
    let (transaction, _) =
        Transaction::begin(&shared.pool, "query", Sees::OneState, Vec::new()).await?;
    let mut measured = Measured::default();
    let read = page(Reading::Measured(&transaction, &mut measured), table, query).await;
    transaction.rollback().await;
    let (mut page, mut effort) = read?;
    // Where processes shared the work, PostgreSQL gives a mean of each, and rounds it.
    let handed_over = page.entities.len() as u64 + effort.engine_filtered;
    effort.examined = measured.examined.max(handed_over);
    // The index of the ids is also how a scan goes on.
    let ids = format!("{}_pkey", table.layout.table);
    let by_ids = page.plan == Plan::Index { name: ids.clone() };
    page.plan = match measured.searched {
        Some(name) if name != ids || by_ids => Plan::Index { name },
        _ => Plan::Scan,
    };
    let analysis = QueryAnalysis::counted(&page, effort).with_keys(|index| index == ids);
    Ok(QueryAnalysis { estimated: measured.estimated, ..analysis })
}
