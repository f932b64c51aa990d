//! The factories `sql` and `sqlite`: both read `storage.sql_strategy`.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::{Error, ErrorKind, OpenOptions, Result, StorageStrategy, StrategyFactory};
use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};

use crate::config::{SqlSettings, refuse};
use crate::sqlite::SqliteStrategy;

const SETTINGS_KEY: &str = "sql_strategy";
const URL_SCHEME: &str = "sqlite:";

/// Opens the database that `sql_strategy.type` says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqlFactory;

/// Opens a SQLite database, also one named by `sqlite:FILE`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteFactory;

#[async_trait]
impl StrategyFactory for SqlFactory {
    fn name(&self) -> &'static str {
        "sql"
    }

    fn summary(&self) -> &'static str {
        "tables of a SQL database, as sql_strategy.type says: sqlite"
    }

    fn settings_key(&self) -> &'static str {
        SETTINGS_KEY
    }

    fn check(&self, settings: &Json) -> Result<()> {
        SqlSettings::read(settings).map(drop)
    }

    fn settings_schema(&self) -> Json {
        settings_schema()
    }

    fn settings_from_url(&self, _url: &str) -> Result<Option<Json>> {
        Ok(None)
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        open_sqlite(SqlSettings::read(settings)?, options).await
    }
}

#[async_trait]
impl StrategyFactory for SqliteFactory {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn summary(&self) -> &'static str {
        "tables of a SQLite database, one file"
    }

    fn settings_key(&self) -> &'static str {
        SETTINGS_KEY
    }

    fn check(&self, settings: &Json) -> Result<()> {
        sqlite_settings(settings).map(drop)
    }

    fn settings_schema(&self) -> Json {
        settings_schema()
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        match url.strip_prefix(URL_SCHEME) {
            None => Ok(None),
            Some(file) if file.is_empty() || file.starts_with("//") => {
                Err(malformed_url().with("url", url))
            }
            Some(file) => Ok(Some(json!({ "type": "sqlite", "name": file }))),
        }
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        open_sqlite(sqlite_settings(settings)?, options).await
    }
}

/// The settings, which may leave the type out but not name another one.
fn sqlite_settings(settings: &Json) -> Result<SqlSettings> {
    match settings.get("type").and_then(Json::as_str) {
        Some("postgresql") => {
            Err(refuse("type", "the strategy sqlite was asked for, but type says postgresql")
                .hint("use the strategy sql, or name the store as sqlite:FILE"))
        }
        _ => SqlSettings::read(settings),
    }
}

fn malformed_url() -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "choose a strategy",
        "the URL of a SQLite store is sqlite: and the path of the file",
    )
    .hint("write sqlite:request_database.db or sqlite:/srv/data/request_database.db")
}

async fn open_sqlite(
    settings: SqlSettings,
    options: OpenOptions,
) -> Result<Arc<dyn StorageStrategy>> {
    Ok(Arc::new(SqliteStrategy::open(settings, options).await?))
}

fn settings_schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<SqlSettings>().to_value()
}
