//! Opening a schema of a PostgreSQL database as a store.

use std::sync::Arc;

use repo_core::strategy::{Action, OpenOptions, StorageStrategy};
use repo_core::{CollectionSchema, Error, ErrorKind, Result};

use super::catalog::Catalog;
use super::shared::Shared;
use super::strategy::PostgresStrategy;
use super::{existing, inspect};
use crate::config::{SqlSettings, SqlType};

impl PostgresStrategy {
    /// Connects and looks at what is there.
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached, `PermissionDenied` for
    /// a refused login, `NotFound` for a missing database, or when opened
    /// read-only and there is no store; `Unsupported` for a newer layout;
    /// `Foreign` when tables that are not ours stand in the place of a
    /// collection; `ConfigInvalid` for a setting out of range or of another kind
    /// of database, and for a pooler of connections that the settings do not name.
    ///
    /// ```no_run
    /// use repo_core::strategy::OpenOptions;
    /// use repo_sql::{PostgresStrategy, SqlSettings, SqlType};
    ///
    /// # async fn example() -> repo_core::Result<()> {
    /// let settings = SqlSettings {
    ///     database: SqlType::Postgresql,
    ///     host: "db.example".to_owned(),
    ///     name: "broker".to_owned(),
    ///     username: "broker".to_owned(),
    ///     password: std::env::var("DB_PASSWORD").unwrap_or_default().into(),
    ///     ..SqlSettings::default()
    /// };
    /// let store = PostgresStrategy::open(settings, OpenOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: SqlSettings, options: OpenOptions) -> Result<Self> {
        let settings = settings.checked_as(SqlType::Postgresql)?;
        let shared = Arc::new(Shared::new(&settings, options)?);
        let known = shared.read_catalog("open").await?;
        check(&shared, &known).await?;
        Ok(Self::on(shared))
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
        let shared = Arc::new(Shared::new(&settings, options)?);
        let known = shared.read_catalog("open").await?;
        match check(&shared, &known).await {
            Ok(()) => Ok(Arc::new(Self::on(shared))),
            Err(refusal) if known.prepared => Err(refusal),
            Err(refusal) => existing::open(shared, refusal).await,
        }
    }
}

/// Refuses what is not ours in the place of a declared collection, and, for
/// reading only, a database without a store.
async fn check(shared: &Shared, known: &Catalog) -> Result<()> {
    if !shared.options.read_only {
        super::check::encoding(shared, "open").await?;
    }
    let new: Vec<CollectionSchema> = shared
        .options
        .schemas
        .iter()
        .filter(|schema| !known.tables.contains_key(&schema.collection))
        .filter(|schema| shared.options.selects(schema.collection.as_str()))
        .cloned()
        .collect();
    match inspect::refuse_foreign(shared, "open", &new).await {
        // It cannot be prepared here; `prepare` says so.
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        other => other?,
    }
    if !known.prepared && shared.options.read_only {
        return Err(Error::new(ErrorKind::NotFound, "open", "the database holds no store")
            .with("store", &shared.location)
            .hint(format!("check `name` and `schema`; a store is made with {}", Action::Prepare)));
    }
    Ok(())
}
