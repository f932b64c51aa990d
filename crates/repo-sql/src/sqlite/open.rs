//! Opening a SQLite database as a store.

use std::sync::Arc;

use repo_core::Result;
use repo_core::strategy::{OpenOptions, StorageStrategy};

use super::existing;
use super::opening::{check_file, off_thread, shared};
use super::strategy::SqliteStrategy;
use crate::config::{SqlSettings, SqlType};

impl SqliteStrategy {
    /// Opens the database. A file that does not exist is left to
    /// [`prepare`](StorageStrategy::prepare) to make.
    ///
    /// # Errors
    /// `NotFound` when opened read-only and there is no store; `Corrupt` when
    /// the file is no database; `Unsupported` for a newer layout; `Foreign`
    /// when tables that are not ours stand in the place of a collection;
    /// `PermissionDenied` when the file may not be opened; `ConfigInvalid` for
    /// a setting out of range or of another kind of database.
    ///
    /// ```
    /// use repo_core::strategy::{OpenOptions, StorageStrategy as _};
    /// use repo_sql::{SqlSettings, SqliteStrategy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("app.db").display().to_string();
    /// # /*
    /// let file = "app.db".to_owned();
    /// # */
    /// let settings = SqlSettings { name: file, ..SqlSettings::default() };
    /// let store = SqliteStrategy::open(settings, OpenOptions::default()).await?;
    /// store.prepare(&[]).await?;
    /// store.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: SqlSettings, options: OpenOptions) -> Result<Self> {
        let settings = settings.checked_as(SqlType::Sqlite)?;
        off_thread(move || {
            let shared = shared(&settings, options)?;
            check_file(&shared)?;
            Ok(Self::on(shared, &settings))
        })
        .await
    }

    /// Opens the database; for reading only also one that holds no store but
    /// tables of another program under the names of the collections.
    ///
    /// # Errors
    /// As [`open`](Self::open), with why such tables cannot be read.
    pub(crate) async fn open_any(
        settings: SqlSettings,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        off_thread(move || {
            let shared = shared(&settings, options)?;
            match check_file(&shared) {
                Ok(()) => Ok(Arc::new(Self::on(shared, &settings)) as Arc<dyn StorageStrategy>),
                Err(refusal) => existing::open(shared, &settings, refusal),
            }
        })
        .await
    }
}
