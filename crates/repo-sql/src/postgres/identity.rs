//! What distinguishes a PostgreSQL database from others, by any name of its server.

use repo_core::Result;
use repo_core::strategy::{PhysicalIdentity, UnfinishedJob};

use super::rows::{optional_text_at, text_at, truth_at};
use super::shared::Shared;
use super::statement::Statement;
use super::store_record::job_of;
use super::transaction::{Sees, Transaction};
use crate::errors;

const OPERATION: &str = "identify the store";

/// The start of the server to the microsecond distinguishes a running server
/// from all others, also from one on a physical copy of its data, which has the same
/// system identifier. Administrators may keep that from a role.
const FACTS: &str = "SELECT extract(epoch FROM pg_postmaster_start_time())::text, \
     (SELECT oid::text FROM pg_database WHERE datname = current_database()), \
     pg_is_in_recovery(), \
     CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE') \
     THEN (SELECT system_identifier::text FROM pg_control_system()) END";

/// Reads the identity; `None` where the server does not tell: not every server
/// that speaks the protocol knows these functions.
pub(super) async fn read(shared: &Shared) -> Result<Option<PhysicalIdentity>> {
    shared.check_open(OPERATION)?;
    let (transaction, _) =
        Transaction::begin(&shared.pool, OPERATION, Sees::OneState, Vec::new()).await?;
    let rows = transaction.rows(Statement::made(FACTS.to_owned(), [])).await;
    transaction.rollback().await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            tracing::debug!(%error, "the server does not say which one it is");
            return Ok(None);
        }
    };
    let [row, ..] = rows.as_slice() else { return Ok(None) };
    let (server, database) = (text_at(row, 0)?, text_at(row, 1)?);
    let mut found = PhysicalIdentity::new("postgresql")
        .holds(format!("{server}/{database}/{}", shared.schema))
        .within(server);
    if let Some(cluster) = optional_text_at(row, 3)? {
        found = found.apart_by(cluster);
    }
    if truth_at(row, 2) {
        found = found.replica("a server in recovery, which repeats what another one does");
    }
    Ok(Some(found))
}

/// The unfinished job as a connection sees it that is made for this alone.
pub(super) async fn unfinished_job_afresh(shared: &Shared) -> Result<Option<UnfinishedJob>> {
    let operation = "read the store's record";
    shared.check_open(operation)?;
    let connection = shared.pool.connector().connect().await?;
    let sql = "SELECT migration_plan, migration_progress FROM _repo_store";
    let rows = connection
        .rows_alone(Statement::made(sql.to_owned(), []))
        .await
        .map_err(|source| errors::postgres(operation, &shared.location, source))?;
    let [row, ..] = rows.as_slice() else { return Ok(None) };
    Ok(job_of(optional_text_at(row, 0)?, optional_text_at(row, 1)?))
}
