//! The engine's own items.

use std::num::NonZeroUsize;

use repo_core::Result;
use repo_core::strategy::{SystemCollection, SystemItem, SystemWrite};

use super::feed::check_layout;
use super::read;
use super::role;
use super::rows::text_at;
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::transaction::{Sees, Transaction};
use crate::dialect::MARK;
use crate::names::{ITEMS_TABLE, quote};

pub(super) const READ: &str = "read the engine's own items";
pub(super) const WRITE: &str = "write the engine's own items";

pub(super) async fn get(
    shared: &Shared,
    collection: SystemCollection,
    key: &str,
) -> Result<Option<String>> {
    check_layout(shared, READ).await?;
    let sql = format!(
        "SELECT \"value\" FROM {} WHERE \"collection\" = {MARK}1{MARK} AND \"key\" = {MARK}2{MARK}",
        quote(ITEMS_TABLE)
    );
    let rows = read::run(shared, READ, Statement::made(sql, [name(collection), text(key)])).await?;
    rows.as_slice().first().map(|row| text_at(row, 0)).transpose()
}

/// The items whose keys begin with `prefix` and come after `after`.
pub(super) async fn list(
    shared: &Shared,
    collection: SystemCollection,
    (prefix, after, most): (&str, Option<&str>, NonZeroUsize),
) -> Result<Vec<SystemItem>> {
    check_layout(shared, READ).await?;
    let sql = format!(
        "SELECT \"key\", \"value\" FROM {} WHERE \"collection\" = {MARK}1{MARK} \
         AND \"key\" >= {MARK}2{MARK} AND \"key\" > {MARK}3{MARK} \
         AND starts_with(\"key\", {MARK}2{MARK}) ORDER BY \"key\" LIMIT {MARK}4{MARK}",
        quote(ITEMS_TABLE)
    );
    let most = SqlValue::Number(i64::try_from(most.get()).unwrap_or(i64::MAX));
    let values = [name(collection), text(prefix), text(after.unwrap_or("")), most];
    let rows = read::run(shared, READ, Statement::made(sql, values)).await?;
    rows.iter().map(|row| Ok(SystemItem::new(text_at(row, 0)?, text_at(row, 1)?))).collect()
}

/// Each statement changes its item only from the expected value, so one that finds
/// another value changes nothing, and all are rolled back.
pub(super) async fn write(shared: &Shared, mut writes: Vec<SystemWrite>) -> Result<()> {
    check_layout(shared, WRITE).await?;
    if writes.is_empty() {
        return Ok(());
    }
    // In one order, so that two of several items do not wait for each other.
    writes.sort_by(|a, b| (a.collection, &a.key).cmp(&(b.collection, &b.key)));
    let statements: Vec<Statement> = writes.iter().map(statement).collect();
    let needs_role = SystemWrite::need_authority(&writes);
    let first = needs_role.then(role::keep).into_iter().chain(statements).collect();
    let (transaction, mut answers) =
        Transaction::begin(&shared.pool, WRITE, Sees::Committed, first).await?;
    if needs_role {
        let works_for = shared.options.works_for;
        let allowed = role::found(&answers.remove(0))
            .and_then(|role| role.check_items(&writes, WRITE, &shared.location, works_for));
        if let Err(error) = allowed {
            transaction.rollback().await;
            return Err(error);
        }
    }
    let changed = writes.iter().zip(&answers).find(|(_, rows)| rows.is_empty());
    if let Some((write, _)) = changed {
        let error = write.changed();
        transaction.rollback().await;
        return Err(error);
    }
    transaction.commit().await
}

/// Answers one row if it did its work.
fn statement(write: &SystemWrite) -> Statement {
    let items = quote(ITEMS_TABLE);
    let of = format!("\"collection\" = {MARK}1{MARK} AND \"key\" = {MARK}2{MARK}");
    let (name, key) = (name(write.collection), text(&write.key));
    match (&write.expected, &write.value) {
        (None, None) => Statement::made(
            format!("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {items} WHERE {of})"),
            [name, key],
        ),
        (None, Some(value)) => Statement::made(
            format!(
                "INSERT INTO {items} (\"collection\", \"key\", \"value\") \
                 VALUES ({MARK}1{MARK}, {MARK}2{MARK}, {MARK}3{MARK}) \
                 ON CONFLICT DO NOTHING RETURNING 1"
            ),
            [name, key, text(value)],
        ),
        (Some(expected), None) => Statement::made(
            format!("DELETE FROM {items} WHERE {of} AND \"value\" = {MARK}3{MARK} RETURNING 1"),
            [name, key, text(expected)],
        ),
        (Some(expected), Some(value)) => Statement::made(
            format!(
                "UPDATE {items} SET \"value\" = {MARK}4{MARK} WHERE {of} \
                 AND \"value\" = {MARK}3{MARK} RETURNING 1"
            ),
            [name, key, text(expected), text(value)],
        ),
    }
}

fn name(collection: SystemCollection) -> SqlValue {
    text(collection.as_str())
}

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}
