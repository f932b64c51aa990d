//! The change feed: the log that readers read, and the inbox that writers fill.
//!
//! A trigger notes each write in the inbox, in the writer's own transaction. Whoever
//! reads first moves what is committed into the log, one mover at a time, ordered by
//! its place in the inbox. The lock of a row makes those places rise with the versions
//! of a key; a snapshot that sees a version sees the ones before it; so the log has
//! them in order, whatever transactions stay open meanwhile (decision 0182).

use std::num::NonZeroUsize;

use repo_core::strategy::{
    CapturedWrite, FeedPosition, FeedState, StoreId, layout_without_changes, never_prepared,
};
use repo_core::{CollectionName, Error, ErrorKind, Key, Result};

use super::read;
use super::rows::{PgRow, id_at, number_at, optional_text_at, text_at, truth_at, version_at};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::transaction::{Sees, Transaction};
use crate::dialect::MARK;
use crate::layout::LAYOUT_WITH_CHANGES;
use crate::names::{CHANGES_TABLE, COLLECTIONS_TABLE, FEED_TABLE, INBOX_TABLE, STORE_TABLE, quote};
use crate::own_record::capture_of;

pub(super) const READ: &str = "read the change feed";
pub(super) const TRIM: &str = "remove old changes";

/// Most rows of the log that one statement removes.
const ROWS_AT_ONCE: u32 = 10_000;

/// At most `most` writes after a position, and where to read on.
pub(super) async fn read(
    shared: &Shared,
    after: Option<&FeedPosition>,
    most: NonZeroUsize,
) -> Result<(Vec<CapturedWrite>, FeedPosition)> {
    check_layout(shared, READ).await?;
    put_in_order(shared).await?;
    let from = after.and_then(|after| after.shards().first()).copied().unwrap_or(0);
    let rows = Statement::made(
        format!(
            "SELECT \"position\", \"collection\", \"id\", \"version\", \"deleted\" FROM {} \
             WHERE \"position\" > greatest({MARK}1{MARK}, (SELECT \"trimmed\" FROM {})) \
             ORDER BY \"position\" LIMIT {MARK}2{MARK}",
            quote(CHANGES_TABLE),
            quote(FEED_TABLE)
        ),
        [number(from), SqlValue::Number(i64::try_from(most.get()).unwrap_or(i64::MAX))],
    );
    let mut first = state_statements(shared);
    first.push(rows);
    let (transaction, found) =
        Transaction::begin(&shared.pool, READ, Sees::OneState, first).await?;
    transaction.rollback().await;
    let state = state_of(shared, &found)?;
    let mut at = state.start(after)?[0];
    let mut writes = Vec::new();
    for row in found.get(2).map_or(&[][..], Vec::as_slice) {
        let write = captured(&state, row).map_err(|error| damaged(shared, error))?;
        at = write.position.shards()[0];
        writes.push(write);
    }
    Ok((writes, state.position(vec![at])))
}

/// The end of the feed.
pub(super) async fn head(shared: &Shared) -> Result<FeedPosition> {
    check_layout(shared, READ).await?;
    put_in_order(shared).await?;
    let first = state_statements(shared);
    let (transaction, found) =
        Transaction::begin(&shared.pool, READ, Sees::OneState, first).await?;
    transaction.rollback().await;
    state_of(shared, &found)?.head()
}

/// # Errors
/// `Foreign` when another tool removed or disabled a trigger, so that writes are missing.
pub(super) async fn check_triggers(shared: &Shared) -> Result<()> {
    let statements = state_statements(shared);
    let (transaction, found) =
        Transaction::begin(&shared.pool, "health", Sees::OneState, statements).await?;
    transaction.rollback().await;
    state_of(shared, &found).map(drop)
}

/// Removes the log up to a position.
pub(super) async fn trim(shared: &Shared, through: &FeedPosition) -> Result<()> {
    check_layout(shared, TRIM).await?;
    let mut first = vec![lock()];
    first.extend(state_statements(shared));
    let (transaction, found) =
        Transaction::begin(&shared.pool, TRIM, Sees::Committed, first).await?;
    let trimmed = async {
        let trimmed = state_of(shared, &found[1..])?.trim(through)?;
        transaction.rows(set_trimmed(trimmed[0])).await
    };
    match trimmed.await {
        Ok(_) => transaction.commit().await?,
        Err(error) => {
            transaction.rollback().await;
            return Err(error);
        }
    }
    remove_trimmed(shared).await
}

/// Removes the rows of the log that are needed no more, some at a time.
pub(super) async fn remove_trimmed(shared: &Shared) -> Result<()> {
    let log = quote(CHANGES_TABLE);
    let sql = format!(
        "DELETE FROM {log} WHERE \"position\" <= (SELECT \"trimmed\" FROM {}) \
         AND \"position\" < (SELECT min(\"position\") FROM {log}) + {ROWS_AT_ONCE} RETURNING 1",
        quote(FEED_TABLE)
    );
    while !read::run(shared, TRIM, Statement::made(sql.clone(), [])).await?.is_empty() {}
    Ok(())
}

/// Moves what is committed in the inbox into the log.
async fn put_in_order(shared: &Shared) -> Result<()> {
    // In one snapshot a write is in the inbox or in the log.
    let waiting = format!("SELECT EXISTS (SELECT 1 FROM {})", quote(INBOX_TABLE));
    let waiting = read::run(shared, READ, Statement::made(waiting, [])).await?;
    if !waiting.first().is_some_and(|row| truth_at(row, 0)) {
        return Ok(());
    }
    // A statement of its own after the lock, so that it sees what the mover before
    // it left. A row that was only a lock came and went in one transaction.
    let all = Statement::made(
        format!(
            "WITH moved AS (DELETE FROM {} RETURNING *, xmin AS \"transaction\") \
             INSERT INTO {} (\"collection\", \"id\", \"version\", \"deleted\") \
             SELECT w.\"collection\", w.\"id\", w.\"version\", w.\"deleted\" FROM moved AS w \
             WHERE NOT w.\"removed\" AND NOT EXISTS (SELECT 1 FROM moved AS r \
             WHERE r.\"removed\" AND r.\"collection\" = w.\"collection\" AND r.\"id\" = w.\"id\" \
             AND r.\"version\" = w.\"version\" AND r.\"transaction\" = w.\"transaction\") \
             ORDER BY w.\"place\"",
            quote(INBOX_TABLE),
            quote(CHANGES_TABLE)
        ),
        [],
    );
    let first = vec![lock(), all];
    let (transaction, _) = Transaction::begin(&shared.pool, READ, Sees::Committed, first).await?;
    transaction.commit().await
}

/// Lets nobody else move or remove changes until the transaction ends. A row, since
/// advisory locks do not go through every pool of connections.
pub(super) fn lock() -> Statement {
    Statement::made(format!("SELECT 1 FROM {} FOR UPDATE", quote(FEED_TABLE)), [])
}

/// Notes up to where the log is needed no more.
pub(super) fn set_trimmed(trimmed: u64) -> Statement {
    let sql = format!(
        "UPDATE {} SET \"trimmed\" = greatest(\"trimmed\", {MARK}1{MARK})",
        quote(FEED_TABLE)
    );
    Statement::made(sql, [number(trimmed)])
}

/// # Errors
/// `NotFound` for a store that was never prepared; `Unsupported` for a layout that
/// keeps no changes.
pub(super) async fn check_layout(shared: &Shared, operation: &'static str) -> Result<()> {
    if shared.known.get().layout >= LAYOUT_WITH_CHANGES {
        return Ok(());
    }
    let known = shared.read_catalog(operation).await?;
    if !known.prepared {
        return Err(never_prepared(operation, &shared.location));
    }
    if known.layout >= LAYOUT_WITH_CHANGES {
        return Ok(());
    }
    Err(layout_without_changes(operation, &shared.location, known.layout))
}

/// What [`state_of`] needs.
fn state_statements(shared: &Shared) -> Vec<Statement> {
    let state = format!(
        "SELECT s.\"store_id\", s.\"capture\", f.\"trimmed\", \
         coalesce((SELECT max(\"position\") FROM {}), 0) FROM {} AS s, {} AS f",
        quote(CHANGES_TABLE),
        quote(STORE_TABLE),
        quote(FEED_TABLE)
    );
    // Two triggers a collection, on functions that fill the inbox.
    let triggers = format!(
        "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM pg_trigger AS t \
         JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE n.nspname = {MARK}1{MARK} AND t.tgenabled IN ('O', 'A') \
         AND position('{INBOX_TABLE}' IN p.prosrc) > 0)",
        quote(COLLECTIONS_TABLE)
    );
    vec![
        Statement::made(state, []),
        Statement::made(triggers, [SqlValue::Text(shared.schema.clone())]),
    ]
}

/// What the feed holds.
///
/// # Errors
/// `Foreign` when another tool removed a trigger, so that writes are missing.
fn state_of(shared: &Shared, found: &[Vec<PgRow>]) -> Result<FeedState> {
    let row = |at: usize| {
        found.get(at).and_then(|rows| rows.first()).ok_or_else(|| {
            let why = "the store's own record is empty";
            Error::new(ErrorKind::Corrupt, READ, why).with("store", &shared.location)
        })
    };
    let own = row(0)?;
    let store: StoreId =
        text_at(own, 0)?.parse().map_err(|error: Error| error.into_kind(ErrorKind::Corrupt))?;
    let capture = capture_of(optional_text_at(own, 1)?.as_deref())?;
    let triggers = row(1)?;
    if capture.is_on() && number_at(triggers, 1)? < number_at(triggers, 0)? * 2 {
        let why = "another tool removed or disabled a trigger that captures writes";
        return Err(Error::new(ErrorKind::Foreign, READ, why)
            .with("store", &shared.location)
            .hint(
                "writes may be missing: end the capture, begin it again, and read all records once",
            ));
    }
    let trimmed = place(number_at(own, 2)?);
    let head = place(number_at(own, 3)?).max(trimmed);
    Ok(FeedState { store, capture, trimmed: vec![trimmed], head: vec![head] })
}

fn captured(state: &FeedState, row: &PgRow) -> Result<CapturedWrite> {
    Ok(CapturedWrite {
        position: state.position(vec![place(number_at(row, 0)?)]),
        key: Key::new(CollectionName::new(&text_at(row, 1)?)?, id_at(row, 2)?),
        version: version_at(row, 3)?,
        deleted: truth_at(row, 4),
    })
}

fn damaged(shared: &Shared, error: Error) -> Error {
    Error::new(ErrorKind::Corrupt, READ, "a captured change is damaged")
        .with("store", &shared.location)
        .with("reason", &error)
        .hint("end the capture, begin it again, and read all records once")
        .caused_by(error)
}

/// A number of the log; there is none below 0.
fn place(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn number(place: u64) -> SqlValue {
    SqlValue::Number(i64::try_from(place).unwrap_or(i64::MAX))
}
