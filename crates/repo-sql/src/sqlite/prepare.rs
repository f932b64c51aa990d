//! Making and updating the tables of collections.

use repo_core::strategy::{PrepareChange, Prepared, check_writable};
use repo_core::{CollectionSchema, Result};
use rusqlite::Connection;

use super::files::create_file;
use super::opening::check_encoding;
use super::session::Session;
use super::shared::Shared;
use super::taken::TakenNames;
use super::{capture, catalog, connection, fence, store_record};
use crate::ddl::{NewIndexes, collection_statements, store_statements};
use crate::layout::{CollectionLayout, layouts};
use crate::{Dialect, errors};

/// Makes what the collections need.
///
/// # Errors
/// `Foreign` for what is not ours, which stays unaltered; `Unsupported` for
/// a collection that has no layout here. Nothing was made then.
pub(super) fn prepare(
    session: &mut Session,
    schemas: &[CollectionSchema],
    new_indexes: NewIndexes,
) -> Result<Vec<Prepared>> {
    let shared = std::sync::Arc::clone(session.shared());
    let layouts = layouts(Dialect::Sqlite, schemas)?;
    if shared.file().exists() {
        // Before the file is opened for writing, which may alter it.
        look(&shared, schemas)?;
    } else {
        create_file(shared.file())?;
    }
    let connection = session.connection()?;
    let failed = |source| errors::sqlite("prepare", shared.file(), source);
    let saves = connection::sorts_much(connection).map_err(failed)?;
    connection::save_memory(connection, saves).map_err(failed)?;
    let prepared = in_transaction(&shared, connection, schemas, layouts, new_indexes);
    connection::save_memory(connection, false).map_err(failed)?;
    let prepared = prepared?;
    shared.known.give(schemas);
    shared.known.set(shared.read_catalog(connection)?);
    Ok(prepared)
}

/// Whether [`prepare`] would do its work; changes nothing.
///
/// # Errors
/// As `prepare`; `PermissionDenied` for a file or folder that may not be
/// written to.
pub(super) fn check(shared: &Shared, schemas: &[CollectionSchema]) -> Result<()> {
    layouts(Dialect::Sqlite, schemas)?;
    check_writable("prepare", shared.file())?;
    // The write-ahead log is made beside the file.
    shared.file().parent().map_or(Ok(()), |folder| check_writable("prepare", folder))?;
    if shared.file().exists() { look(shared, schemas) } else { Ok(()) }
}

/// Looks for what is not ours under the names that the collections need.
fn look(shared: &Shared, schemas: &[CollectionSchema]) -> Result<()> {
    let reader = connection::open_reader(shared.file(), shared.busy)?;
    reader.read("prepare", shared.file(), |connection| {
        connection::in_one_state(connection, shared.file(), |connection| {
            check_encoding("prepare", connection, shared.file())?;
            let known = shared.read_catalog(connection)?;
            refuse_foreign(shared, connection, &known, schemas)
        })
    })
}

fn in_transaction(
    shared: &Shared,
    connection: &Connection,
    schemas: &[CollectionSchema],
    layouts: Vec<CollectionLayout>,
    new_indexes: NewIndexes,
) -> Result<Vec<Prepared>> {
    let failed = |source| errors::sqlite("prepare", shared.file(), source);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let made = make(shared, connection, schemas, layouts, new_indexes);
    let ended = made.and_then(|prepared| {
        connection.execute_batch("COMMIT").map_err(failed)?;
        Ok(prepared)
    });
    if ended.is_err() {
        // Nothing was written that could stay.
        let _ = connection.execute_batch("ROLLBACK");
    }
    ended
}

fn refuse_foreign(
    shared: &Shared,
    connection: &Connection,
    known: &catalog::Catalog,
    schemas: &[CollectionSchema],
) -> Result<()> {
    catalog::refuse_other_id_field(shared.file(), known, schemas)?;
    let names = TakenNames::read("prepare", connection, shared.file())?;
    schemas.iter().try_for_each(|schema| {
        let made = known.made.get(&schema.collection);
        catalog::refuse_foreign("prepare", &names, shared.file(), schema, made)
    })
}

fn make(
    shared: &Shared,
    connection: &Connection,
    schemas: &[CollectionSchema],
    layouts: Vec<CollectionLayout>,
    new_indexes: NewIndexes,
) -> Result<Vec<Prepared>> {
    // Read again under the write lock: another process may have been faster.
    let known = shared.read_catalog(connection)?;
    let run = |statements: &[String]| -> Result<()> {
        statements.iter().try_for_each(|statement| {
            connection
                .execute_batch(statement)
                .map_err(|source| errors::sqlite("prepare", shared.file(), source))
        })
    };
    if !known.prepared {
        run(&store_statements(Dialect::Sqlite))?;
    }
    let record = store_record::read(connection, shared.file())?;
    let (captures, role) = (record.capture.is_on(), record.role);
    let mut names = TakenNames::read("prepare", connection, shared.file())?;
    let mut prepared = Vec::with_capacity(layouts.len());
    for (mut layout, schema) in layouts.into_iter().zip(schemas) {
        // Collection by collection: the table of one may have the name that
        // the view of the next one needs.
        let made = known.made.get(&layout.collection);
        catalog::refuse_foreign("prepare", &names, shared.file(), schema, made)?;
        layout = layout.with_digest_as_made(made);
        if new_indexes == NewIndexes::Left {
            layout = layout.without_new_indexes(made);
        }
        let statements = collection_statements(Dialect::Sqlite, &layout, made);
        if !statements.is_empty() {
            role.check_rebuild("prepare", &shared.location, shared.options.works_for)?;
        }
        run(&statements)?;
        if made.is_none() && captures {
            capture::switch_on(shared, connection, [&layout.capture].into_iter())?;
        }
        if made.is_none() && known.fenced {
            fence::fence(shared, connection, &layout)?;
        }
        names.add(&layout);
        let change = match made {
            None => PrepareChange::Created,
            Some(_) if statements.is_empty() => PrepareChange::Unchanged,
            Some(_) => PrepareChange::Updated,
        };
        prepared.push(Prepared::new(layout.collection, change));
    }
    Ok(prepared)
}
