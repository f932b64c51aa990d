//! Opening the file: never made by SQLite itself, never read-write for a
//! reader.

use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use repo_core::strategy::Segment;
use repo_core::{EntityId, Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};

use super::allowance::Allowance;
use super::files::{beside, unchanging};
use super::plans::{MOST_STATEMENTS, Plans};
use crate::errors;

/// Pause between two attempts to open a database that is busy.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(2);

/// Memory for pages of the connection that writes, in KiB; negative as SQLite
/// has it. Its default of 2 MiB is less than the inner pages of the indexes of
/// a million records; with 16 MiB bulk loading was no faster.
const WRITER_CACHE_KIB: i64 = -4_096;

/// The same while indexes are made from records that are there: SQLite sorts
/// their entries in pieces of that size, beside the pages themselves.
const SORTING_CACHE_KIB: i64 = -1_024;

/// The name of the function that divides a scan. It is used in statements of
/// our readers only, never in the schema: other tools could not read that.
pub(super) const IN_SEGMENT: &str = "repo_in_segment";

/// A connection that cannot write.
pub(super) struct Reader {
    connection: Connection,
    /// The file as it was when it was opened, if SQLite opened it as one that
    /// does not change.
    as_it_stands: Option<Stamp>,
    allowance: Allowance,
    /// What it knows of the statements that it ran.
    pub(super) plans: Plans,
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Length and time of change of a file that nobody is writing.
#[derive(PartialEq, Eq)]
struct Stamp(u64, SystemTime);

impl Stamp {
    /// `None` when somebody writes, or broke off, or the file is gone.
    fn of(file: &Path) -> Option<Self> {
        if ["-wal", "-journal"].iter().any(|ending| beside(file, ending).exists()) {
            return None;
        }
        let found = std::fs::metadata(file).ok()?;
        Some(Self(found.len(), found.modified().ok()?))
    }
}

/// Opens a connection that cannot write.
///
/// A database in WAL mode is read by way of two files beside it. Where those
/// are not there and cannot be made (a medium or folder that may not be
/// written), nobody is writing now, and the file is read as it stands
/// (`immutable=1`): a backup on such a medium is an ordinary source. With a log
/// or a rollback journal beside it that is `PermissionDenied`, since the file
/// alone may not hold what was committed. It holds for one read, so each read
/// opens the file again: another user may be allowed to write there.
pub(super) fn open_reader(file: &Path, busy: Duration) -> Result<Reader> {
    patiently(busy, || try_open_reader(file, busy))
}

/// Tries again while the database is busy, for as long as a lock is waited for.
/// SQLite itself does not wait while another connection turns the log on, which
/// the first ones to open a new database do at the same time. Blocks.
fn patiently<T>(busy: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Unavailable && started.elapsed() < busy => {
                std::thread::sleep(BETWEEN_ATTEMPTS);
            }
            done => return done,
        }
    }
}

fn try_open_reader(file: &Path, busy: Duration) -> Result<Reader> {
    let mut connection = open(file, OpenFlags::SQLITE_OPEN_READ_ONLY, busy)?;
    let mut as_it_stands = None;
    if let Err(source) = catalog_page(&connection) {
        let stuck = errors::sqlite("open", file, source);
        if stuck.kind() != ErrorKind::PermissionDenied {
            return Err(stuck);
        }
        let Some(stamp) = Stamp::of(file) else { return Err(stuck) };
        connection = open(&unchanging(file), OpenFlags::SQLITE_OPEN_READ_ONLY, busy)?;
        catalog_page(&connection).map_err(|_| stuck)?;
        as_it_stands = Some(stamp);
        tracing::debug!(file = %file.display(), "read as a file that does not change");
    }
    let failed = |source| errors::sqlite("open", file, source);
    register_segments(&connection).map_err(failed)?;
    let allowance = Allowance::of(&connection).map_err(failed)?;
    Ok(Reader { connection, as_it_stands, allowance, plans: Plans::default() })
}

impl Reader {
    /// Whether it may serve more than one read.
    pub(super) fn lasts(&self) -> bool {
        self.as_it_stands.is_none()
    }

    /// How long to wait for a lock.
    pub(super) fn wait(&self, file: &Path, time: Duration) -> Result<()> {
        let failed = |source| errors::sqlite("read", file, source);
        self.connection.busy_timeout(time).map_err(failed)
    }

    /// Runs `work` if it takes only a moment; `None` when it would take longer,
    /// or when somebody holds a lock.
    pub(super) fn read_at_once<T>(
        &self,
        file: &Path,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Option<Result<T>> {
        self.allowance.limit();
        let done = self.read("read", file, work);
        let was_given_up = self.allowance.is_spent();
        self.allowance.lift();
        match done {
            Err(_) if was_given_up => None,
            Err(error) if error.kind() == ErrorKind::Unavailable => None,
            done => Some(done),
        }
    }

    /// Ends a read that may take only a moment and would take longer.
    ///
    /// # Errors
    /// `Unavailable` if it is such a read. Nobody sees that error.
    pub(super) fn takes_long(&self, operation: &'static str) -> Result<()> {
        if self.allowance.is_limited() {
            self.allowance.give_up();
            let why = "the read takes longer than a moment";
            return Err(Error::new(ErrorKind::Unavailable, operation, why));
        }
        Ok(())
    }

    /// Runs `work`.
    ///
    /// # Errors
    /// Those of `work`; `Unavailable` when somebody changed meanwhile what was
    /// read as a file that nobody writes: nothing read from it counts then.
    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        file: &Path,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let done = work(self);
        if self.as_it_stands.is_some() && self.as_it_stands != Stamp::of(file) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                operation,
                "the database was written while it was read in a folder closed to this user",
            )
            .with("file", file.display())
            .hint("try again"));
        }
        done
    }
}

/// Reads the first page, which is what opens the files for real.
fn catalog_page(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))
}

/// The connection that writes. The file has to exist.
pub(super) fn open_writer(file: &Path, busy: Duration) -> Result<Connection> {
    patiently(busy, || try_open_writer(file, busy))
}

fn try_open_writer(file: &Path, busy: Duration) -> Result<Connection> {
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

/// Makes the memory for pages small, which bounds what sorting takes as well, or
/// as it was again.
pub(super) fn save_memory(connection: &Connection, saves: bool) -> rusqlite::Result<()> {
    let kib = if saves { SORTING_CACHE_KIB } else { WRITER_CACHE_KIB };
    connection.pragma_update(None, "cache_size", kib)
}

/// Pages of a database in which there is little to sort: 16 MiB of 4 KiB.
const FEW_PAGES: i64 = 4_096;

/// Whether making indexes may sort more than a little. Where it does not, small
/// memory would only make SQLite read its own catalog of thousands of tables from
/// the file again for each of them.
pub(super) fn sorts_much(connection: &Connection) -> rusqlite::Result<bool> {
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    Ok(pages > FEW_PAGES)
}

/// Removes what readers leave beside the file. SQLite does so when the last
/// connection of all is closed, but only by one that may write; while another
/// is open this does nothing.
pub(super) fn remove_log(file: &Path) {
    if !beside(file, "-wal").exists() {
        return;
    }
    let removed = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE, Duration::ZERO).and_then(|last| {
        catalog_page(&last)
            .and_then(|()| last.close().map_err(|(_, source)| source))
            .map_err(|source| errors::sqlite("close", file, source))
    });
    if let Err(error) = removed {
        // Nothing is lost by it: the next one to open the file reads the log.
        tracing::debug!(%error, "the log stays beside the file");
    }
}

fn open(file: &Path, access: OpenFlags, busy: Duration) -> Result<Connection> {
    let failed = |source| errors::sqlite("open", file, source);
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(MOST_STATEMENTS);
    connection
        .busy_timeout(busy)
        // A name in quotes that is no column is an error, never a string.
        .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false))
        // A plan does not depend on the values: with STAT4, which the bundled
        // SQLite has, each new value of a LIMIT would prepare the statement
        // anew, in every page of a query and of a scan.
        .and_then(|_| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true))
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
    let _state = OneState::begin(connection).map_err(failed)?;
    work(connection)
}

/// A transaction that only reads, by statements that stay prepared: to parse its
/// two ends takes as long as a short read. Ends with a rollback when dropped.
struct OneState<'a>(&'a Connection);

impl<'a> OneState<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for OneState<'_> {
    fn drop(&mut self) {
        // SQLite ends it by itself after some errors.
        if self.0.is_autocommit() {
            return;
        }
        let ended = self.0.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        if let Err(error) = ended {
            tracing::debug!(%error, "a read transaction did not end");
        }
    }
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_a_file_that_somebody_writes_does_not_count() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let tool = Connection::open(&file).unwrap();
        tool.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE x (a)").unwrap();
        drop(tool);
        for ending in ["-wal", "-shm"] {
            std::os::unix::fs::symlink("/nowhere/at/all", beside(&file, ending)).unwrap();
        }
        let read = |work: &dyn Fn()| {
            let reader = open_reader(&file, Duration::ZERO).unwrap();
            assert!(!reader.lasts());
            reader.read("get", &file, |_| {
                work();
                Ok(())
            })
        };
        read(&|| {}).unwrap();
        let longer = || {
            let bytes = [std::fs::read(&file).unwrap(), vec![0; 4_096]].concat();
            std::fs::write(&file, bytes).unwrap();
        };
        assert_eq!(read(&longer).unwrap_err().kind(), ErrorKind::Unavailable);
        let log = || {
            std::fs::remove_file(beside(&file, "-wal")).unwrap();
            std::fs::write(beside(&file, "-wal"), "").unwrap();
        };
        assert_eq!(read(&log).unwrap_err().kind(), ErrorKind::Unavailable);
    }

    /// What was written in half is never read as it stands.
    #[test]
    fn a_journal_that_was_left_is_not_overlooked() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        std::fs::write(&file, "x").unwrap();
        assert!(Stamp::of(&file).is_some());
        std::fs::write(beside(&file, "-journal"), "x").unwrap();
        assert!(Stamp::of(&file).is_none());
    }
}
