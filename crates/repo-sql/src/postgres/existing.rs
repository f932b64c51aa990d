//! Tables of another program in a schema of a PostgreSQL database: what its
//! catalog says of them, and reading them in pages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{PhysicalIdentity, Record, StorageStrategy};
use repo_core::{EntityId, Error, ErrorKind, HealthCheck, Result, Timestamp};

use super::identity;
use super::read;
use super::rows::{PgRow, number_at, optional_text_at, raw_at, text_at, truth_at};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use crate::errors;
use crate::existing::{
    Cell, FoundColumn, FoundTable, Place, Records, Row, Search, SqlKind, Statements, Table,
    TableReader, iso_time, may_be_tables, not_these, record, store, unfit,
};
use crate::names::quote;

/// Opens tables of another program in a schema that was refused as a store.
///
/// # Errors
/// The refusal, if there are none that can be read.
pub(super) async fn open(shared: Arc<Shared>, refusal: Error) -> Result<Arc<dyn StorageStrategy>> {
    if !shared.options.opens_foreign() || !may_be_tables(&refusal) {
        return Err(refusal);
    }
    let (tables, others) = match search(&shared).await? {
        Search::Nothing => return Err(refusal),
        Search::Others(tables) => {
            return Err(not_these(refusal, &tables, &shared.options.schemas));
        }
        Search::Unfit(why) => return Err(unfit(&refusal, &why)),
        Search::Tables { tables, others } => (tables, others),
    };
    let options = shared.options.clone();
    let reader = SchemaReader { time: options.clock.now(), shared };
    Ok(Arc::new(store(Arc::new(reader), tables, &others, &options)))
}

/// A table of the catalog with what its statements need to know.
struct Named {
    found: FoundTable,
    /// By column: as what ids are compared, if the column can hold ids.
    id_types: Vec<Option<String>>,
}

/// Looks for a table of each declared collection.
async fn search(shared: &Shared) -> Result<Search> {
    let options = &shared.options;
    let selected =
        || options.schemas.iter().filter(|schema| options.selects(schema.collection.as_str()));
    let wanted = selected().map(|schema| schema.existing_table().to_owned());
    let mut there = look(shared, wanted.collect()).await?;
    let mut tables: Vec<Table> = Vec::new();
    for schema in selected() {
        let Some(named) = there.remove(schema.existing_table()) else { continue };
        let Named { found, id_types } = named;
        let table = Table::new(schema.clone(), found, |found, id| {
            let id_type = id_types.get(id).and_then(Option::as_deref).unwrap_or("text");
            statements(&shared.schema, found, id, id_type)
        });
        match table {
            Ok(table) => tables.push(table),
            Err(why) => return Ok(Search::Unfit(why)),
        }
    }
    if tables.is_empty() {
        let there = others(shared, &tables).await?;
        return Ok(if there.is_empty() { Search::Nothing } else { Search::Others(there) });
    }
    let others = others(shared, &tables).await?;
    Ok(Search::Tables { tables, others })
}

/// The rows of a statement that reads tables of another program.
async fn run(shared: &Shared, operation: &'static str, statement: Statement) -> Result<Vec<PgRow>> {
    read::run(shared, operation, statement).await.map_err(errors::theirs)
}

/// Tables that no collection names.
async fn others(shared: &Shared, tables: &[Table]) -> Result<Vec<String>> {
    let sql = "SELECT c.relname::text FROM pg_class AS c \
               JOIN pg_namespace AS n ON n.oid = c.relnamespace \
               WHERE n.nspname = \u{0}1\u{0} AND c.relkind IN ('r', 'p') \
               AND NOT c.relispartition AND c.relname <> ALL(\u{0}2\u{0}::name[]) \
               ORDER BY c.relname";
    let read = tables.iter().map(|table| table.name.clone()).collect();
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Texts(read)];
    let rows = run(shared, "open", Statement::made(sql.to_owned(), values)).await?;
    rows.iter().map(|row| text_at(row, 0)).collect()
}

/// What the catalog says of tables and views of these names; of a domain, what
/// it is made of.
const LOOK: &str = "SELECT c.relname::text, c.relkind::text, \
    c.relkind = 'r' AND c.relhassubclass, \
    a.attname::text, format_type(a.atttypid, a.atttypmod), \
    b.typname::text, b.typcategory::text, format_type(b.oid, -1), a.attnotnull, \
    EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique \
        AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) \
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
    LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    LEFT JOIN pg_type AS t ON t.oid = a.atttypid \
    LEFT JOIN pg_type AS b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END \
    WHERE n.nspname = \u{0}1\u{0} AND c.relname = ANY(\u{0}2\u{0}::name[]) \
    AND c.relkind IN ('r', 'p', 'm', 'v', 'f') ORDER BY c.relname, a.attnum";

async fn look(shared: &Shared, names: Vec<String>) -> Result<BTreeMap<String, Named>> {
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Texts(names)];
    let rows = run(shared, "open", Statement::made(LOOK.to_owned(), values)).await?;
    let mut there: BTreeMap<String, Named> = BTreeMap::new();
    for row in &rows {
        let name = text_at(row, 0)?;
        let obstacle = obstacle(&text_at(row, 1)?, truth_at(row, 2));
        let named = there.entry(name.clone()).or_insert_with(|| Named {
            found: FoundTable { name, obstacle, columns: Vec::new() },
            id_types: Vec::new(),
        });
        let Some(column) = optional_text_at(row, 3)? else { continue };
        let (base, category) = (text_at(row, 5)?, text_at(row, 6)?);
        let id_type = id_type(&base, text_at(row, 7)?);
        named.found.columns.push(FoundColumn {
            name: column,
            sql_type: text_at(row, 4)?,
            kind: kind_of(&base, &category),
            not_null: truth_at(row, 8),
            unique: truth_at(row, 9),
            no_ids: id_type.is_none(),
        });
        named.id_types.push(id_type);
    }
    Ok(there)
}

fn obstacle(kind: &str, has_children: bool) -> Option<&'static str> {
    match kind {
        "v" => Some("is a view, of whose ids nothing says that none stands twice"),
        "f" => Some("is a foreign table, of whose ids nothing says that none stands twice"),
        _ if has_children => Some("has child tables, and its ids are unique in each one only"),
        _ => None,
    }
}

/// What a type holds, by its name; of arrays and rows, by their category.
fn kind_of(base: &str, category: &str) -> SqlKind {
    match (base, category) {
        ("bool", _) => SqlKind::Boolean,
        ("int2" | "int4" | "int8" | "numeric" | "float4" | "float8", _) => SqlKind::Number,
        ("json" | "jsonb", _) => SqlKind::Json,
        ("timestamp" | "timestamptz", _) => SqlKind::Time,
        ("bytea", _) => SqlKind::Bytes,
        (_, "A" | "C") => SqlKind::Structure,
        _ => SqlKind::Plain,
    }
}

/// As what ids in a column of this type are compared, so that its index is
/// used; `None` for a type that has no one text for a value. Never with a
/// length, which would cut what is compared.
fn id_type(base: &str, written: String) -> Option<String> {
    match base {
        "text" | "varchar" | "bpchar" | "citext" | "uuid" => Some(written),
        "int2" | "int4" | "int8" => Some(WHOLE_NUMBER.to_owned()),
        _ => None,
    }
}

/// The type as which whole numbers are compared.
const WHOLE_NUMBER: &str = "bigint";

fn statements(schema: &str, found: &FoundTable, id: usize, id_type: &str) -> Statements {
    let columns: Vec<String> =
        found.columns.iter().enumerate().map(|(at, column)| shown(column, at == id)).collect();
    let columns = columns.join(", ");
    let table = format!("{}.{} AS t", quote(schema), quote(&found.name));
    // With its table: an order by the bare name would be by the text that is
    // selected under that name, and not by the column.
    let id = found.columns.get(id).map_or("", |column| column.name.as_str());
    let id = format!("t.{}", quote(id));
    let select = format!("SELECT ctid::text, {columns} FROM {table}");
    let one = format!("\u{0}1\u{0}::text::{id_type}");
    let list = format!("\u{0}1\u{0}::text[]::{id_type}[]");
    Statements {
        first: format!("{select} ORDER BY {id} LIMIT \u{0}1\u{0}").into(),
        next: format!("{select} WHERE {id} > {one} ORDER BY {id} LIMIT \u{0}2\u{0}").into(),
        get: format!("{select} WHERE {id} = ANY({list})").into(),
        count: format!("SELECT count(*) FROM {table}").into(),
        without_id: format!("SELECT ctid::text FROM {table} WHERE {id} IS NULL LIMIT 1").into(),
    }
}

/// A column as text, from which no digit is lost.
fn shown(column: &FoundColumn, is_id: bool) -> String {
    let name = quote(&column.name);
    match column.kind {
        _ if is_id => format!("{name}::text"),
        // Bytes have no form in JSON; that there are some is enough to know.
        SqlKind::Bytes => format!("CASE WHEN {name} IS NOT NULL THEN '' END"),
        SqlKind::Structure => format!("to_json({name})::text"),
        // As text an address has the length of its network, also a single one.
        SqlKind::Plain if column.sql_type == "inet" => format!("to_json({name}) #>> '{{}}'"),
        _ => format!("{name}::text"),
    }
}

/// Reads the tables of one schema.
struct SchemaReader {
    shared: Arc<Shared>,
    /// When it was opened: no row says when it was changed.
    time: Timestamp,
}

impl fmt::Debug for SchemaReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SchemaReader").field(&self.shared).finish()
    }
}

impl SchemaReader {
    async fn records(
        &self,
        operation: &'static str,
        table: &Table,
        statement: Statement,
    ) -> Result<Records> {
        let rows = run(&self.shared, operation, statement).await?;
        let mut records = Records::default();
        records.extend(rows.iter().map(|row| record(table, self.time, &row_of(table, row))));
        Ok(records)
    }
}

#[async_trait]
impl TableReader for SchemaReader {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        self.shared.check_open(operation)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        identity::read(&self.shared).await
    }

    async fn after(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
        after: Option<&EntityId>,
        most: usize,
    ) -> Result<Records> {
        let most = SqlValue::Number(i64::try_from(most).unwrap_or(i64::MAX));
        let statement = match after {
            None => Statement::new(&table.statements.first, [most]),
            Some(id) if may_be_there(table, id) => {
                Statement::new(&table.statements.next, [SqlValue::Text(id.to_string()), most])
            }
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    operation,
                    "the cursor names an id that the table cannot hold",
                )
                .with("collection", &table.schema.collection)
                .hint("ask for the first page again"));
            }
        };
        self.records(operation, table, statement).await
    }

    async fn of_ids(&self, table: &Arc<Table>, ids: &[EntityId]) -> Result<Vec<Record>> {
        self.check_open("get")?;
        let list: Vec<String> =
            ids.iter().filter(|id| may_be_there(table, id)).map(ToString::to_string).collect();
        let statement = Statement::new(&table.statements.get, [SqlValue::Texts(list)]);
        self.records("get", table, statement).await?.finish()
    }

    async fn count(&self, table: &Arc<Table>) -> Result<u64> {
        let statement = Statement::new(&table.statements.count, []);
        let rows = run(&self.shared, "count", statement).await?;
        let number = rows.first().map(|row| number_at(row, 0)).transpose()?;
        Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
    }

    async fn without_id(
        &self,
        operation: &'static str,
        table: &Arc<Table>,
    ) -> Result<Option<Place>> {
        let statement = Statement::new(&table.statements.without_id, []);
        let rows = run(&self.shared, operation, statement).await?;
        rows.first().map(|row| text_at(row, 0).map(Place::Ctid)).transpose()
    }

    async fn health(&self) -> HealthCheck {
        let sql = Statement::made("SELECT version()".to_owned(), []);
        let (ok, detail) = match run(&self.shared, "health", sql).await {
            Ok(rows) => {
                let version = rows.first().and_then(|row| text_at(row, 0).ok());
                (true, version.unwrap_or_default())
            }
            Err(error) => (false, error.to_string()),
        };
        HealthCheck::new("server", ok, detail)
    }

    async fn close(&self) {
        self.shared.close();
    }
}

/// Whether a row can have this id: the one text of a number or UUID. Any other
/// text the database would refuse instead of not finding it.
fn may_be_there(table: &Table, id: &EntityId) -> bool {
    let id = id.as_str();
    let id_type = table.columns.get(table.id).map_or("", |column| column.sql_type.as_str());
    match id_type {
        "smallint" | "integer" | "bigint" => {
            id.parse::<i64>().is_ok_and(|number| number.to_string() == id)
        }
        "uuid" => is_uuid(id),
        _ => true,
    }
}

/// Whether it is a UUID as PostgreSQL writes it.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// A row as the statements of [`statements`] give it.
fn row_of(table: &Table, row: &PgRow) -> Row<'static> {
    let place = match optional_text_at(row, 0) {
        Ok(Some(place)) => Place::Ctid(place),
        _ => Place::Unknown,
    };
    let cells = table.columns.iter().enumerate().map(|(at, column)| {
        let Ok(text) = optional_text_at(row, at + 1) else {
            let bytes = raw_at(row, at + 1).unwrap_or_default();
            return Cell::Unsayable("text that is not UTF-8", bytes.into());
        };
        let Some(text) = text else { return Cell::Null };
        if at == table.id { Cell::Text(text.into()) } else { cell(text, column.kind) }
    });
    Row { place, cells: cells.collect() }
}

fn cell(text: String, kind: SqlKind) -> Cell<'static> {
    match kind {
        SqlKind::Boolean => Cell::Boolean(text == "true"),
        SqlKind::Number => Cell::Number(text.into()),
        SqlKind::Json | SqlKind::Structure => Cell::Json(text.into()),
        SqlKind::Time => Cell::Text(iso_time(&text).into_owned().into()),
        SqlKind::Bytes => Cell::Unsayable("bytes (bytea)", text.into_bytes().into()),
        SqlKind::Plain => Cell::Text(text.into()),
    }
}
