//! Records written as they are, when their version is higher: in bulk by
//! arrays, one statement for many.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use repo_core::strategy::{Applied, Record};
use repo_core::{CollectionName, Consistency, EntityId, Error, ErrorKind, Result};

use super::loader;
use super::pool::LentLoader;
use super::read;
use super::role;
use super::rows::{self, PgRow};
use super::shared::Shared;
use super::statement::{JsonText, SqlValue, Statement};
use super::table::Table;
use super::transaction::{Sees, Transaction};
use crate::errors;

/// Most records in one statement.
const MOST_RECORDS: usize = 1_000;
/// A statement takes no more records once it holds so many bytes.
const MOST_BYTES: usize = 4 * 1_024 * 1_024;
/// Below so many records the insert saves less than the second round trip
/// costs, if one of them is there.
const FEWEST_INSERTED: usize = 50;

/// Applies records in order.
pub(super) async fn apply(shared: &Shared, records: &[Record]) -> Result<Vec<Applied>> {
    let mut answers = Vec::with_capacity(records.len());
    let mut rest = records;
    while let Some(first) = rest.first() {
        let (part, more) = rest.split_at(part_len(rest));
        let table = shared.table("apply", first.collection()).await?;
        answers.extend(apply_part(shared, &table, part).await?);
        rest = more;
    }
    Ok(answers)
}

/// How many of the first records go into one statement: of one collection,
/// and no id twice, since a statement changes a row only once.
fn part_len(records: &[Record]) -> usize {
    let mut ids: HashSet<&EntityId> = HashSet::new();
    let mut bytes = 0;
    let collection: Option<&CollectionName> = records.first().map(Record::collection);
    for record in records.iter().take(MOST_RECORDS) {
        let other = Some(record.collection()) != collection;
        if bytes >= MOST_BYTES || other || !ids.insert(record.id()) {
            break;
        }
        bytes += record.document().map_or(0, |document| document.as_str().len());
    }
    ids.len()
}

async fn apply_part(
    shared: &Shared,
    table: &Arc<Table>,
    records: &[Record],
) -> Result<Vec<Applied>> {
    // In one order, so that two that apply the same ids do not wait for each
    // other.
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by(|a, b| a.id().cmp(b.id()));
    if shared.options.works_for.is_none()
        && records.len() >= FEWEST_INSERTED
        && table.all_new.is_likely()
        && insert(shared, table, &sorted).await?
    {
        return Ok(vec![Applied::Applied; records.len()]);
    }
    let written = upsert(shared, table, &sorted).await?;
    if written.len() == records.len() {
        return Ok(vec![Applied::Applied; records.len()]);
    }
    let written: HashSet<EntityId> =
        written.iter().map(|row| rows::id_at(row, 0)).collect::<Result<_>>()?;
    let left: Vec<EntityId> =
        records.iter().map(Record::id).filter(|id| !written.contains(*id)).cloned().collect();
    let stored = read::get_many(shared, table, "apply", &left, Consistency::Strong).await?;
    let stored: HashMap<EntityId, Option<Record>> = left.into_iter().zip(stored).collect();
    records
        .iter()
        .map(|record| match stored.get(record.id()) {
            None => Ok(Applied::Applied),
            Some(Some(stored)) => Ok(record.compare_to_stored(Some(stored))),
            Some(None) => Err(Error::new(
                ErrorKind::Foreign,
                "apply",
                "a record was neither written nor is it there",
            )
            .with("key", record.key())
            .hint("a trigger of another tool on the table may have refused it")),
        })
        .collect()
}

/// Writes each record whose version is higher; the ids of those.
async fn upsert(shared: &Shared, table: &Table, records: &[&Record]) -> Result<Vec<PgRow>> {
    let upsert = Statement::new(&table.statements.upsert, values(records));
    let Some(work_for) = role::work_for(shared) else {
        let failed = |source| errors::postgres("apply", &shared.location, source);
        return shared.pool.get().await?.alone(upsert).await.map_err(failed);
    };
    // The live migration that it works for cannot end before the transaction does.
    let first = vec![role::keep(), work_for];
    let (transaction, found) =
        Transaction::begin(&shared.pool, "apply", Sees::Committed, first).await?;
    let written = async {
        let role = role::found(found.first().map_or(&[], Vec::as_slice))?;
        role.check_apply("apply", &shared.location, shared.options.works_for)?;
        transaction.rows(upsert).await
    };
    match written.await {
        Ok(written) => transaction.commit().await.map(|()| written),
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

/// Inserts records that are likely to be new, all or none, which takes the
/// server a fifth less than the upsert (decision 0100). Whether it did.
async fn insert(shared: &Shared, table: &Table, records: &[&Record]) -> Result<bool> {
    if table.all_new.is_confirmed()
        && let Some(loader) = shared.pool.loader().await?
    {
        return Ok(copy(loader, table, records).await);
    }
    let statement = Statement::new(&table.statements.insert_records, values(records));
    let mut connection = shared.pool.get().await?;
    match connection.count_alone(statement).await {
        Err(DatabaseError(UniqueViolation, _)) => {
            table.all_new.was_wrong();
            Ok(false)
        }
        Err(other) => Err(errors::postgres("apply", &shared.location, other)),
        // Fewer than all: something of another tool refused some. The upsert
        // reports which.
        Ok(inserted) => {
            table.all_new.was_right();
            Ok(inserted == records.len())
        }
    }
}

/// The same by COPY, when the records before them were new: a load is under
/// way (decision 0100). What the server refuses, the upsert finds again and
/// reports.
async fn copy(loader: LentLoader, table: &Table, records: &[&Record]) -> bool {
    match loader.copy(&table.statements.copy_records, loader::rows(records)).await {
        Err(error) => {
            tracing::debug!(%error, "records were not copied, and go as an upsert");
            table.all_new.was_wrong();
            false
        }
        Ok(copied) => {
            table.all_new.was_right();
            usize::try_from(copied) == Ok(records.len())
        }
    }
}

/// The values of a statement that writes records.
fn values(records: &[&Record]) -> [SqlValue; 5] {
    let document = |record: &Record| record.document().map(|document| JsonText(document.clone()));
    let numbers = |number: &dyn Fn(&Record) -> i64| {
        SqlValue::Numbers(records.iter().map(|record| number(record)).collect())
    };
    [
        SqlValue::Texts(records.iter().map(|record| record.id().to_string()).collect()),
        numbers(&|record| record.version().as_i64()),
        numbers(&|record| rows::written_first(record).as_micros()),
        numbers(&|record| record.updated_at().as_micros()),
        SqlValue::Jsons(records.iter().map(|record| document(record)).collect()),
    ]
}
