//! What opening a file looks at before anything is done with it.

use std::sync::Arc;

use repo_core::strategy::{Action, OpenOptions, check_writable};
use repo_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use super::shared::Shared;
use super::{connection, links};
use crate::config::SqlSettings;
use crate::errors;

/// Runs `work` on a thread for blocking work.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| {
        Error::new(ErrorKind::Unavailable, "open", "the opening task ended early").caused_by(source)
    })?
}

/// The state of a new handle.
pub(super) fn shared(settings: &SqlSettings, options: OpenOptions) -> Result<Arc<Shared>> {
    let file = links::real(&settings.file())?;
    links::refuse_second("open", &file)?;
    Ok(Arc::new(Shared::new(file, settings.busy_timeout(), options)))
}

/// Looks at the file, if there is one, without changing it.
pub(super) fn check_file(shared: &Shared) -> Result<()> {
    let missing = |what: &str| {
        Err(Error::new(ErrorKind::NotFound, "open", what)
            .with("file", shared.file().display())
            .hint(format!("check the path; a store is made with {}", Action::Prepare)))
    };
    if !shared.options.read_only {
        check_writable("open", shared.file())?;
        // The write-ahead log is made beside the file.
        shared.file().parent().map_or(Ok(()), |folder| check_writable("open", folder))?;
    }
    match std::fs::metadata(shared.file()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return if shared.options.read_only {
                missing("there is no such file")
            } else {
                Ok(())
            };
        }
        Err(error) => return Err(errors::io("open", shared.file(), error)),
        Ok(found) if found.is_dir() => {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "open",
                "the path of the database is a folder",
            )
            .with("file", shared.file().display())
            .hint("name a file in it"));
        }
        Ok(_) => {}
    }
    let reader = connection::open_reader(shared.file(), shared.busy)?;
    let catalog = reader.read("open", shared.file(), |connection| {
        connection::in_one_state(connection, shared.file(), |connection| {
            if !shared.options.read_only {
                check_encoding("open", connection, shared.file())?;
            }
            let catalog = shared.read_catalog(connection)?;
            shared.refuse_foreign(connection, &catalog)?;
            Ok(catalog)
        })
    })?;
    if !catalog.prepared && shared.options.read_only {
        return missing("the database holds no store");
    }
    shared.known.set(catalog);
    Ok(())
}

/// Refuses a database whose text is UTF-16: its order of ids is another one.
///
/// # Errors
/// `Unsupported`.
pub(super) fn check_encoding(
    operation: &'static str,
    connection: &Connection,
    file: &std::path::Path,
) -> Result<()> {
    let encoding: String = connection
        .query_row("PRAGMA encoding", [], |row| row.get(0))
        .map_err(|source| errors::sqlite(operation, file, source))?;
    if encoding == "UTF-8" {
        return Ok(());
    }
    let why = "the text of the database is not UTF-8, so that its ids have another order";
    Err(Error::new(ErrorKind::Unsupported, operation, why)
        .with("file", file.display())
        .with("encoding", encoding)
        .hint("name another file; this one can be the source of a migration"))
}
