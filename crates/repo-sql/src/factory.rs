//! The factories `sql`, `sqlite` and `postgresql`: all read
//! `storage.sql_strategy`.

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{self, OpenOptions, Scratch, StorageStrategy, StrategyFactory};
use repo_core::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

use crate::config::{SqlSettings, SqlType, refuse};

const SETTINGS_KEY: &str = "sql_strategy";
const URL_SCHEME: &str = "sqlite:";

/// Opens the database that `sql_strategy.type` says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqlFactory;

/// Opens a SQLite database, also one named by `sqlite:FILE`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteFactory;

/// Opens a PostgreSQL database, also one named by
/// `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresFactory;

#[async_trait]
impl StrategyFactory for SqlFactory {
    fn name(&self) -> &'static str {
        "sql"
    }

    fn summary(&self) -> &'static str {
        "tables of a SQL database, as sql_strategy.type says: sqlite or postgresql"
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
        let settings = SqlSettings::read(settings)?;
        match settings.database {
            SqlType::Sqlite => open_sqlite(settings, options).await,
            SqlType::Postgresql => open_postgres(settings, options).await,
        }
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        scratch(settings, &SqlSettings::read(settings)?)
    }

    async fn remove_scratch(&self, scratch: &Scratch) -> Result<()> {
        remove_scratch(scratch).await
    }
}

#[async_trait]
impl StrategyFactory for PostgresFactory {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    fn summary(&self) -> &'static str {
        "tables of a PostgreSQL database"
    }

    fn settings_key(&self) -> &'static str {
        SETTINGS_KEY
    }

    fn check(&self, settings: &Json) -> Result<()> {
        of_type(settings, "postgresql").map(drop)
    }

    fn settings_schema(&self) -> Json {
        settings_schema()
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        postgres_url(url)
    }

    fn check_built_in(&self) -> Result<()> {
        if cfg!(feature = "postgres") { Ok(()) } else { Err(without_postgres()) }
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        open_postgres(of_type(settings, "postgresql")?, options).await
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        scratch(settings, &of_type(settings, "postgresql")?)
    }

    async fn remove_scratch(&self, scratch: &Scratch) -> Result<()> {
        remove_scratch(scratch).await
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
        of_type(settings, "sqlite").map(drop)
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

    fn check_built_in(&self) -> Result<()> {
        if cfg!(feature = "sqlite") { Ok(()) } else { Err(without_sqlite()) }
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        open_sqlite(of_type(settings, "sqlite")?, options).await
    }

    fn scratch(&self, settings: &Json) -> Result<Scratch> {
        scratch(settings, &of_type(settings, "sqlite")?)
    }
}

/// A scratch place: for SQLite a database in a folder beside the file, for PostgreSQL a schema
/// of its own in the same database.
fn scratch(given: &Json, read: &SqlSettings) -> Result<Scratch> {
    match read.database {
        SqlType::Sqlite => Scratch::in_folder_beside(&read.file(), |folder| {
            with(given, "name", format!("{folder}/scratch.db"))
        }),
        SqlType::Postgresql => Scratch::on_server(|name| with(given, "schema", name.to_owned())),
    }
}

/// The settings with another value of one of them.
fn with(settings: &Json, name: &str, value: String) -> Json {
    let mut settings = settings.clone();
    if let Some(fields) = settings.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
    settings
}

/// Removes a scratch place of either kind.
async fn remove_scratch(scratch: &Scratch) -> Result<()> {
    match scratch.name_on_server() {
        None => scratch.remove_folder(),
        Some(schema) => {
            let settings = of_type(scratch.settings(), "postgresql")?;
            remove_postgres_schema(settings, schema).await
        }
    }
}

/// The settings, which may leave the type out but not name another one.
fn of_type(settings: &Json, name: &'static str) -> Result<SqlSettings> {
    let mut settings = settings.clone();
    if let Some(object) = settings.as_object_mut() {
        let found = object.entry("type").or_insert_with(|| name.into());
        if let Some(found) = found.as_str().filter(|found| *found != name) {
            let why = format!("the strategy {name} was asked for, but type says {found}");
            return Err(
                refuse("type", why).hint("use the strategy sql, or name the store by its URL")
            );
        }
    }
    SqlSettings::read(&settings)
}

fn malformed_url() -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "choose a strategy",
        "the URL of a SQLite store is sqlite: and the path of the file",
    )
    .hint("write sqlite:request_database.db or sqlite:/srv/data/request_database.db")
}

fn without_sqlite() -> Error {
    strategy::left_out("sqlite", "sqlite")
}

fn without_postgres() -> Error {
    strategy::left_out("postgresql", "postgres")
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(
    settings: SqlSettings,
    options: OpenOptions,
) -> Result<Arc<dyn StorageStrategy>> {
    crate::SqliteStrategy::open_any(settings, options).await
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_: SqlSettings, _: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
    Err(without_sqlite())
}

#[cfg(feature = "postgres")]
async fn open_postgres(
    settings: SqlSettings,
    options: OpenOptions,
) -> Result<Arc<dyn StorageStrategy>> {
    crate::PostgresStrategy::open_any(settings, options).await
}

#[cfg(not(feature = "postgres"))]
async fn open_postgres(_: SqlSettings, _: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
    Err(without_postgres())
}

#[cfg(feature = "postgres")]
async fn remove_postgres_schema(settings: SqlSettings, schema: &str) -> Result<()> {
    crate::postgres::remove_schema(&settings, schema).await
}

#[cfg(not(feature = "postgres"))]
async fn remove_postgres_schema(_: SqlSettings, _: &str) -> Result<()> {
    Err(without_postgres())
}

#[cfg(feature = "postgres")]
fn postgres_url(url: &str) -> Result<Option<Json>> {
    crate::postgres_url::settings(url)
}

/// Only known as one, so that opening it can say what is missing.
#[cfg(not(feature = "postgres"))]
fn postgres_url(url: &str) -> Result<Option<Json>> {
    let is_one = url.starts_with("postgresql://") || url.starts_with("postgres://");
    Ok(is_one.then(|| json!({ "type": "postgresql" })))
}

fn settings_schema() -> Json {
    strategy::settings_schema(include_str!("settings.schema.json"))
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;

    use super::*;

    #[test]
    fn the_schema_of_the_settings_is_that_of_their_type() {
        let inline = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let made = inline.into_generator().into_root_schema_for::<SqlSettings>().to_value();
        assert_eq!(SqlFactory.settings_schema(), made, "settings.schema.json is to be:\n{made:#}");
    }
}
