//! The triggers that keep versions: whether they are there.

use std::collections::HashSet;

use repo_core::{Error, Result};

use super::read;
use super::rows::{PgRow, text_at};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::table::Table;
use crate::dialect::MARK;
use crate::errors;

/// The triggers of a schema, which is the first value, that are switched on.
fn enabled_triggers() -> String {
    format!(
        "FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {MARK}1{MARK} AND t.tgenabled IN ('O', 'A')"
    )
}

/// Answers one row while the trigger is there.
pub(super) fn trigger(shared: &Shared, table: &Table) -> Statement {
    let sql = format!(
        "SELECT 1 {} AND c.relname = {MARK}2{MARK} AND t.tgname = {MARK}3{MARK}",
        enabled_triggers()
    );
    let layout = &table.layout;
    let names = [&shared.schema, &layout.table, &layout.history.trigger];
    Statement::made(sql, names.map(|name| SqlValue::Text(name.clone())))
}

/// Of these tables.
///
/// # Errors
/// `Foreign` when another tool removed a trigger, so that versions are missing.
pub(super) async fn check_triggers(
    shared: &Shared,
    tables: impl Iterator<Item = &Table>,
) -> Result<()> {
    let sql = format!("SELECT c.relname::text, t.tgname::text {}", enabled_triggers());
    let schema = SqlValue::Text(shared.schema.clone());
    let rows = read::run(shared, "health", Statement::made(sql, [schema])).await?;
    let enabled = rows.iter().map(|row| Ok((text_at(row, 0)?, text_at(row, 1)?)));
    let enabled = enabled.collect::<Result<HashSet<(String, String)>>>()?;
    for table in tables {
        let layout = &table.layout;
        if !enabled.contains(&(layout.table.clone(), layout.history.trigger.clone())) {
            return Err(trigger_gone(shared, table, "health"));
        }
    }
    Ok(())
}

/// # Errors
/// `Foreign` when another tool removed the trigger, so that versions are missing.
pub(super) fn check_trigger(
    shared: &Shared,
    table: &Table,
    operation: &'static str,
    found: &[PgRow],
) -> Result<()> {
    if found.is_empty() { Err(trigger_gone(shared, table, operation)) } else { Ok(()) }
}

fn trigger_gone(shared: &Shared, table: &Table, operation: &'static str) -> Error {
    let why = "another tool removed or disabled the trigger that keeps versions";
    let trigger = &table.layout.history.trigger;
    errors::foreign_relation(operation, &shared.location, trigger, why)
        .with("collection", &table.schema.collection)
        .hint("versions may be missing: end the history, and begin it again")
}
