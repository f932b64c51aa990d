//! Opening the file: never made by SQLite itself, never read-write for a
//! reader.

use std::path::{Path, PathBuf};
use std::time::Duration;

use repo_core::{EntityId, Error, ErrorKind, Result, Segment};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};

use crate::errors;

/// Statements kept prepared by each connection.
const STATEMENT_CACHE: usize = 128;

/// Memory for pages of the connection that writes, in KiB; negative as SQLite
/// has it. Its default of 2 MiB is less than the inner pages of the indexes of
/// a million records.
const WRITER_CACHE_KIB: i64 = -16_384;

/// The name of the function that divides a scan. It is used in statements of
/// our readers only, never in the schema: other tools could not read that.
pub(super) const IN_SEGMENT: &str = "repo_in_segment";

/// A connection that cannot write.
///
/// A database in WAL mode is read by way of two files beside it. Where those
/// are not there and cannot be made (a medium or folder that may not be
/// written), nobody can be writing either, and the file is read as it stands.
pub(super) fn open_reader(file: &Path, busy: Duration) -> Result<Connection> {
    let mut connection = open(file, OpenFlags::SQLITE_OPEN_READ_ONLY, busy)?;
    if let Err(source) = catalog_page(&connection) {
        let stuck = errors::sqlite("open", file, source);
        if stuck.kind() != ErrorKind::PermissionDenied || beside(file, "-wal").exists() {
            return Err(stuck);
        }
        connection = open(&unchanging(file), OpenFlags::SQLITE_OPEN_READ_ONLY, busy)?;
        catalog_page(&connection).map_err(|_| stuck)?;
        tracing::info!(file = %file.display(), "read as a file that does not change");
    }
    register_segments(&connection).map_err(|source| errors::sqlite("open", file, source))?;
    Ok(connection)
}

/// Reads the first page, which is what opens the files for real.
fn catalog_page(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))
}

/// The path of a file that SQLite keeps beside the database.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The file as a URI that promises that nothing changes it. Every byte that
/// could mean something in a URI is escaped.
fn unchanging(file: &Path) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

/// The connection that writes. The file has to exist.
pub(super) fn open_writer(file: &Path, busy: Duration) -> Result<Connection> {
    let connection = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE, busy)?;
    let failed = |source| errors::sqlite("open", file, source);
    // Changes nothing in a file that is in this mode already.
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        .and_then(|()| connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB))
        .map_err(failed)?;
    Ok(connection)
}

fn open(file: &Path, access: OpenFlags, busy: Duration) -> Result<Connection> {
    let failed = |source| errors::sqlite("open", file, source);
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection
        .busy_timeout(busy)
        // A name in quotes that is no column is an error, never a string.
        .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false))
        // The file may come from elsewhere: its schema runs no function that
        // could do harm.
        .and_then(|_| connection.pragma_update(None, "trusted_schema", false))
        .map_err(failed)?;
    Ok(connection)
}

/// Runs `work` in one state of the database, whatever others commit meanwhile.
pub(super) fn in_one_state<T>(
    connection: &Connection,
    file: &Path,
    work: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    if !connection.is_autocommit() {
        return work(connection);
    }
    let failed = |source| errors::sqlite("read", file, source);
    // Ends with a rollback when dropped; it only reads.
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    work(&transaction)
}

/// `repo_in_segment(id, index, total)`: whether the id is in that segment.
fn register_segments(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(IN_SEGMENT, 3, flags, |context| {
        let id = context.get_raw(0).as_str().map_err(user_error)?;
        let (index, total): (usize, usize) = (context.get(1)?, context.get(2)?);
        let total = std::num::NonZeroUsize::new(total).unwrap_or(std::num::NonZeroUsize::MIN);
        let id = EntityId::new(id).map_err(user_error)?;
        Ok(Segment::split(total).nth(index).is_some_and(|segment| segment.contains(&id)))
    })
}

fn user_error(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(Box::new(error))
}

/// Makes the empty file, readable by its owner only, with the folder that it
/// stands in. Whether it was made.
pub(super) fn create_file(file: &Path) -> Result<bool> {
    let failed = |source: std::io::Error| -> Error { errors::io("prepare", file, source) };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
