//! Switching the capture of writes on and off: triggers, made while nobody writes.

use std::time::{Duration, SystemTime};

use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use repo_core::strategy::{Capture, CaptureHolder, OpenTransaction};
use repo_core::{Error, ErrorKind, Result};

use super::catalog::Catalog;
use super::prepare_lock::lock;
use super::rows::{number_at, optional_text_at, text_at};
use super::schema::store;
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::transaction::Transaction;
use super::{feed, read};
use crate::dialect::MARK;
use crate::layout::CaptureTriggers;
use crate::names::{CHANGES_TABLE, INBOX_TABLE, quote};
use crate::{Dialect, errors};

const OPERATION: &str = "capture changes";

/// How long writers wait at most in each attempt to get all tables. Longer than a second: an
/// automatic vacuum, which holds a table for seconds, gives way to a waiting lock only after the
/// server's `deadlock_timeout`, whose default that is.
const LOCK_TIMEOUT_MS: u32 = 1_200;
/// The shortest and the longest of these pauses.
const PAUSE_MS: std::ops::Range<u64> = 500..2_000;

/// Keeps others from preparing or switching, and lets writers wait for this
/// transaction only for a moment: it fails then, and may be tried again.
pub(super) async fn alone(shared: &Shared, transaction: &Transaction) -> Result<()> {
    transaction.rows(lock(shared)).await?;
    transaction.run(&format!("SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")).await
}

/// A pause in which writers go on, of no fixed length: others may try the same.
pub(super) async fn pause() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let spread = u64::from(now.subsec_micros()) % (PAUSE_MS.end - PAUSE_MS.start);
    tokio::time::sleep(Duration::from_millis(PAUSE_MS.start + spread)).await;
}

/// Captures writes for one more holder.
///
/// # Errors
/// `Unavailable` when tables are in use; `Foreign` for names that are taken.
pub(super) async fn hold(
    shared: &Shared,
    transaction: &mut Transaction,
    mut capture: Capture,
    holder: CaptureHolder,
) -> Result<()> {
    if capture.hold(holder) {
        begin(shared, transaction).await?;
    }
    set(transaction, &capture).await
}

/// Takes a holder away, and ends capture with the last one.
///
/// # Errors
/// As [`hold`].
pub(super) async fn release(
    shared: &Shared,
    transaction: &mut Transaction,
    mut capture: Capture,
    holder: &CaptureHolder,
) -> Result<()> {
    if capture.release(holder) {
        end(shared, transaction).await?;
    }
    set(transaction, &capture).await
}

/// Makes every trigger while nobody writes: a write that began before is seen to its
/// end first, and one that begins later meets the trigger.
async fn begin(shared: &Shared, transaction: &mut Transaction) -> Result<()> {
    let known = shared.read_catalog_in(transaction).await?;
    lock_tables(transaction, &known).await?;
    transaction.run(&format!("TRUNCATE {}", quote(INBOX_TABLE))).await?;
    let triggers: Vec<&CaptureTriggers> =
        known.tables.values().map(|table| &table.layout.capture).collect();
    create(shared, transaction, &triggers).await
}

/// Makes the triggers of collections.
///
/// # Errors
/// `Foreign` when a function or a trigger has the name of one.
pub(super) async fn create(
    shared: &Shared,
    transaction: &Transaction,
    collections: &[&CaptureTriggers],
) -> Result<()> {
    let names = collections.iter().flat_map(|triggers| triggers.names.iter().cloned());
    let taken = format!(
        "SELECT p.proname::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE n.nspname = {MARK}1{MARK} AND p.pronargs = 0 \
         AND p.proname = ANY({MARK}2{MARK}::name[]) \
         UNION ALL SELECT t.tgname::text FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {MARK}1{MARK} AND t.tgname = ANY({MARK}2{MARK}::name[]) LIMIT 1"
    );
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Texts(names.collect())];
    if let [row, ..] = transaction.rows(Statement::made(taken, values)).await?.as_slice() {
        let why = "the name of a function or trigger that captures writes is taken";
        return Err(errors::foreign_relation(OPERATION, &shared.location, &text_at(row, 0)?, why));
    }
    for triggers in collections {
        transaction.run(&triggers.create_in_postgres(&shared.schema).join(";\n")).await?;
    }
    Ok(())
}

/// Drops every trigger, and forgets what is in the log. Its rows are removed later.
async fn end(shared: &Shared, transaction: &mut Transaction) -> Result<()> {
    let known = shared.read_catalog_in(transaction).await?;
    lock_tables(transaction, &known).await?;
    for table in known.tables.values() {
        transaction.run(&table.layout.capture.drop(Dialect::Postgres).join(";\n")).await?;
    }
    let last = format!("SELECT coalesce(max(\"position\"), 0) FROM {}", quote(CHANGES_TABLE));
    let found = transaction.all(vec![feed::lock(), Statement::made(last, [])]).await?;
    let last = found
        .get(1)
        .and_then(|rows| rows.as_slice().first())
        .map(|row| number_at(row, 0))
        .transpose()?;
    let last = u64::try_from(last.unwrap_or(0)).unwrap_or(0);
    transaction.rows(feed::set_trimmed(last)).await?;
    transaction.run(&format!("TRUNCATE {}", quote(INBOX_TABLE))).await
}

/// Lets nobody write to the collections until the transaction ends.
pub(super) async fn lock_tables(transaction: &Transaction, known: &Catalog) -> Result<()> {
    // In the order of their names, as everybody who needs several.
    let tables: Vec<String> =
        known.tables.values().map(|table| quote(&table.layout.table)).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let tables = tables.join(", ");
    transaction.run(&format!("LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")).await
}

/// Lets nobody write to a table until the transaction ends.
pub(super) async fn lock_table(transaction: &Transaction, table: &str) -> Result<()> {
    transaction.run(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", quote(table))).await
}

async fn set(transaction: &mut Transaction, capture: &Capture) -> Result<()> {
    let text = serde_json::to_string(capture).map_err(|source| {
        Error::new(ErrorKind::Invalid, OPERATION, "the capture cannot be written").caused_by(source)
    })?;
    diesel::update(store::table)
        .set(store::capture.eq(text))
        .execute(transaction.connection().diesel())
        .await
        .map(drop)
        .map_err(|source| transaction.failed(source))
}

/// The error for tables that others did not let go of in time.
pub(super) async fn busy(shared: &Shared, error: Error) -> Error {
    let why = "the tables were in use all the time, so nothing was changed";
    let busy = Error::new(ErrorKind::Unavailable, OPERATION, why)
        .with("store", &shared.location)
        .hint("let the transaction end that is named, or end it, and try again")
        .caused_by(error);
    match oldest_transaction(shared).await.ok().flatten() {
        None => busy,
        Some(OpenTransaction { pid, application_name, age_seconds, .. }) => busy
            .with("pid", pid)
            .with("application_name", application_name)
            .with("transaction_seconds", age_seconds),
    }
}

/// The oldest transaction that has a lock on a table of ours. What it runs may hold what is
/// not for everybody's eyes.
pub(super) async fn oldest_transaction(shared: &Shared) -> Result<Option<OpenTransaction>> {
    let sql = format!(
        "SELECT a.pid::bigint, a.application_name::text, \
         coalesce(extract(epoch FROM now() - a.xact_start), 0)::bigint \
         FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid \
         JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {MARK}1{MARK} AND l.granted AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         ORDER BY a.xact_start LIMIT 1"
    );
    let schema = SqlValue::Text(shared.schema.clone());
    let rows = read::run(shared, OPERATION, Statement::made(sql, [schema])).await?;
    let Some(row) = rows.as_slice().first() else { return Ok(None) };
    // Nothing is known of the transactions of others without the right to see them.
    let name = optional_text_at(row, 1)?.unwrap_or_default();
    let age = u64::try_from(number_at(row, 2)?).unwrap_or(0);
    Ok(Some(OpenTransaction::new(number_at(row, 0)?, name, age)))
}
