//! Tables of another program in a SQLite file, read in pages.

mod row;
mod search;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{PhysicalIdentity, Record, StateMark, StorageStrategy};
use repo_core::{EntityId, Error, ErrorKind, HealthCheck, Result, Timestamp};
use rusqlite::{OptionalExtension as _, params_from_iter};

use self::row::row_of;
use self::search::search;
use super::connection::{self, Reader, in_one_state};
use super::mark::Marker;
use super::readers::Readers;
use super::shared::Shared;
use crate::config::SqlSettings;
use crate::errors;
use crate::existing::{
    Place, Records, Search, Table, TableReader, may_be_tables, not_these, record, store, unfit,
};

/// Opens tables of another program in a file that was refused as a store.
///
/// # Errors
/// The refusal, if there are none that can be read.
pub(super) fn open(
    shared: Arc<Shared>,
    settings: &SqlSettings,
    refusal: Error,
) -> Result<Arc<dyn StorageStrategy>> {
    let may_open = shared.options.opens_foreign() && may_be_tables(&refusal);
    if !may_open || !shared.file().is_file() {
        return Err(refusal);
    }
    let reader = connection::open_reader(shared.file(), shared.busy)?;
    let found = reader.read("open", shared.file(), |connection| {
        in_one_state(connection, shared.file(), |connection| {
            search(connection, shared.file(), &shared.options)
        })
    })?;
    let (tables, others) = match found {
        Search::Nothing => return Err(refusal),
        Search::Others(tables) => {
            return Err(not_these(refusal, &tables, &shared.options.schemas));
        }
        Search::Unfit(why) => return Err(unfit(&refusal, &why)),
        Search::Tables { tables, others } => (tables, others),
    };
    let time = std::fs::metadata(shared.file())
        .and_then(|found| found.modified())
        .map_err(|source| errors::io("open", shared.file(), source))?;
    let options = shared.options.clone();
    let reader = FileReader {
        readers: Readers::new(Arc::clone(&shared), settings.pool_size, settings.max_overflow),
        marker: Marker::default(),
        time: time.into(),
        shared,
    };
    Ok(Arc::new(store(Arc::new(reader), tables, &others, &options)))
}

/// Reads the tables of one file.
struct FileReader {
    shared: Arc<Shared>,
    readers: Readers,
    marker: Marker,
    /// When the file was last changed: no row says when it was.
    time: Timestamp,
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileReader").field(&self.shared).finish()
    }
}

impl FileReader {
    /// The records that a statement answers.
    async fn records(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
        sql: &Arc<str>,
        params: Vec<rusqlite::types::Value>,
    ) -> Result<Records> {
        let (shared, table, sql) = (Arc::clone(&self.shared), Arc::clone(table), Arc::clone(sql));
        let time = self.time;
        let read = move |connection: &Reader| {
            let failed = |source| errors::theirs(errors::sqlite(operation, shared.file(), source));
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            let mut rows = statement.query(params_from_iter(params)).map_err(failed)?;
            let mut records = Records::default();
            while let Some(row) = rows.next().map_err(failed)? {
                records.add(record(&table, time, &row_of(&table, row).map_err(failed)?));
            }
            Ok(records)
        };
        self.readers.run(operation, read).await
    }

    /// One value that a statement answers, if there is one.
    async fn value<T: rusqlite::types::FromSql + Send + 'static>(
        &self,
        operation: &'static str,
        sql: &Arc<str>,
    ) -> Result<Option<T>> {
        let (shared, sql) = (Arc::clone(&self.shared), Arc::clone(sql));
        let read = move |connection: &Reader| {
            connection
                .prepare_cached(&sql)
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
                .map_err(|source| errors::theirs(errors::sqlite(operation, shared.file(), source)))
        };
        self.readers.run(operation, read).await
    }
}

#[async_trait]
impl TableReader for FileReader {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        self.shared.check_open(operation)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.shared.physical_identity().map(Some)
    }

    async fn after(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
        after: Option<&EntityId>,
        most: usize,
    ) -> Result<Records> {
        let most = i64::try_from(most).unwrap_or(i64::MAX).into();
        let statements = &table.statements;
        match after {
            None => self.records(operation, table, &statements.first, vec![most]).await,
            Some(id) => {
                let id = id.to_string().into();
                self.records(operation, table, &statements.next, vec![id, most]).await
            }
        }
    }

    async fn of_ids(&self, table: &Arc<Table>, ids: &[EntityId]) -> Result<Vec<Record>> {
        let list = serde_json::to_string(ids).map_err(|source| {
            Error::new(ErrorKind::Invalid, "get", "an id cannot be written as JSON")
                .caused_by(source)
        })?;
        self.records("get", table, &table.statements.get, vec![list.into()]).await?.finish()
    }

    async fn count(&self, table: &Arc<Table>) -> Result<u64> {
        let count: Option<u64> = self.value("count", &table.statements.count).await?;
        Ok(count.unwrap_or(0))
    }

    async fn without_id(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
    ) -> Result<Option<Place>> {
        let row: Option<Option<i64>> = self.value(operation, &table.statements.without_id).await?;
        Ok(row.map(|number| number.map_or(Place::Unknown, Place::Rowid)))
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        self.marker.mark(&self.shared).await
    }

    async fn health(&self) -> HealthCheck {
        let file = self.shared.file().display();
        let sql: Arc<str> = "SELECT count(*) FROM sqlite_master".into();
        let (ok, detail) = match self.value::<u64>("health", &sql).await {
            Ok(_) => (true, format!("{file} can be read")),
            Err(error) => (false, error.to_string()),
        };
        HealthCheck::new("file", ok, detail)
    }

    async fn close(&self) {
        if self.shared.close() {
            self.readers.close().await;
            self.marker.close();
        }
    }
}
