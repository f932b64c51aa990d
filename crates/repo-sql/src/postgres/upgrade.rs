//! Bringing a store of an older layout to the present one.

use repo_core::Result;
use repo_core::strategy::never_prepared;

use super::prepare_lock::lock;
use super::shared::Shared;
use super::transaction::{Sees, Transaction};
use crate::Dialect;
use crate::ddl::upgrade_statements;
use crate::layout::LAYOUT_VERSION;

pub(super) const OPERATION: &str = "upgrade the layout";

/// Upgrades the store in one transaction, and gives the layout that it was in;
/// `None` when there was nothing to do.
pub(super) async fn upgrade(shared: &Shared) -> Result<Option<u32>> {
    // What is locked has to be there.
    if !shared.read_catalog(OPERATION).await?.prepared {
        return Err(never_prepared(OPERATION, &shared.location));
    }
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, OPERATION, Sees::Committed, vec![lock(shared)]).await?;
    match in_transaction(shared, &mut transaction).await {
        Ok(from) => {
            transaction.commit().await?;
            shared.read_catalog(OPERATION).await?;
            Ok(from)
        }
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

async fn in_transaction(shared: &Shared, transaction: &mut Transaction) -> Result<Option<u32>> {
    // Read under the lock: another process may have been faster.
    let known = shared.read_catalog_in(transaction).await?;
    if known.layout == LAYOUT_VERSION {
        return Ok(None);
    }
    let statements = upgrade_statements(Dialect::Postgres, known.layout);
    transaction.run(&statements.join(";\n")).await?;
    Ok(Some(known.layout))
}
