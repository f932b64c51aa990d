//! Records written as they are, when their version is higher.

use repo_core::strategy::{Applied, Record};
use repo_core::{Error, Result};

use super::commit::{stored_text, table};
use super::digest::Signed;
use super::fence;
use super::jobs::Transaction;
use super::rows;
use super::shared::Shared;
use super::table::Table;
use crate::errors;

/// Applies records in order, in the transaction that is open.
pub(super) fn apply(
    shared: &Shared,
    transaction: &Transaction<'_>,
    records: &[Record],
) -> Result<Vec<Applied>> {
    fence::check_apply(shared, transaction, "apply")?;
    fence::behind(shared, transaction, || apply_runs(shared, transaction, records))
}

fn apply_runs(
    shared: &Shared,
    transaction: &Transaction<'_>,
    records: &[Record],
) -> Result<Vec<Applied>> {
    let mut answers = Vec::with_capacity(records.len());
    let mut at = 0;
    while let Some(first) = records.get(at) {
        // One lookup of the statement for a run of one collection.
        let run = records[at..]
            .iter()
            .take_while(|record| record.collection() == first.collection())
            .count();
        let table = table(shared, transaction, "apply", first.collection())?;
        apply_run(shared, transaction, table, &records[at..at + run], &mut answers)?;
        at += run;
    }
    Ok(answers)
}

fn apply_run(
    shared: &Shared,
    transaction: &Transaction<'_>,
    table: &Table,
    records: &[Record],
    answers: &mut Vec<Applied>,
) -> Result<()> {
    let failed = |source| errors::sqlite("apply", shared.file(), source);
    let prepared = |sql: &str| transaction.connection.prepare_cached(sql).map_err(failed);
    let mut insert = prepared(&table.statements.insert_new)?;
    let mut raise = prepared(&table.statements.raise)?;
    for record in records {
        let created_at = match record {
            Record::Live(entity) => entity.created_at,
            Record::Tombstone(tombstone) => tombstone.deleted_at,
        };
        let document = record.document().map(stored_text);
        let signed = Signed {
            id: record.id().as_str(),
            version: record.version().as_i64(),
            updated_at: record.updated_at().as_micros(),
            document: document.as_deref(),
        };
        let created_at = created_at.as_micros();
        let changed = match table.store(&mut insert, &signed, created_at).map_err(failed)? {
            0 => table.store(&mut raise, &signed, created_at).map_err(failed)?,
            inserted => inserted,
        };
        answers.push(match changed {
            0 => compare(shared, transaction, table, record)?,
            _ => Applied::Applied,
        });
    }
    Ok(())
}

/// Why a record was not written.
fn compare(
    shared: &Shared,
    transaction: &Transaction<'_>,
    table: &Table,
    record: &Record,
) -> Result<Applied> {
    let failed = |source| errors::sqlite("apply", shared.file(), source);
    let mut get = transaction.connection.prepare_cached(&table.statements.get).map_err(failed)?;
    let mut rows = get.query([record.id().as_str()]).map_err(failed)?;
    match rows.next().map_err(failed)? {
        Some(row) => {
            let stored = rows::record(record.collection(), row)?;
            Ok(record.compare_to_stored(Some(&stored)))
        }
        None => Err(Error::new(
            repo_core::ErrorKind::Foreign,
            "apply",
            "a record was neither written nor is it there",
        )
        .with("key", record.key())
        .hint("a trigger of another tool on the table may have refused it")),
    }
}
