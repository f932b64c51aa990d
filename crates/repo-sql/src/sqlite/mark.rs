//! Whether anything was committed, asked of SQLite's own counter of commits:
//! <https://www.sqlite.org/pragma.html#pragma_data_version>.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use repo_core::{Result, StateMark};

use super::connection::{self, Reader};
use super::opening::off_thread;
use super::shared::Shared;
use crate::errors;

/// Makes the marks of one handle. The counter says something only of what one
/// connection saw, so that is kept, and used for nothing else.
#[derive(Clone, Default)]
pub(super) struct Marker {
    connection: Arc<Mutex<Option<Reader>>>,
}

impl Marker {
    /// The mark of the present state.
    ///
    /// # Errors
    /// As for every read.
    pub(super) async fn mark(&self, shared: &Arc<Shared>) -> Result<Option<StateMark>> {
        shared.check_open(OPERATION)?;
        let (shared, connection) = (Arc::clone(shared), Arc::clone(&self.connection));
        off_thread(move || {
            let mut kept = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let reader = match kept.take() {
                Some(reader) => reader,
                None => connection::open_reader(shared.file(), shared.busy)?,
            };
            // Who reads a file as it stands keeps nothing of it open.
            if !reader.lasts() {
                return Ok(None);
            }
            let mark = read(&reader, shared.file());
            // Failed, it is opened anew, and counts from another number.
            if mark.is_ok() {
                *kept = Some(reader);
            }
            mark.map(Some)
        })
        .await
    }

    pub(super) fn close(&self) {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

const OPERATION: &str = "read the state of the store";

fn read(reader: &Reader, file: &Path) -> Result<StateMark> {
    let version: i64 = reader.read(OPERATION, file, |connection| {
        connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|source| errors::sqlite(OPERATION, file, source))
    })?;
    // The file itself too: SQLite does not see who writes past it.
    let found = std::fs::metadata(file).map_err(|source| errors::io(OPERATION, file, source))?;
    let changed = found.modified().map_err(|source| errors::io(OPERATION, file, source))?;
    Ok(StateMark::new(format!("{version} {} {changed:?}", found.len())))
}
