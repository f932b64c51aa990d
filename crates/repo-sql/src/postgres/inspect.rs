//! What the database holds of ours, read from the store's own tables and
//! checked against what PostgreSQL says is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use diesel::QueryDsl as _;
use diesel::dsl::sql;
use diesel::sql_types::{Nullable, Text};
use diesel_async::RunQueryDsl as _;
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, FieldPath, Result};

use super::catalog::Catalog;
use super::rows::{optional_text_at, text_at, truth_at};
use super::schema::{CAPTURE, collections, objects, store};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::table::Table;
use super::transaction::{Sees, Transaction};
use crate::dialect::{STORE_MARK, our_mark};
use crate::layout::{CollectionLayout, Made};
use crate::names::{COLLECTIONS_TABLE, OBJECTS_TABLE, STORE_TABLE};
use crate::own_record::capture_of;
use crate::{Dialect, errors};

/// What stands under a name in the schema.
struct Relation {
    kind: &'static str,
    comment: Option<String>,
}

/// An object that `prepare` noted.
type Noted = (String, String, String, String);

/// Reads the store's own tables and checks that what they name is there.
///
/// # Errors
/// `Unsupported` for a newer layout; `Foreign` for something of ours that
/// another tool replaced; `Corrupt` for a table that is gone.
pub(super) async fn read(shared: &Shared, transaction: &mut Transaction) -> Result<Catalog> {
    // Before the schemas themselves are looked at: too low a number only makes
    // the catalog be read again.
    let given = shared.known.times_given();
    let Some((layout, captures)) = check_store(shared, transaction).await? else {
        return Ok(Catalog { given, ..Catalog::default() });
    };
    let mut made = read_collections(shared, transaction).await?;
    let noted: Vec<Noted> = objects::table
        .order((objects::collection, objects::kind, objects::name))
        .load(transaction.connection().diesel())
        .await
        .map_err(|source| transaction.failed(source))?;
    let names: Vec<String> = noted
        .iter()
        .filter(|(_, kind, _, _)| kind != "column")
        .map(|(_, _, name, _)| name.clone())
        .collect();
    let there = relations(shared, transaction, names).await?;
    for noted in noted {
        let Ok(name) = CollectionName::new(&noted.0) else { continue };
        let Some((made, _)) = made.get_mut(&name) else { continue };
        note(shared, made, noted, &there)?;
    }
    check_columns(shared, transaction, &made).await?;
    let mut tables = BTreeMap::new();
    for (name, (made, id_field)) in &made {
        let declared = shared.known.declared(name);
        let schema = shared.own_record().schema_of(name, id_field, declared)?;
        tables.insert(name.clone(), Arc::new(Table::new(schema, made)?));
    }
    let made = made.into_iter().map(|(name, (made, _))| (name, made)).collect();
    Ok(Catalog { given, prepared: true, layout, captures, tables, made })
}

/// The layout of the store's own tables, one that this program knows, and whether
/// writes are captured; `None` when they are not there.
async fn check_store(
    shared: &Shared,
    transaction: &mut Transaction,
) -> Result<Option<(u32, bool)>> {
    let own = [STORE_TABLE, COLLECTIONS_TABLE, OBJECTS_TABLE];
    let there = relations(shared, transaction, own.map(str::to_owned).to_vec()).await?;
    let is_ours = |relation: &Relation| {
        relation.kind == "table" && relation.comment.as_deref() == Some(STORE_MARK)
    };
    if !there.get(STORE_TABLE).is_some_and(is_ours) {
        let Some(name) = own.into_iter().find(|name| there.contains_key(*name)) else {
            return Ok(None);
        };
        let why = "something with the name of one of the store's own tables is not ours";
        return Err(errors::foreign_relation("open", &shared.location, name, why));
    }
    check_usage(shared, transaction).await?;
    let layout: Vec<(i32, Option<String>)> = store::table
        .select((store::layout_version, sql::<Nullable<Text>>(CAPTURE)))
        .load(transaction.connection().diesel())
        .await
        .map_err(|source| transaction.failed(source))?;
    let row = layout.into_iter().next();
    let version = row.as_ref().map(|(version, _)| i64::from(*version));
    let layout = shared.own_record().layout(version)?;
    let capture = capture_of(row.and_then(|(_, capture)| capture).as_deref())?;
    Ok(Some((layout, capture.is_on())))
}

/// Without the right to use the schema its tables look as if they were not
/// there.
async fn check_usage(shared: &Shared, transaction: &Transaction) -> Result<()> {
    let statement = "SELECT has_schema_privilege(\u{0}1\u{0}, 'USAGE')".to_owned();
    let schema = SqlValue::Text(shared.schema.clone());
    let rows = transaction.rows(Statement::made(statement, [schema])).await?;
    if rows.as_slice().first().is_some_and(|row| truth_at(row, 0)) {
        return Ok(());
    }
    Err(errors::no_usage("open", &shared.location, &shared.schema))
}

type MadeCollections = BTreeMap<CollectionName, (Made, FieldPath)>;

async fn read_collections(
    shared: &Shared,
    transaction: &mut Transaction,
) -> Result<MadeCollections> {
    let rows: Vec<(String, i32, String)> = collections::table
        .select((collections::collection, collections::schema_version, collections::id_field))
        .load(transaction.connection().diesel())
        .await
        .map_err(|source| transaction.failed(source))?;
    let damaged = |error: Error| shared.own_record().damaged(error);
    let collection = |(name, schema_version, id_field): (String, i32, String)| {
        let name = CollectionName::new(&name).map_err(damaged)?;
        let id_field = FieldPath::parse(&id_field).map_err(damaged)?;
        let schema_version = u32::try_from(schema_version).unwrap_or(0);
        Ok((name, (Made { schema_version, ..Made::default() }, id_field)))
    };
    rows.into_iter().map(collection).collect()
}

/// Takes what was noted for made if it is there. A view or index that is gone
/// is made again by `prepare`; a table is not.
fn note(
    shared: &Shared,
    made: &mut Made,
    (collection, kind, name, definition): Noted,
    there: &HashMap<String, Relation>,
) -> Result<()> {
    if kind == "column" {
        made.columns.insert(name, definition);
        return Ok(());
    }
    match there.get(&name) {
        None if kind == "table" => Err(Error::new(
            ErrorKind::Corrupt,
            "open",
            "the table of a prepared collection is gone",
        )
        .with("collection", collection)
        .with("table", name)
        .with("store", &shared.location)
        .hint("another tool dropped or renamed it; restore the database from a backup")),
        None => Ok(()),
        Some(found) if found.kind == kind && found.comment == Some(our_mark(&collection)) => {
            match kind.as_str() {
                "index" => drop(made.indexes.insert(name, definition)),
                "view" => made.view = Some(definition),
                _ => {}
            }
            Ok(())
        }
        Some(_) => {
            let why = "a table, view or index was replaced by another tool";
            Err(errors::foreign_relation("open", &shared.location, &name, why)
                .with("collection", collection))
        }
    }
}

/// What stands under some names in the store's schema. Tables and indexes
/// have names of one kind in PostgreSQL, and a table or view is a type as well.
async fn relations(
    shared: &Shared,
    transaction: &Transaction,
    names: Vec<String>,
) -> Result<HashMap<String, Relation>> {
    let sql = "SELECT c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class') \
               FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
               WHERE n.nspname = \u{0}1\u{0} AND c.relname = ANY(\u{0}2\u{0}::name[]) \
               UNION ALL SELECT t.typname::text, 'c', NULL \
               FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace \
               WHERE n.nspname = \u{0}1\u{0} AND t.typname = ANY(\u{0}2\u{0}::name[]) \
               AND t.typrelid = 0 AND t.typcategory <> 'A'";
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Texts(names)];
    let rows = transaction.rows(Statement::made(sql.to_owned(), values)).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let kind = match text_at(row, 1)?.as_str() {
            "r" => "table",
            "v" => "view",
            "i" => "index",
            "m" => "materialized view",
            "S" => "sequence",
            "p" => "partitioned table",
            "f" => "foreign table",
            "c" => "type",
            _ => "relation",
        };
        // Tables and indexes come first: an index may have the name of a type.
        found
            .entry(text_at(row, 0)?)
            .or_insert(Relation { kind, comment: optional_text_at(row, 2)? });
    }
    Ok(found)
}

/// Refuses a table that lacks a column that our statements name.
async fn check_columns(
    shared: &Shared,
    transaction: &Transaction,
    made: &MadeCollections,
) -> Result<()> {
    let mut expected: HashMap<(String, String), &CollectionName> = HashMap::new();
    for (name, (made, id_field)) in made {
        let schema = CollectionSchema {
            id_field: id_field.clone(),
            ..CollectionSchema::undeclared(name.clone())
        };
        let layout = CollectionLayout::new(Dialect::Postgres, &schema)?;
        let fixed = ["_version", "_created_at", "_updated_at", "document"];
        let columns = fixed.into_iter().chain([layout.id_column.as_str()]);
        for column in columns.chain(made.columns.keys().map(String::as_str)) {
            expected.insert((layout.table.clone(), column.to_owned()), name);
        }
    }
    let sql = "SELECT c.relname::text, a.attname::text FROM pg_attribute AS a \
               JOIN pg_class AS c ON c.oid = a.attrelid \
               JOIN pg_namespace AS n ON n.oid = c.relnamespace \
               WHERE n.nspname = \u{0}1\u{0} AND c.relname = ANY(\u{0}2\u{0}::name[]) \
               AND a.attnum > 0 AND NOT a.attisdropped";
    let tables = expected.keys().map(|(table, _)| table.clone()).collect();
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Texts(tables)];
    for row in &transaction.rows(Statement::made(sql.to_owned(), values)).await? {
        expected.remove(&(text_at(row, 0)?, text_at(row, 1)?));
    }
    match expected.into_iter().min() {
        None => Ok(()),
        Some(((table, column), collection)) => {
            let why = "another tool dropped or renamed a column of the table";
            Err(errors::foreign_relation("open", &shared.location, &table, why)
                .with("column", column)
                .with("collection", collection))
        }
    }
}

/// Refuses collections of which some name is taken by what is not ours. Looks at those
/// that the caller knows as not prepared; another program may have prepared some by now.
///
/// # Errors
/// `Foreign`, naming it.
pub(super) async fn refuse_foreign(
    shared: &Shared,
    operation: &'static str,
    schemas: &[CollectionSchema],
) -> Result<()> {
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, operation, Sees::OneState, Vec::new()).await?;
    let refused = refuse_new(shared, &mut transaction, operation, schemas).await;
    transaction.rollback().await;
    refused
}

async fn refuse_new(
    shared: &Shared,
    transaction: &mut Transaction,
    operation: &'static str,
    schemas: &[CollectionSchema],
) -> Result<()> {
    let found = refuse_foreign_in(shared, transaction, operation, schemas, None).await;
    if !matches!(&found, Err(error) if error.kind() == ErrorKind::Foreign) {
        return found;
    }
    let made = read(shared, transaction).await?.made;
    let is_new = |schema: &&CollectionSchema| !made.contains_key(&schema.collection);
    let new: Vec<CollectionSchema> = schemas.iter().filter(is_new).cloned().collect();
    refuse_foreign_in(shared, transaction, operation, &new, None).await
}

/// As [`refuse_foreign`], in a transaction; with what was made of the
/// collection already.
pub(super) async fn refuse_foreign_in(
    shared: &Shared,
    transaction: &Transaction,
    operation: &'static str,
    schemas: &[CollectionSchema],
    made: Option<&Made>,
) -> Result<()> {
    let mut needed: Vec<(String, &CollectionName)> = Vec::new();
    for schema in schemas {
        let layout = CollectionLayout::new(Dialect::Postgres, schema)?;
        let ours = |name: &str| {
            made.is_some_and(|made| {
                name == layout.table
                    || (name == layout.view && made.view.is_some())
                    || made.indexes.contains_key(name)
            })
        };
        let names = layout.object_names().filter(|name| !ours(name));
        needed.extend(names.map(|name| (name.to_owned(), &schema.collection)));
    }
    let names = needed.iter().map(|(name, _)| name.clone()).collect();
    let there = relations(shared, transaction, names).await?;
    let taken = needed.into_iter().find_map(|(name, collection)| {
        there.get(&name).map(|relation| (name, collection, relation.kind))
    });
    match taken {
        None => Ok(()),
        Some((name, collection, kind)) => {
            let why = "a name that the collection needs is taken by something that is not ours";
            Err(errors::foreign_relation(operation, &shared.location, &name, why)
                .with("kind", kind)
                .with("collection", collection)
                .hint(errors::foreign_hint("another schema")))
        }
    }
}

/// Whether the schema exists in the database.
pub(super) async fn schema_exists(shared: &Shared, transaction: &Transaction) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = \u{0}1\u{0})";
    let value = SqlValue::Text(shared.schema.clone());
    let rows = transaction.rows(Statement::made(sql.to_owned(), [value])).await?;
    Ok(rows.as_slice().first().is_some_and(|row| truth_at(row, 0)))
}
