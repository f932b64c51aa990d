//! Whether collections could be prepared and written, asked without changing
//! anything: statements that make nothing, or whose transaction is rolled back.

use repo_core::{CollectionSchema, Error, ErrorKind, Result};

use super::catalog::Catalog;
use super::features;
use super::inspect::{refuse_foreign_in, schema_exists};
use super::rows::{text_at, truth_at};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::transaction::{Sees, Transaction};
use crate::ddl::collection_statements;
use crate::layout::{CollectionLayout, layouts};
use crate::names::{STORE_TABLE, quote};
use crate::{Dialect, errors};

/// A name that nothing of ours has, for a table that is never committed.
const PROBE: &str = "_repo_probe";
const WRITES: &str = "SET TRANSACTION READ WRITE";

/// Whether [`prepare`](super::prepare::prepare) would do its work, and records
/// could be written then.
///
/// # Errors
/// As `prepare`: `PermissionDenied` for a server, database or user that may not
/// write.
pub(super) async fn prepare(shared: &Shared, schemas: &[CollectionSchema]) -> Result<()> {
    let layouts = layouts(Dialect::Postgres, schemas)?;
    encoding(shared, "prepare").await?;
    let first = if as_a_writer(shared).await? {
        vec![Statement::made(WRITES.to_owned(), [])]
    } else {
        vec![]
    };
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, "prepare", Sees::Committed, first).await?;
    let checked = check(shared, &mut transaction, schemas, &layouts).await;
    transaction.rollback().await;
    checked
}

/// Whether a handle that is open for reading only has to be made one that
/// writes. It keeps its own connections from writing; what keeps everybody from
/// it, a setting of the database or user or a standby, stays as it is.
async fn as_a_writer(shared: &Shared) -> Result<bool> {
    if !shared.options.read_only {
        return Ok(false);
    }
    let (transaction, _) =
        Transaction::begin(&shared.pool, "prepare", Sees::OneState, Vec::new()).await?;
    let sql = "SELECT reset_val = 'off' AND NOT pg_is_in_recovery() FROM pg_settings \
               WHERE name = 'default_transaction_read_only'";
    let rows = transaction.rows(Statement::made(sql.to_owned(), [])).await;
    transaction.rollback().await;
    Ok(rows?.first().is_some_and(|row| truth_at(row, 0)))
}

/// Refuses a database that cannot hold every text: the first document that its
/// encoding has no characters for would stop a migration in the middle. Reading
/// is possible from any encoding; see `connection` for `SQL_ASCII`.
///
/// # Errors
/// `Unsupported` unless its encoding is UTF8.
pub(super) async fn encoding(shared: &Shared, operation: &'static str) -> Result<()> {
    let sql = "SELECT current_setting('server_encoding')".to_owned();
    let rows = super::read::run(shared, operation, Statement::made(sql, [])).await?;
    let encoding = rows.first().map(|row| text_at(row, 0)).transpose()?.unwrap_or_default();
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        operation,
        "the encoding of the database cannot hold every text",
    )
    .with("store", &shared.location)
    .with("encoding", encoding)
    .hint(
        "make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0; this one can be \
         the source of a migration",
    ))
}

async fn check(
    shared: &Shared,
    transaction: &mut Transaction,
    schemas: &[CollectionSchema],
    layouts: &[CollectionLayout],
) -> Result<()> {
    let known = shared.read_catalog_in(transaction).await?;
    shared.own_record().refuse_other_id_field(schemas, |name| known.id_field(name))?;
    for schema in schemas {
        let made = known.made.get(&schema.collection);
        refuse_foreign_in(shared, transaction, "prepare", std::slice::from_ref(schema), made)
            .await?;
    }
    let all_made = layouts.iter().all(|layout| known.made.contains_key(&layout.collection));
    if !known.prepared || !all_made {
        may_make(shared, transaction).await?;
    }
    if known.prepared {
        let store = quote(STORE_TABLE);
        transaction.run(&format!("UPDATE {store} SET \"epoch\" = \"epoch\" WHERE false")).await?;
    } else {
        features::check(transaction.connection(), "prepare", &shared.location).await?;
    }
    for layout in layouts {
        may_change(shared, transaction, &known, layout).await?;
    }
    Ok(())
}

/// Whether tables may be made, and the schema where it is not there.
async fn may_make(shared: &Shared, transaction: &Transaction) -> Result<()> {
    let schema = quote(&shared.schema);
    if !schema_exists(shared, transaction).await? {
        transaction.run(&format!("CREATE SCHEMA {schema}")).await?;
    }
    transaction.run(&format!("CREATE TABLE {schema}.{} ()", quote(PROBE))).await
}

/// Whether the table of a prepared collection may be written to, and altered
/// where it has to be.
async fn may_change(
    shared: &Shared,
    transaction: &Transaction,
    known: &Catalog,
    layout: &CollectionLayout,
) -> Result<()> {
    let Some(made) = known.made.get(&layout.collection) else { return Ok(()) };
    let (table, id) = (quote(&layout.table), quote(&layout.id_column));
    transaction
        .run(&format!(
            "INSERT INTO {table} ({id}) SELECT {id} FROM {table} WHERE false; \
             UPDATE {table} SET {id} = {id} WHERE false; DELETE FROM {table} WHERE false"
        ))
        .await?;
    if collection_statements(Dialect::Postgres, layout, Some(made)).is_empty() {
        return Ok(());
    }
    let sql = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = \u{0}1\u{0} AND c.relname = \u{0}2\u{0} \
               AND pg_has_role(c.relowner, 'USAGE')";
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Text(layout.table.clone())];
    if transaction.rows(Statement::made(sql.to_owned(), values)).await?.is_empty() {
        return Err(errors::not_owner("prepare", &shared.location, &layout.table));
    }
    super::prepare::refuse_long_text(transaction, layout, made).await
}
