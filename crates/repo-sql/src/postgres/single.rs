//! A commit of one write: one statement, one round trip.

use std::sync::Arc;

use repo_core::strategy::Record;
use repo_core::{Change, Error, Precondition, Result, Timestamp, Version, Write, Written};

use super::role;
use super::rows;
use super::shared::Shared;
use super::statement::{JsonText, SqlValue, Statement};
use super::table::Table;
use crate::errors;

/// How often a write is tried again because the record changed between the
/// write and the look at why it did nothing.
const MOST_TRIES: usize = 32;

/// Does one write.
///
/// # Errors
/// The precondition that does not hold, with the version found.
pub(super) async fn write(
    shared: &Shared,
    table: &Arc<Table>,
    write: &Write,
    now: Timestamp,
) -> Result<Written> {
    for _ in 0..MOST_TRIES {
        if let Some(statement) = statement(table, write, now)
            && let Some(written) = try_write(shared, statement, write, now).await?
        {
            return Ok(written);
        }
        // A statement that changes no row meets the fence all the same, but where there is
        // none to run, nothing does.
        if statement(table, write, now).is_none() {
            role::check_commit(shared).await?;
        }
        if let Some(outcome) = explain(shared, table, write).await? {
            return Ok(outcome);
        }
    }
    // An error says what is against a write, and there was none.
    Err(errors::not_stored(&shared.location).with("key", &write.key))
}

/// The statement; `None` when nothing is to be written.
fn statement(table: &Table, write: &Write, now: Timestamp) -> Option<Statement> {
    let texts = &table.statements;
    let mut values =
        vec![SqlValue::Text(write.key.id.to_string()), SqlValue::Number(now.as_micros())];
    let sql = match (&write.change, write.precondition) {
        (Change::Check, _) | (Change::Delete, Precondition::Absent) => return None,
        (Change::Put(document), precondition) => {
            values.push(SqlValue::Json(Some(JsonText(document.clone()))));
            match precondition {
                Precondition::Any => &texts.put,
                Precondition::Absent => &texts.put_absent,
                Precondition::Exists => &texts.put_exists,
                Precondition::Version(_) => &texts.put_version,
            }
        }
        (Change::Delete, Precondition::Version(_)) => &texts.delete_version,
        (Change::Delete, _) => &texts.delete,
    };
    if let Precondition::Version(version) = write.precondition {
        values.push(SqlValue::Number(version.as_i64()));
    }
    Some(Statement::new(sql, values))
}

/// What was written; `None` if nothing was.
async fn try_write(
    shared: &Shared,
    statement: Statement,
    write: &Write,
    now: Timestamp,
) -> Result<Option<Written>> {
    let mut connection = shared.pool.get().await?;
    let rows = connection.alone(statement).await.map_err(|source| {
        if errors::is_lost(&source) {
            return errors::outcome_unknown("commit", &shared.location, source)
                .with("key", &write.key);
        }
        errors::postgres("commit", &shared.location, source).with("key", &write.key)
    })?;
    let Some(row) = rows.first() else { return Ok(None) };
    let version = rows::version_at(row, 0)?;
    Ok(Some(match write.change {
        Change::Put(_) => {
            Written::Put { version, created_at: rows::time_at(row, 1)?, updated_at: now }
        }
        _ => Written::Deleted { version, deleted_at: now },
    }))
}

/// Why nothing was written; `None` when it should be tried again.
async fn explain(shared: &Shared, table: &Table, write: &Write) -> Result<Option<Written>> {
    let id = SqlValue::Text(write.key.id.to_string());
    let mut connection = shared.pool.get().await?;
    let rows = connection
        .alone(Statement::new(&table.statements.get, [id]))
        .await
        .map_err(|source| errors::postgres("commit", &shared.location, source))?;
    let stored = rows.first().map(|row| rows::record(&write.key.collection, row)).transpose()?;
    let live = stored.as_ref().filter(|record| record.is_live()).map(Record::version);
    if let Some(failure) = write.failure(live) {
        return Err(Error::preconditions("commit", vec![failure]));
    }
    let nothing = match write.change {
        Change::Check => true,
        Change::Delete => live.is_none(),
        Change::Put(_) => false,
    };
    if nothing {
        return Ok(Some(Written::Unchanged));
    }
    match stored {
        Some(record) => record.version().next()?,
        None => Version::after(floor(shared, write).await?)?,
    };
    Ok(None)
}

async fn floor(shared: &Shared, write: &Write) -> Result<u64> {
    let record = super::store_record::read(shared).await?;
    Ok(record.collections.get(&write.key.collection).map_or(0, |state| state.floor))
}
