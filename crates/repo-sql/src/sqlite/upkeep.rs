//! Purge, checkpoint and health.

use std::path::Path;

use repo_core::strategy::{
    Action, HistoryState, Purged, UnfinishedJob, check_purge, check_writable,
};
use repo_core::{CollectionName, Error, ErrorKind, Health, HealthCheck, Result, Timestamp};
use rusqlite::{Connection, params};

use super::catalog::Catalog;
use super::commit::table;
use super::connection::{in_one_state, open_reader};
use super::feed;
use super::fence;
use super::files::beside;
use super::history;
use super::jobs::Transaction;
use super::links;
use super::session::Session;
use super::shared::Shared;
use super::store_record;
use crate::errors;
use crate::names::quote;
use crate::own_record::{triggers_in_place, with_hint};

/// Most problems that a health check lists.
const MAX_PROBLEMS: usize = 5;

/// Removes tombstones written before `older_than`; the floor rises in the same
/// transaction, so no state in between is ever on disk.
pub(super) fn purge(
    shared: &Shared,
    transaction: &Transaction<'_>,
    collection: &CollectionName,
    older_than: Timestamp,
) -> Result<Purged> {
    let connection = transaction.connection;
    let failed = |source| errors::sqlite("purge", shared.file(), source);
    let table = table(shared, transaction, "purge", collection)?;
    let record = store_record::read(connection, shared.file())?;
    check_purge(record.job.as_ref(), collection)?;
    record.role.check_rebuild("purge", &shared.location, shared.options.works_for)?;
    let gone = format!(
        "FROM {} WHERE \"document\" IS NULL AND \"_updated_at\" < ?1",
        quote(&table.layout.table)
    );
    let older_than = HistoryState::purgeable(record.history.get(collection), older_than);
    let before = params![older_than.as_micros()];
    let highest: u64 = connection
        .query_row(&format!("SELECT coalesce(max(\"_version\"), 0) {gone}"), before, |row| {
            row.get(0)
        })
        .map_err(failed)?;
    store_record::raise_floor(shared, connection, collection, highest)?;
    let delete = || connection.execute(&format!("DELETE {gone}"), before).map_err(failed);
    let removed = fence::behind(shared, transaction, delete)?;
    let stored = record.collections.get(collection).map_or(0, |state| state.floor);
    Ok(Purged::new(removed as u64, stored.max(highest)))
}

/// Writes the log back into the file and empties it.
pub(super) fn checkpoint(session: &mut Session) -> Result<()> {
    let file = session.shared().file().to_path_buf();
    let busy: i64 = session
        .connection()?
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|source| errors::sqlite("checkpoint", &file, source))?;
    if busy != 0 {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "checkpoint",
            "another process is reading or writing",
        )
        .with("file", file.display())
        .hint("nothing is lost; try again when it is done"));
    }
    Ok(())
}

/// Writes the whole file anew, so that no page and no log holds what was deleted.
pub(super) fn scrub(session: &mut Session) -> Result<()> {
    let shared = std::sync::Arc::clone(session.shared());
    let file = shared.file().to_path_buf();
    let connection = session.connection()?;
    fence::check_rebuild(&shared, connection, "scrub a record")?;
    connection
        .execute_batch("VACUUM")
        .map_err(|source| errors::sqlite("scrub a record", &file, source))?;
    checkpoint(session)
}

/// Records at each end of a collection that a quick check looks at.
const LOOKED_AT: usize = 100;

/// Looks at the file without changing it. `deep`: at every page of it.
pub(super) fn health(shared: &Shared, connection: &Connection, deep: bool) -> Health {
    let mut checks = Vec::new();
    if deep {
        checks.push(sound(connection));
    }
    let layout = in_one_state(connection, shared.file(), |connection| {
        let catalog = shared.read_catalog(connection)?;
        shared.refuse_foreign(connection, &catalog)?;
        Ok(catalog)
    });
    match layout {
        Ok(catalog) => {
            checks.push(check("layout", true, format!("{} collections", catalog.tables.len())));
            checks.push(documents(connection, &catalog, deep));
            checks.extend(triggers(shared, connection, &catalog));
            // What cannot be read is said by the checks above.
            let record = store_record::read(connection, shared.file()).ok();
            checks.extend(record.and_then(|record| record.role.health_check()));
        }
        Err(error) => checks.push(check("layout", false, error.to_string())),
    }
    checks.push(one_name(shared.file()));
    checks.push(log_size(shared.file()));
    checks.push(writable(shared));
    Health::new(checks)
}

/// Whether what captures writes and keeps versions is in place; `None` where nothing
/// has to.
fn triggers(shared: &Shared, connection: &Connection, catalog: &Catalog) -> Option<HealthCheck> {
    let found = store_record::read(connection, shared.file()).and_then(|record| {
        if record.capture.is_on() {
            feed::check_triggers(shared, catalog)?;
        }
        if catalog.fenced {
            fence::check_triggers(shared, connection, catalog)?;
        }
        for table in record.history.keys().filter_map(|name| catalog.tables.get(name)) {
            history::check_trigger(shared, "health", catalog, table)?;
        }
        Ok(triggers_in_place(&record))
    });
    match found {
        Ok(in_place) => in_place.map(|detail| check("triggers", true, detail)),
        Err(error) => Some(check("triggers", false, with_hint(&error))),
    }
}

/// What a store that was never prepared says.
pub(super) fn unprepared(shared: &Shared) -> Health {
    let detail =
        format!("{} does not exist; make it with {}", shared.file().display(), Action::Prepare);
    Health::new(vec![check("file", false, detail)])
}

fn check(name: &'static str, ok: bool, detail: String) -> HealthCheck {
    HealthCheck::new(name, ok, detail)
}

fn sound(connection: &Connection) -> HealthCheck {
    let problems: rusqlite::Result<Vec<String>> = connection
        .prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect());
    match problems {
        Ok(lines) => check("file", lines == ["ok"], lines.join("; ")),
        Err(error) => check("file", false, error.to_string()),
    }
}

/// Whether every document is one, or those at both ends of each collection. The constraints of the tables say so too,
/// but a tool can turn those off, and SQLite does not look at them in a file
/// opened for reading.
fn documents(connection: &Connection, catalog: &Catalog, deep: bool) -> HealthCheck {
    let mut broken: Vec<String> = Vec::new();
    for (collection, table) in &catalog.tables {
        let id = quote(&table.layout.id_column);
        let name = quote(&table.layout.table);
        let of = if deep {
            name
        } else {
            let end = |order| {
                format!(
                    "SELECT * FROM (SELECT * FROM {name} ORDER BY {id} {order} LIMIT {LOOKED_AT})"
                )
            };
            format!("({} UNION ALL {})", end("ASC"), end("DESC"))
        };
        let sql = format!(
            "SELECT DISTINCT {id} FROM {of} WHERE \"document\" IS NOT NULL AND {} IS NOT TRUE \
             LIMIT {MAX_PROBLEMS}",
            table.layout.is_document,
        );
        let found: rusqlite::Result<Vec<String>> = connection
            .prepare(&sql)
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect());
        match found {
            Ok(ids) => broken.extend(ids.iter().map(|id| format!("{collection}/{id}"))),
            Err(error) => broken.push(format!("{collection}: {error}")),
        }
    }
    match broken.as_slice() {
        [] if deep => check("documents", true, "every document is JSON with its id".to_owned()),
        [] => {
            let seen = format!(
                "those at both ends of each collection are JSON with their ids; {} reads every \
                 page and record",
                Action::DeepHealth
            );
            check("documents", true, seen)
        }
        broken => check("documents", false, format!("damaged: {}", broken.join(", "))),
    }
}

/// Whether the file got a second name while this handle was open.
fn one_name(file: &Path) -> HealthCheck {
    match links::refuse_second("health", file) {
        Ok(()) => check("names", true, "the file has one name".to_owned()),
        Err(error) => check("names", false, error.to_string()),
    }
}

fn log_size(file: &Path) -> HealthCheck {
    let bytes = std::fs::metadata(beside(file, "-wal")).map_or(0, |found| found.len());
    check("log", true, format!("{bytes} bytes not yet in the file"))
}

/// Whether the file may be written, and the log beside it.
fn writable(shared: &Shared) -> HealthCheck {
    if shared.options.read_only {
        return check("writable", true, "opened for reading only".to_owned());
    }
    let folder = shared.file().parent().unwrap_or(shared.file());
    match [shared.file(), folder].into_iter().try_for_each(|path| check_writable("health", path)) {
        Ok(()) => check("writable", true, "the file and its folder may be written".to_owned()),
        Err(error) => check("writable", false, error.to_string()),
    }
}

pub(super) const AFRESH: &str = "read the store's record";

/// The unfinished job as a connection sees it that is opened for this alone:
/// the file of that name may be another one by now.
pub(super) fn unfinished_job_afresh(shared: &Shared) -> Result<Option<UnfinishedJob>> {
    if !shared.file().exists() {
        return Ok(None);
    }
    let reader = open_reader(shared.file(), shared.busy)?;
    reader.read(AFRESH, shared.file(), |connection| {
        in_one_state(connection, shared.file(), |connection| {
            if !shared.read_catalog(connection)?.prepared {
                return Ok(None);
            }
            Ok(store_record::read(connection, shared.file())?.job)
        })
    })
}
