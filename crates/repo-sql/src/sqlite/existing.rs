//! Tables of another program in a SQLite file: what its catalog says of them,
//! and reading them in pages.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, PhysicalIdentity, Record, StateMark, StorageStrategy};
use repo_core::{EntityId, Error, ErrorKind, HealthCheck, Result, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::connection::{self, Reader, in_one_state};
use super::mark::Marker;
use super::readers::Readers;
use super::shared::Shared;
use crate::config::SqlSettings;
use crate::errors;
use crate::existing::{
    Cell, ExistingStrategy, Found, FoundColumn, Place, Records, Row, Search, SqlKind, Statements,
    Table, TableReader, iso_time, may_be_tables, not_these, record, unfit,
};
use crate::names::{COLLECTIONS_TABLE, OBJECTS_TABLE, STORE_TABLE, quote};

/// The names under which SQLite gives the number of a row, unless a column has
/// them.
const ROW_NUMBERS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Opens tables of another program in a file that was refused as a store.
///
/// # Errors
/// The refusal, if there are none that can be read.
pub(super) fn open(
    shared: Arc<Shared>,
    settings: &SqlSettings,
    refusal: Error,
) -> Result<Arc<dyn StorageStrategy>> {
    if !shared.options.read_only || !may_be_tables(&refusal) || !shared.file().is_file() {
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
    Ok(Arc::new(ExistingStrategy::new(Arc::new(reader), tables, &others, &options)))
}

/// A table or view.
struct Named {
    name: String,
    kind: String,
    has_row_numbers: bool,
}

/// Looks for a table of each declared collection.
fn search(connection: &Connection, file: &Path, options: &OpenOptions) -> Result<Search> {
    let failed = |source| errors::theirs(errors::sqlite("open", file, source));
    let all = names(connection).map_err(failed)?;
    let is = |named: &&Named, wanted: &str| named.name.eq_ignore_ascii_case(wanted);
    let ours = [STORE_TABLE, COLLECTIONS_TABLE, OBJECTS_TABLE];
    if all.iter().any(|named| ours.iter().any(|own| is(&named, own))) {
        return Ok(Search::Nothing);
    }
    let mut tables: Vec<Table> = Vec::new();
    let selected =
        options.schemas.iter().filter(|schema| options.selects(schema.collection.as_str()));
    for schema in selected {
        let wanted = schema.existing_table();
        let Some(named) = all.iter().find(|named| is(named, wanted)) else { continue };
        let (found, orders) = look_at(connection, named).map_err(failed)?;
        let table = Table::new(schema.clone(), found, |found, id| {
            statements(found, id, named.has_row_numbers, orders.get(id).map_or("", String::as_str))
        });
        match table {
            Ok(table) => tables.push(table),
            Err(why) => return Ok(Search::Unfit(why)),
        }
    }
    if tables.is_empty() {
        let there: Vec<String> = all.into_iter().map(|named| named.name).collect();
        return Ok(if there.is_empty() { Search::Nothing } else { Search::Others(there) });
    }
    let read = |named: &Named| tables.iter().any(|table| table.name == named.name);
    let others = all.iter().filter(|named| named.kind == "table" && !read(named));
    let others = others.map(|named| named.name.clone()).collect();
    Ok(Search::Tables { tables, others })
}

/// Tables and views, by name.
fn names(connection: &Connection) -> rusqlite::Result<Vec<Named>> {
    let mut statement = connection.prepare(
        "SELECT \"name\", \"type\", NOT \"wr\" FROM pragma_table_list \
         WHERE \"schema\" = 'main' AND \"name\" NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY \"name\"",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Named { name: row.get(0)?, kind: row.get(1)?, has_row_numbers: row.get(2)? })
    })?;
    rows.collect()
}

/// The table, and for each column the collation by which its values are found.
fn look_at(connection: &Connection, named: &Named) -> rusqlite::Result<(Found, Vec<String>)> {
    let obstacle = match named.kind.as_str() {
        "view" => Some("is a view, of whose ids nothing says that none stands twice"),
        "virtual" => Some("is a virtual table, which only the other program can read"),
        _ => None,
    };
    let mut statement = connection.prepare(
        "SELECT \"name\", \"type\", \"notnull\", \"pk\" FROM pragma_table_xinfo(?1) \
         WHERE \"hidden\" <> 1 ORDER BY \"cid\"",
    )?;
    let rows = statement.query_map([&named.name], |row| {
        let sql_type: String = row.get(1)?;
        let column = FoundColumn {
            name: row.get(0)?,
            kind: kind_of(&sql_type),
            sql_type,
            not_null: row.get(2)?,
            unique: false,
            no_ids: false,
        };
        Ok((row.get::<_, i64>(3)?, column))
    })?;
    let mut keyed: Vec<(i64, FoundColumn)> = rows.collect::<rusqlite::Result<_>>()?;
    let in_key = keyed.iter().filter(|(key, _)| *key > 0).count();
    let mut orders = Vec::with_capacity(keyed.len());
    for (key, column) in &mut keyed {
        let is_key = *key > 0 && in_key == 1;
        let index = unique_index(connection, &named.name, &column.name)?;
        column.unique = is_key || index.is_some();
        // A key without an index is the number of the row, which is never
        // NULL. Any other key may be, unless it is declared otherwise.
        column.not_null |= is_key && index.is_none();
        orders.push(index.unwrap_or_else(|| "BINARY".to_owned()));
    }
    let columns = keyed.into_iter().map(|(_, column)| column).collect();
    Ok((Found { name: named.name.clone(), obstacle, columns }, orders))
}

/// What a declared type says. SQLite itself would take any value.
fn kind_of(sql_type: &str) -> SqlKind {
    let declared = sql_type.to_ascii_uppercase();
    if declared.contains("BOOL") {
        SqlKind::Boolean
    } else if declared.contains("JSON") {
        SqlKind::Json
    } else if declared.contains("TIMESTAMP") || declared.contains("DATETIME") {
        SqlKind::Time
    } else {
        SqlKind::Plain
    }
}

/// The collation of the unique index on this column alone, if there is one.
fn unique_index(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT x.\"coll\" FROM pragma_index_list(?1) AS i, pragma_index_xinfo(i.\"name\") AS x \
             WHERE i.\"unique\" = 1 AND i.\"partial\" = 0 AND x.\"key\" = 1 AND x.\"name\" = ?2 \
             AND (SELECT count(*) FROM pragma_index_xinfo(i.\"name\") WHERE \"key\" = 1) = 1 \
             ORDER BY x.\"coll\" = 'BINARY' DESC LIMIT 1",
        )?
        .query_row([table, column], |row| row.get(0))
        .optional()
}

fn statements(found: &Found, id: usize, has_row_numbers: bool, collation: &str) -> Statements {
    let is_column = |name: &str| found.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
    let place = match ROW_NUMBERS.iter().find(|name| !is_column(name)) {
        Some(name) if has_row_numbers => name,
        _ => "NULL",
    };
    let columns: Vec<String> = found.columns.iter().map(|column| quote(&column.name)).collect();
    let (columns, table) = (columns.join(", "), quote(&found.name));
    let id = found.columns.get(id).map_or("", |column| column.name.as_str());
    let key = format!("{} COLLATE {}", quote(id), quote(collation));
    let select = format!("SELECT {place}, {columns} FROM {table}");
    Statements {
        first: format!("{select} ORDER BY {key} LIMIT ?1").into(),
        next: format!("{select} WHERE {key} > ?1 ORDER BY {key} LIMIT ?2").into(),
        get: format!("{select} WHERE {key} IN (SELECT \"value\" FROM json_each(?1))").into(),
        count: format!("SELECT count(*) FROM {table}").into(),
        without_id: format!("SELECT {place} FROM {table} WHERE {} IS NULL LIMIT 1", quote(id))
            .into(),
    }
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
        HealthCheck { name: "file", ok, detail }
    }

    async fn close(&self) {
        if self.shared.close() {
            self.readers.close().await;
            self.marker.close();
        }
    }
}

/// A row as the statements of [`statements`] give it.
fn row_of<'row>(table: &Table, row: &'row rusqlite::Row<'_>) -> rusqlite::Result<Row<'row>> {
    let place = match row.get_ref(0)? {
        ValueRef::Integer(number) => Place::Rowid(number),
        _ => Place::Unknown,
    };
    let cells = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let value = row.get_ref(at + 1)?;
            Ok(match value {
                // 1 and '1' could stand beside each other, and are one id.
                ValueRef::Integer(_) | ValueRef::Real(_)
                    if at == table.id && keeps_any_value(&column.sql_type) =>
                {
                    let what = "it is a number in a column without a type";
                    Cell::Unsayable(what, Cow::Borrowed(&[]))
                }
                value => cell(value, column.kind),
            })
        })
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Row { place, cells })
}

/// Whether a column of this type keeps numbers and text apart ("no affinity").
fn keeps_any_value(sql_type: &str) -> bool {
    let declared = sql_type.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    !says(&["INT", "CHAR", "CLOB", "TEXT"]) && (declared.is_empty() || says(&["BLOB"]))
}

fn cell(value: ValueRef<'_>, kind: SqlKind) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number.to_string().into()),
        ValueRef::Real(number) if number.is_finite() => Cell::Number(shortest(number).into()),
        ValueRef::Real(number) => {
            Cell::Unsayable("an infinite number", number.to_string().into_bytes().into())
        }
        ValueRef::Blob(bytes) => Cell::Unsayable("bytes (BLOB)", bytes.into()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if kind == SqlKind::Time => Cell::Text(iso_time(text)),
            Ok(text) => Cell::Text(text.into()),
            Err(_) => Cell::Unsayable("text that is not UTF-8", bytes.into()),
        },
    }
}

/// The shortest decimal number that is read as the same float again.
fn shortest(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
