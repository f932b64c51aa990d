//! What the catalog of a file says of the tables of another program.

use std::path::Path;

use repo_core::Result;
use repo_core::strategy::OpenOptions;
use rusqlite::{Connection, OptionalExtension as _};

use crate::errors;
use crate::existing::{FoundColumn, FoundTable, Search, SqlKind, Statements, Table};
use crate::names::{COLLECTIONS_TABLE, OBJECTS_TABLE, STORE_TABLE, quote};

/// The names under which SQLite gives the number of a row, unless a column has
/// them.
const ROW_NUMBERS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// A table or view.
struct Named {
    name: String,
    kind: String,
    has_row_numbers: bool,
}

/// Looks for a table of each declared collection.
pub(super) fn search(
    connection: &Connection,
    file: &Path,
    options: &OpenOptions,
) -> Result<Search> {
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
fn look_at(connection: &Connection, named: &Named) -> rusqlite::Result<(FoundTable, Vec<String>)> {
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
    Ok((FoundTable { name: named.name.clone(), obstacle, columns }, orders))
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

fn statements(found: &FoundTable, id: usize, has_row_numbers: bool, collation: &str) -> Statements {
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
