//! Steps of the role: the triggers that keep writers out are made, and disabled, in the
//! transaction that changes it, while nobody writes.

use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;
use repo_core::strategy::{RoleChange, StoreRecord};
use repo_core::{Error, ErrorKind, Result};

use super::capture::lock_tables;
use super::read;
use super::rows::number_at;
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::transaction::Transaction;
use crate::dialect::MARK;
use crate::layout::{fence_function, fence_in_postgres, fence_of, lift_in_postgres};
use crate::names::{COLLECTIONS_TABLE, FENCE, STORE_TABLE, literal, quote};
use crate::own_record::role_text;

/// Takes a step.
///
/// # Errors
/// As [`RoleChange::check`]; a lock timeout or a deadlock when tables are in use.
pub(super) async fn change(
    shared: &Shared,
    transaction: &mut Transaction,
    stored: &StoreRecord,
    change: &RoleChange,
) -> Result<()> {
    change.check(&stored.role, stored.id, stored.job.as_ref())?;
    let store = quote(STORE_TABLE);
    make_room(transaction, &store).await?;
    let (before, after) = (fence_of(&stored.role), fence_of(&change.next));
    if before != after {
        let known = shared.read_catalog_in(transaction).await?;
        lock_tables(transaction, &known).await?;
        if after.is_some() {
            transaction.run(&fence_function(&shared.schema).join(";\n")).await?;
        }
        for table in known.tables.values() {
            let name = &table.layout.table;
            let statement = match &after {
                Some(allowed) => fence_in_postgres(&shared.schema, name, allowed),
                None => lift_in_postgres(&shared.schema, name),
            };
            transaction.run(&statement).await?;
        }
    }
    diesel::sql_query(format!("UPDATE {store} SET \"role\" = $1"))
        .bind::<Text, _>(role_text(&change.next)?)
        .execute(transaction.connection().diesel())
        .await
        .map(drop)
        .map_err(|source| transaction.failed(source))
}

/// Adds the column of the role where it is missing. Only then: adding it keeps everybody from
/// reading the store's record, even when it is there, and a writer that this step waits for may
/// want to.
async fn make_room(transaction: &Transaction, store: &str) -> Result<()> {
    let there = format!(
        "SELECT 1 FROM pg_attribute WHERE attrelid = {}::regclass AND attname = 'role' \
         AND NOT attisdropped",
        literal(store)
    );
    if transaction.rows(Statement::made(there, [])).await?.is_empty() {
        transaction.run(&format!("ALTER TABLE {store} ADD COLUMN \"role\" TEXT")).await?;
    }
    Ok(())
}

/// A writer that no trigger keeps out would write what the successor never gets.
///
/// # Errors
/// `Foreign` when another tool removed or disabled one.
pub(super) async fn check_triggers(shared: &Shared) -> Result<()> {
    const CHECK: &str = "look at the fence";
    let sql = format!(
        "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM pg_trigger AS t \
         JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {MARK}1{MARK} AND t.tgname = '{FENCE}' AND t.tgenabled IN ('O', 'A'))",
        quote(COLLECTIONS_TABLE)
    );
    let schema = SqlValue::Text(shared.schema.clone());
    let rows = read::run(shared, CHECK, Statement::made(sql, [schema])).await?;
    let [row, ..] = rows.as_slice() else { return Ok(()) };
    if number_at(row, 1)? >= number_at(row, 0)? {
        return Ok(());
    }
    let why = "another tool removed or disabled a trigger that keeps writers out";
    Err(Error::new(ErrorKind::Foreign, CHECK, why)
        .with("store", &shared.location)
        .hint("programs may have written to this store since; compare it with its successor"))
}
