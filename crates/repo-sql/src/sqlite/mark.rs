//! Whether anything was committed, asked of SQLite's own counter of commits:
//! <https://www.sqlite.org/pragma.html#pragma_data_version>.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use repo_core::Result;
use repo_core::strategy::StateMark;

use super::connection::{self, Reader};
use super::opening::off_thread;
use super::shared::Shared;
use crate::errors;

/// Makes the marks of one handle. The counter says something only of what one
/// connection saw, so that is kept, and used for nothing else.
#[derive(Clone, Default)]
pub(super) struct Marker {
    kept: Arc<Mutex<MarkConnection>>,
}

#[derive(Default)]
struct MarkConnection {
    connection: Option<Reader>,
    /// How many were opened: each of them counts from the same number.
    opened: u64,
}

impl Marker {
    /// The mark of the present state.
    ///
    /// # Errors
    /// As for every read.
    pub(super) async fn mark(&self, shared: &Arc<Shared>) -> Result<Option<StateMark>> {
        shared.check_open(OPERATION)?;
        let (shared, kept) = (Arc::clone(shared), Arc::clone(&self.kept));
        off_thread(move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let reader = match kept.connection.take() {
                Some(reader) => reader,
                None => {
                    kept.opened += 1;
                    connection::open_reader(shared.file(), shared.busy)?
                }
            };
            // A file that is read as it stands is not kept open.
            if !reader.lasts() {
                return Ok(None);
            }
            let mark = read(&reader, kept.opened, shared.file());
            // One that failed is not asked again.
            if mark.is_ok() {
                kept.connection = Some(reader);
            }
            mark.map(Some)
        })
        .await
    }

    pub(super) fn close(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).connection = None;
    }
}

const OPERATION: &str = "read the state of the store";

fn read(reader: &Reader, number: u64, file: &Path) -> Result<StateMark> {
    let version: i64 = reader.read(OPERATION, file, |connection| {
        connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|source| errors::sqlite(OPERATION, file, source))
    })?;
    // The file itself too: SQLite does not see writes that pass it by.
    let found = std::fs::metadata(file).map_err(|source| errors::io(OPERATION, file, source))?;
    let changed = found.modified().map_err(|source| errors::io(OPERATION, file, source))?;
    Ok(StateMark::new(format!("{number} {version} {} {changed:?}", found.len())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use repo_core::strategy::OpenOptions;
    use rusqlite::Connection;

    use super::*;

    #[tokio::test]
    async fn marks_of_two_connections_are_never_equal() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.db");
        let other = Connection::open(&file).unwrap();
        other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n)").unwrap();
        let options = OpenOptions::default().with_read_only(true);
        let shared = Arc::new(Shared::new(file, Duration::from_secs(1), options));
        let marker = Marker::default();
        let first = marker.mark(&shared).await.unwrap().unwrap();
        assert_eq!(marker.mark(&shared).await.unwrap().unwrap(), first);
        // As after a failure.
        marker.close();
        other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert_ne!(marker.mark(&shared).await.unwrap().unwrap(), first);
    }
}
