//! The role of the store: whether it takes writes, and from whom.

use repo_core::strategy::RoleState;
use repo_core::{Error, Result};

use super::read;
use super::rows::{PgRow, optional_text_at};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::transaction::Transaction;
use crate::dialect::MARK;
use crate::layout::{FENCED, WORKS_FOR};
use crate::names::{STORE_TABLE, quote};
use crate::own_record::role_of;

/// The column of the role, which a store has from its first live migration on.
pub(super) const ROLE: &str = "to_jsonb(\"_repo_store\") ->> 'role'";

/// Reads the role; within a transaction it stays until that ends. Whoever changes something
/// else of the store's record does not wait for that: it may be the same program, which
/// goes on with this transaction only afterwards.
pub(super) fn keep() -> Statement {
    Statement::made(format!("SELECT {ROLE} FROM {} FOR KEY SHARE", quote(STORE_TABLE)), [])
}

/// Waits for every transaction that keeps the role.
pub(super) fn seize() -> String {
    format!("SELECT 1 FROM {} FOR UPDATE", quote(STORE_TABLE))
}

/// The role in the answer of such a statement.
pub(super) fn found(rows: &[PgRow]) -> Result<RoleState> {
    let text = rows.first().map(|row| optional_text_at(row, 0)).transpose()?.flatten();
    role_of(text.as_deref())
}

/// Says for the transaction which live migration it works for.
pub(super) fn work_for(shared: &Shared) -> Option<Statement> {
    let live = shared.options.works_for?.to_string();
    let sql = format!("SELECT pg_catalog.set_config('{WORKS_FOR}', {MARK}1{MARK}, true)");
    Some(Statement::made(sql, [SqlValue::Text(live)]))
}

/// Whether the store takes what is written in the transaction, until that ends.
///
/// # Errors
/// As [`RoleState::check_apply`].
pub(super) async fn check_apply(
    shared: &Shared,
    transaction: &Transaction,
    operation: &'static str,
) -> Result<()> {
    let role = found(&transaction.rows(keep()).await?)?;
    role.check_apply(operation, &shared.location, shared.options.works_for)
}

/// Whether the handle may change what a live migration would not carry over. The role
/// stays until the transaction ends.
///
/// # Errors
/// As [`RoleState::check_rebuild`].
pub(super) async fn check_rebuild(
    shared: &Shared,
    transaction: &Transaction,
    operation: &'static str,
) -> Result<()> {
    let role = found(&transaction.rows(keep()).await?)?;
    role.check_rebuild(operation, &shared.location, shared.options.works_for)
}

/// The same for what is not done in a transaction.
///
/// # Errors
/// As [`check_rebuild`].
pub(super) async fn check_rebuild_now(shared: &Shared, operation: &'static str) -> Result<()> {
    let role = now(shared, operation).await?;
    role.check_rebuild(operation, &shared.location, shared.options.works_for)
}

/// Whether the store takes a commit that wrote no row, and so met no trigger.
///
/// # Errors
/// As [`RoleState::check_commit`].
pub(super) async fn check_commit(shared: &Shared) -> Result<()> {
    now(shared, "commit").await?.check_commit("commit", &shared.location)
}

/// The same within a transaction, which needs no second connection for it.
///
/// # Errors
/// As [`RoleState::check_commit`].
pub(super) async fn check_commit_in(shared: &Shared, transaction: &Transaction) -> Result<()> {
    found(&transaction.rows(look()).await?)?.check_commit("commit", &shared.location)
}

/// The error of a write, and in its place that of the role if a trigger refused it.
pub(super) async fn explained(shared: &Shared, operation: &'static str, error: Error) -> Error {
    if !error.context_value("reason").is_some_and(|reason| reason.contains(FENCED)) {
        return error;
    }
    let role = now(shared, operation).await;
    match role.map(|role| role.check_commit(operation, &shared.location)) {
        Ok(Err(refused)) => refused,
        // The fence was lifted meanwhile.
        _ => error,
    }
}

async fn now(shared: &Shared, operation: &'static str) -> Result<RoleState> {
    found(&read::run(shared, operation, look()).await?)
}

fn look() -> Statement {
    Statement::made(format!("SELECT {ROLE} FROM {}", quote(STORE_TABLE)), [])
}
