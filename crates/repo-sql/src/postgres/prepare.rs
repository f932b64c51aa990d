//! Making and updating the tables of collections.

use std::sync::Arc;

use diesel_async::{
    AnsiTransactionManager as Manager, AsyncMigrationHarness, AsyncPgConnection,
    TransactionManager as _,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use repo_core::strategy::{MAX_INDEXED_TEXT_BYTES, PrepareChange, Prepared};
use repo_core::{CollectionSchema, Error, ErrorKind, Key, Result};

use super::capture;
use super::catalog::Catalog;
use super::features;
use super::inspect::{refuse_foreign_in, schema_exists};
use super::prepare_lock::lock;
use super::role;
use super::rows::id_at;
use super::shared::Shared;
use super::statement::Statement;
use super::transaction::{Sees, Transaction};
use crate::ddl::{NewIndexes, collection_statements};
use crate::dialect::ColumnKind;
use crate::layout::{CollectionLayout, Column, Made, fence_in_postgres, fence_of, layouts};
use crate::names::{literal, quote};
use crate::{Dialect, errors};

/// The store's own tables, version by version.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Most collections that are made in one transaction: it locks each table,
/// index and view that it makes, and a server has room for some thousands of
/// locks (`max_locks_per_transaction` × `max_connections`).
const COLLECTIONS_AT_ONCE: usize = 50;

const OPERATION: &str = "prepare";

/// Makes what the collections need, in several transactions where they are
/// many. A failure in between leaves the first collections made, empty and
/// whole; the same call again makes the rest.
///
/// # Errors
/// `Foreign` for what is not ours, which stays unaltered; `Unsupported` for
/// a collection that has no layout here, or a server that lacks what a store needs.
pub(super) async fn prepare(
    shared: &Shared,
    schemas: &[CollectionSchema],
    new_indexes: NewIndexes,
) -> Result<Vec<Prepared>> {
    // Each is looked at before anything is made.
    layouts(Dialect::Postgres, schemas)?;
    let mut prepared = Vec::with_capacity(schemas.len());
    let mut looked_at = schemas;
    let pieces = schemas.chunks(COLLECTIONS_AT_ONCE);
    for piece in if schemas.is_empty() { vec![schemas] } else { pieces.collect() } {
        let (mut transaction, known) = begin(shared, looked_at).await?;
        match make(shared, &mut transaction, &known, looked_at, piece, new_indexes).await {
            Ok(made) => {
                transaction.commit().await?;
                shared.known.give(piece);
                prepared.extend(made);
            }
            Err(error) => {
                transaction.rollback().await;
                return Err(error);
            }
        }
        looked_at = &[];
    }
    shared.read_catalog("prepare").await?;
    Ok(prepared)
}

/// Begins a transaction of a store that has its own tables, in which nobody else
/// prepares something. Where they were not there, they are made before: what is locked
/// has to be there.
async fn begin(
    shared: &Shared,
    looked_at: &[CollectionSchema],
) -> Result<(Transaction, Arc<Catalog>)> {
    make_missing_store(shared, looked_at).await?;
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, OPERATION, Sees::Committed, vec![lock(shared)]).await?;
    match shared.read_catalog_in(&mut transaction).await {
        Ok(known) => Ok((transaction, known)),
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

/// Makes the store's own tables unless they are there. Of several that do at once, the
/// names let one go first; the others wait for it, fail, and find them.
async fn make_missing_store(shared: &Shared, looked_at: &[CollectionSchema]) -> Result<()> {
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, OPERATION, Sees::Committed, Vec::new()).await?;
    let missing = async {
        let known = shared.read_catalog_in(&mut transaction).await?;
        if known.prepared {
            return Ok(None);
        }
        look(shared, &mut transaction, &known, looked_at).await?;
        let schema = match schema_exists(shared, &transaction).await? {
            true => SchemaOf::There,
            false => SchemaOf::Missing,
        };
        Ok::<_, Error>(Some(schema))
    };
    let missing = missing.await;
    transaction.rollback().await;
    let Some(schema) = missing? else { return Ok(()) };
    let Err(error) = make_store(shared, schema).await else { return Ok(()) };
    match shared.read_catalog(OPERATION).await {
        Ok(known) if known.prepared => Ok(()),
        _ => Err(error),
    }
}

/// Whether the schema of a store has to be made. Who may not make one fails at the
/// statement even where it would do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchemaOf {
    There,
    Missing,
}

/// Looks for what is in the way of the collections, before anything is made.
async fn look(
    shared: &Shared,
    transaction: &mut Transaction,
    known: &Catalog,
    schemas: &[CollectionSchema],
) -> Result<()> {
    shared.own_record().refuse_other_id_field(schemas, |name| known.id_field(name))?;
    let is_new = |schema: &&CollectionSchema| !known.made.contains_key(&schema.collection);
    let new: Vec<CollectionSchema> = schemas.iter().filter(is_new).cloned().collect();
    refuse_foreign_in(shared, transaction, "prepare", &new, None).await?;
    for schema in schemas.iter().filter(|schema| !is_new(schema)) {
        let made = known.made.get(&schema.collection);
        let alone = std::slice::from_ref(schema);
        refuse_foreign_in(shared, transaction, "prepare", alone, made).await?;
    }
    Ok(())
}

async fn make(
    shared: &Shared,
    transaction: &mut Transaction,
    known: &Catalog,
    looked_at: &[CollectionSchema],
    schemas: &[CollectionSchema],
    new_indexes: NewIndexes,
) -> Result<Vec<Prepared>> {
    look(shared, transaction, known, looked_at).await?;
    let role = role::found(&transaction.rows(role::keep()).await?)?;
    let fence = fence_of(&role);
    let mut prepared = Vec::with_capacity(schemas.len());
    for (mut layout, schema) in layouts(Dialect::Postgres, schemas)?.into_iter().zip(schemas) {
        // Again, collection by collection: the table of one may have the name
        // that the view of the next one needs.
        let made = known.made.get(&layout.collection);
        let alone = std::slice::from_ref(schema);
        refuse_foreign_in(shared, transaction, "prepare", alone, made).await?;
        if new_indexes == NewIndexes::Left {
            layout = layout.without_new_indexes(made);
        }
        let mut statements = collection_statements(Dialect::Postgres, &layout, made);
        if let Some(made) = made {
            refuse_long_text(transaction, &layout, made).await?;
            if gains_index(&layout, made) {
                statements.push(format!("ANALYZE {}", quote(&layout.table)));
            }
        }
        if !statements.is_empty() {
            role.check_rebuild("prepare", &shared.location, shared.options.works_for)?;
            transaction.run(&statements.join(";\n")).await?;
        }
        if made.is_none() && known.captures {
            capture::create(shared, transaction, &[&layout.capture]).await?;
        }
        if let (None, Some(allowed)) = (made, &fence) {
            transaction.run(&fence_in_postgres(&shared.schema, &layout.table, allowed)).await?;
        }
        let change = match made {
            None => PrepareChange::Created,
            Some(_) if statements.is_empty() => PrepareChange::Unchanged,
            Some(_) => PrepareChange::Updated,
        };
        prepared.push(Prepared::new(layout.collection, change));
    }
    Ok(prepared)
}

/// Whether the table, which may hold records, gets an index that it did not
/// have. The server uses it well once it knows what the table holds, and looks
/// by itself only some time after many records were written.
fn gains_index(layout: &CollectionLayout, made: &Made) -> bool {
    layout.indexes.iter().any(|index| !made.indexes.contains_key(&index.name))
}

/// Refuses an index over text that is longer than an indexed field holds.
/// Nobody writes between the look and the index.
pub(super) async fn refuse_long_text(
    transaction: &Transaction,
    layout: &CollectionLayout,
    made: &Made,
) -> Result<()> {
    let old = |column: &Column| made.columns.get(&column.name) == Some(&column.definition);
    let new: Vec<&Column> = layout.columns.iter().filter(|column| !old(column)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let (table, id) = (quote(&layout.table), quote(&layout.id_column));
    transaction.run(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
    for column in new {
        let at =
            Dialect::Postgres.value_at(column.path.steps().iter().map(String::as_str), literal);
        let text = Dialect::Postgres.typed_value(ColumnKind::Text, &at);
        let sql = format!(
            "SELECT {id} FROM {table} WHERE octet_length({text}) > {MAX_INDEXED_TEXT_BYTES} \
             ORDER BY {id} LIMIT 1"
        );
        if let [row, ..] = transaction.rows(Statement::made(sql, [])).await?.as_slice() {
            let key = Key::new(layout.collection.clone(), id_at(row, 0)?);
            return Err(Error::new(
                ErrorKind::Invalid,
                "prepare",
                "a field to be indexed holds longer text than an index takes",
            )
            .with("collection", &layout.collection)
            .with("field", column.path.to_pointer())
            .with("key", key)
            .with("most_bytes", MAX_INDEXED_TEXT_BYTES)
            .hint("shorten the text in every such document, or leave the index out"));
        }
    }
    Ok(())
}

/// Makes the store's own tables, and the schema, in one transaction, once the server has
/// shown that it can do what a store needs. On a connection of its own: diesel runs
/// migrations on one that it owns.
async fn make_store(shared: &Shared, schema: SchemaOf) -> Result<()> {
    let failed = |source| errors::postgres(OPERATION, &shared.location, source);
    let mut connection = shared.pool.connector().connect().await?;
    // Diesel has to know of the transaction to run the migrations within it.
    Manager::begin_transaction_sql(connection.diesel(), Sees::Committed.begin())
        .await
        .map_err(failed)?;
    connection.set_up_transaction().await.map_err(failed)?;
    if schema == SchemaOf::Missing {
        let make = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(&shared.schema));
        connection.run(&make).await.map_err(failed)?;
    }
    features::check(&connection, OPERATION, &shared.location).await?;
    let mut connection = run_migrations(shared, connection.into_diesel()).await?;
    Manager::commit_transaction(&mut connection).await.map_err(failed)
}

/// Runs the migrations. The server takes them back if the connection is dropped before the
/// transaction is committed.
async fn run_migrations(
    shared: &Shared,
    connection: AsyncPgConnection,
) -> Result<AsyncPgConnection> {
    let made = tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        harness.run_pending_migrations(MIGRATIONS).map(drop)?;
        Ok(harness.into_inner())
    });
    match made.await {
        Ok(made) => made.map_err(|source| errors::migration(OPERATION, &shared.location, source)),
        Err(source) => Err(Error::new(
            ErrorKind::Unavailable,
            OPERATION,
            "the task that makes the store's tables ended early",
        )
        .caused_by(source)),
    }
}
