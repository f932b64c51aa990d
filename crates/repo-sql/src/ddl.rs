//! The statements that make and update the tables: what `prepare` runs and
//! `repoctl schema ddl` prints.

use std::collections::BTreeMap;

use repo_core::{CollectionSchema, Result};

use crate::Dialect;
use crate::layout::{CollectionLayout, DIGEST_COLUMN, DIGEST_DEFINITION, Made, digest_trigger};
use crate::names::{OBJECTS_TABLE, STORE_TABLE, literal, quote};

/// Which indexes `prepare` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewIndexes {
    Made,
    /// Left to the next `prepare`: an index is made faster, and smaller, from
    /// records that are there than record by record.
    Left,
}

/// All statements that `prepare` runs in an empty database for these
/// collections, as a script.
///
/// # Errors
/// `Unsupported` when two columns of a collection would have one name.
pub fn ddl<'a>(
    dialect: Dialect,
    schemas: impl IntoIterator<Item = &'a CollectionSchema>,
) -> Result<String> {
    let mut statements: Vec<String> =
        dialect.preamble().iter().map(|text| (*text).to_owned()).collect();
    statements.push("BEGIN".to_owned());
    statements.extend(store_statements(dialect));
    for schema in schemas {
        let layout = CollectionLayout::new(dialect, schema)?;
        statements.extend(collection_statements(dialect, &layout, None));
    }
    statements.push("COMMIT".to_owned());
    Ok(statements.iter().map(|statement| format!("{statement};\n")).collect())
}

/// The tables of the store's own record. In PostgreSQL they are made by
/// migrations, of which this is the text.
pub(crate) fn store_statements(dialect: Dialect) -> Vec<String> {
    let scripts: &[&str] = match dialect {
        Dialect::Sqlite => &[include_str!("sqlite/store.sql"), include_str!("sqlite/changes.sql")],
        Dialect::Postgres => &[
            include_str!("../migrations/00000000000001_store/up.sql"),
            include_str!("../migrations/00000000000002_store_id/up.sql"),
            include_str!("../migrations/00000000000003_changes/up.sql"),
        ],
    };
    scripts.iter().flat_map(|script| statements_of(script)).collect()
}

/// The statements of a script of ours, in which none holds `;` at the end of a
/// line.
pub(crate) fn statements_of(script: &str) -> impl Iterator<Item = String> {
    script
        .split(";\n")
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
}

/// What brings a prepared store of an older layout to the present one, in one
/// transaction.
pub(crate) fn upgrade_statements(dialect: Dialect, from: u32) -> Vec<String> {
    let mut statements = Vec::new();
    if from < 2 {
        statements.extend(give_store_id(dialect));
    }
    if from < 3 {
        statements.extend(keep_changes(dialect));
    }
    statements
}

/// What turns the store's own record of layout 1 into that of layout 2. In
/// PostgreSQL a store may know of the migrations that made it: this is one.
fn give_store_id(dialect: Dialect) -> Vec<String> {
    match dialect {
        Dialect::Sqlite => vec![
            format!("ALTER TABLE {} ADD COLUMN \"store_id\" TEXT", quote(STORE_TABLE)),
            format!(
                "UPDATE {} SET \"store_id\" = lower(hex(randomblob(16))), \
                 \"layout_version\" = 2",
                quote(STORE_TABLE)
            ),
        ],
        Dialect::Postgres => {
            let script = include_str!("../migrations/00000000000002_store_id/up.sql");
            statements_of(script).chain([note_migration("00000000000002")]).collect()
        }
    }
}

/// What gives a store of layout 2 a change feed.
fn keep_changes(dialect: Dialect) -> Vec<String> {
    match dialect {
        Dialect::Sqlite => statements_of(include_str!("sqlite/changes.sql")).collect(),
        Dialect::Postgres => {
            let script = include_str!("../migrations/00000000000003_changes/up.sql");
            statements_of(script).chain([note_migration("00000000000003")]).collect()
        }
    }
}

/// Notes a migration that was run by hand, for diesel.
fn note_migration(version: &str) -> String {
    format!(
        "DO $$BEGIN \
         IF to_regclass('__diesel_schema_migrations') IS NOT NULL THEN \
         INSERT INTO __diesel_schema_migrations (version) \
         VALUES ('{version}') ON CONFLICT DO NOTHING; \
         END IF; END$$"
    )
}

/// What gives each record of a prepared collection room for its digest. Digests that
/// stand there without the trigger beside them count for nothing: they go. `None`
/// where there is nothing to do.
pub(crate) fn digest_statements(layout: &CollectionLayout, made: &Made) -> Option<Vec<String>> {
    let digest = layout.digest.as_ref().filter(|digest| !made.has_digest(digest))?;
    let table = quote(&layout.table);
    let mut statements = Vec::new();
    match made.columns.get(DIGEST_COLUMN) {
        None => {
            statements.push(format!("ALTER TABLE {table} ADD COLUMN {DIGEST_DEFINITION}"));
            statements.extend(note_digest(layout));
        }
        Some(_) if made.has_digest_column() => statements.push(format!(
            "UPDATE {table} SET \"{DIGEST_COLUMN}\" = NULL WHERE \"{DIGEST_COLUMN}\" IS NOT NULL"
        )),
        // An indexed field that is declared no longer.
        Some(_) => return None,
    }
    if made.digest_trigger.is_some() {
        statements.insert(0, format!("DROP TRIGGER {}", quote(&digest.trigger)));
    }
    statements.push(digest.trigger_definition.clone());
    Some(statements)
}

/// Notes the column, and the table as it is with it.
fn note_digest(layout: &CollectionLayout) -> [String; 2] {
    let objects = quote(OBJECTS_TABLE);
    let [collection, table, column, definition] =
        [layout.collection.as_str(), &layout.table, DIGEST_COLUMN, DIGEST_DEFINITION].map(literal);
    [
        format!(
            "UPDATE {objects} SET \"definition\" = \
             (SELECT \"sql\" FROM \"sqlite_master\" WHERE \"name\" = {table}) \
             WHERE \"collection\" = {collection} AND \"kind\" = 'table' AND \"name\" = {table}"
        ),
        format!("INSERT INTO {objects} VALUES ({collection}, 'column', {column}, {definition})"),
    ]
}

/// What turns `made` into `layout`; nothing when it is so already. What is
/// there and no longer declared stays.
pub(crate) fn collection_statements(
    dialect: Dialect,
    layout: &CollectionLayout,
    made: Option<&Made>,
) -> Vec<String> {
    let mut statements = match made {
        None => create(dialect, layout),
        Some(made) => update(dialect, layout, made),
    };
    let renewed = made.is_some_and(|made| made.schema_version != layout.schema_version);
    if statements.is_empty() && !renewed {
        return statements;
    }
    statements.push(dialect.note_collection(
        layout.collection.as_str(),
        layout.schema_version,
        &layout.id_field.to_string(),
    ));
    statements.extend(note_objects(dialect, layout, made));
    statements
}

fn create(dialect: Dialect, layout: &CollectionLayout) -> Vec<String> {
    let mut parts = dialect.record_columns(&layout.id_column).to_vec();
    if layout.digest.is_some() {
        // Before the document: what is behind a long one is slow to reach.
        parts.insert(parts.len() - 1, DIGEST_DEFINITION.to_owned());
    }
    parts.extend(layout.columns.iter().map(|column| column.definition.clone()));
    parts.push(format!(
        "CONSTRAINT \"document is a JSON object with this id\" \
         CHECK (\"document\" IS NULL OR {})",
        layout.is_document
    ));
    let mut statements =
        vec![format!("CREATE TABLE {} (\n  {}\n)", quote(&layout.table), parts.join(",\n  "))];
    let collection = layout.collection.as_str();
    statements.extend(dialect.mark("table", &layout.table, collection));
    for index in &layout.indexes {
        statements.push(index.definition.clone());
        statements.extend(dialect.mark("index", &index.name, collection));
    }
    statements.extend(layout.digest.iter().map(|digest| digest.trigger_definition.clone()));
    statements.push(layout.view_definition.clone());
    statements.extend(dialect.mark("view", &layout.view, collection));
    statements
}

fn update(dialect: Dialect, layout: &CollectionLayout, made: &Made) -> Vec<String> {
    let missing: Vec<_> = layout
        .columns
        .iter()
        .filter(|column| made.columns.get(&column.name) != Some(&column.definition))
        .collect();
    let changed: Vec<String> = missing
        .iter()
        .filter(|column| made.columns.contains_key(&column.name))
        .map(|column| quote(&column.name))
        .collect();
    // What uses a column has to go before the column does.
    let outdated = |name: &str, definition: &String| {
        changed.iter().any(|column| definition.contains(column.as_str()))
            || layout.indexes.iter().any(|i| i.name == name && i.definition != *definition)
    };
    let dropped: Vec<&String> = made
        .indexes
        .iter()
        .filter(|(name, definition)| outdated(name, definition))
        .map(|(name, _)| name)
        .collect();
    let new_view = made.view.as_ref() != Some(&layout.view_definition) || !changed.is_empty();

    let mut statements = Vec::new();
    if made.digest_trigger.is_some() && changed.contains(&quote(DIGEST_COLUMN)) {
        // An indexed field takes the name of the column.
        let trigger = digest_trigger(&layout.collection);
        statements.push(format!("DROP TRIGGER {}", quote(&trigger)));
    }
    if new_view && made.view.is_some() {
        statements.push(format!("DROP VIEW {}", quote(&layout.view)));
    }
    statements.extend(dropped.iter().map(|name| format!("DROP INDEX {}", quote(name))));
    let table = quote(&layout.table);
    statements
        .extend(changed.iter().map(|column| format!("ALTER TABLE {table} DROP COLUMN {column}")));
    statements.extend(
        missing
            .iter()
            .map(|column| format!("ALTER TABLE {table} ADD COLUMN {}", column.definition)),
    );
    for index in &layout.indexes {
        if !made.indexes.contains_key(&index.name) || dropped.contains(&&index.name) {
            statements.push(index.definition.clone());
            statements.extend(dialect.mark("index", &index.name, layout.collection.as_str()));
        }
    }
    if new_view {
        statements.push(layout.view_definition.clone());
        statements.extend(dialect.mark("view", &layout.view, layout.collection.as_str()));
    }
    statements
}

/// Notes every object of the collection as it is now.
fn note_objects(dialect: Dialect, layout: &CollectionLayout, made: Option<&Made>) -> Vec<String> {
    let mut columns: BTreeMap<&str, &str> = BTreeMap::new();
    let mut indexes: BTreeMap<&str, &str> = BTreeMap::new();
    if let Some(made) = made {
        columns.extend(made.columns.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        indexes.extend(made.indexes.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    }
    columns.extend(layout.digest.iter().map(|_| (DIGEST_COLUMN, DIGEST_DEFINITION)));
    columns.extend(layout.columns.iter().map(|c| (c.name.as_str(), c.definition.as_str())));
    indexes.extend(layout.indexes.iter().map(|i| (i.name.as_str(), i.definition.as_str())));
    let objects = quote(OBJECTS_TABLE);
    let collection = literal(layout.collection.as_str());
    let insert = |kind: &str, name: &str, definition: &str| {
        let [name, definition] = [name, definition].map(literal);
        format!("INSERT INTO {objects} VALUES ({collection}, '{kind}', {name}, {definition})")
    };
    let mut statements = vec![format!("DELETE FROM {objects} WHERE \"collection\" = {collection}")];
    match dialect {
        // As the database has them, so that a change by another tool is seen.
        Dialect::Sqlite => {
            let names = [layout.table.as_str(), layout.view.as_str()];
            let mut names: Vec<&str> = names.into_iter().chain(indexes.into_keys()).collect();
            names.sort_unstable();
            // SQLite has no index of its objects. Those of a new collection are
            // the last ones: table, its own index, indexes, trigger and view.
            let newest = match made {
                None => format!(
                    "\"rowid\" > (SELECT max(\"rowid\") FROM \"sqlite_master\") - {} AND ",
                    names.len() + 2
                ),
                Some(_) => String::new(),
            };
            let names: Vec<String> = names.into_iter().map(literal).collect();
            statements.push(format!(
                "INSERT INTO {objects} SELECT {collection}, \"type\", \"name\", \"sql\" \
                 FROM \"sqlite_master\" WHERE {newest}\"name\" IN ({})",
                names.join(", ")
            ));
        }
        // As they were made: PostgreSQL keeps no text, and the text that it
        // makes of what it keeps changes between its versions.
        Dialect::Postgres => {
            statements.push(insert("table", &layout.table, ""));
            statements.push(insert("view", &layout.view, &layout.view_definition));
            statements.extend(indexes.iter().map(|(name, text)| insert("index", name, text)));
        }
    }
    statements.extend(columns.iter().map(|(name, text)| insert("column", name, text)));
    statements
}
