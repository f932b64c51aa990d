//! The statements that make and update the tables: what `prepare` runs and
//! `repoctl schema ddl` prints.

use std::collections::BTreeMap;

use repo_core::{CollectionSchema, Result};

use crate::Dialect;
use crate::layout::{CollectionLayout, LAYOUT_VERSION};
use crate::names::{COLLECTIONS_TABLE, OBJECTS_TABLE, STORE_TABLE, literal, quote};

/// What the database holds of one collection already.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) schema_version: u32,
    /// Generated columns by name, with their definitions.
    pub(crate) columns: BTreeMap<String, String>,
    /// Indexes by name, with their definitions.
    pub(crate) indexes: BTreeMap<String, String>,
    pub(crate) view: Option<String>,
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
    statements.extend(store_statements());
    for schema in schemas {
        let layout = CollectionLayout::new(dialect, schema)?;
        statements.extend(collection_statements(dialect, &layout, None));
    }
    statements.push("COMMIT".to_owned());
    Ok(statements.iter().map(|statement| format!("{statement};\n")).collect())
}

/// The tables of the store's own record.
pub(crate) fn store_statements() -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE {} (\n  \"one\" INTEGER PRIMARY KEY NOT NULL CHECK (\"one\" = 1),\n  \
             \"layout_version\" INTEGER NOT NULL,\n  \"epoch\" INTEGER NOT NULL,\n  \
             \"migration_plan\" TEXT,\n  \"migration_progress\" TEXT\n)",
            quote(STORE_TABLE)
        ),
        format!(
            "CREATE TABLE {} (\n  \"collection\" TEXT PRIMARY KEY NOT NULL,\n  \
             \"schema_version\" INTEGER NOT NULL,\n  \"floor\" INTEGER NOT NULL,\n  \
             \"id_field\" TEXT NOT NULL\n)",
            quote(COLLECTIONS_TABLE)
        ),
        format!(
            "CREATE TABLE {} (\n  \"collection\" TEXT NOT NULL,\n  \"kind\" TEXT NOT NULL,\n  \
             \"name\" TEXT NOT NULL,\n  \"definition\" TEXT NOT NULL,\n  \
             PRIMARY KEY (\"collection\", \"kind\", \"name\")\n)",
            quote(OBJECTS_TABLE)
        ),
        format!(
            "INSERT INTO {} (\"one\", \"layout_version\", \"epoch\") VALUES (1, {LAYOUT_VERSION}, 0)",
            quote(STORE_TABLE)
        ),
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
        Some(made) => update(layout, made),
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
    let mut parts = vec![format!("{} TEXT PRIMARY KEY NOT NULL", quote(&layout.id_column))];
    parts.extend(dialect.record_columns());
    parts.extend(layout.columns.iter().map(|column| column.definition.clone()));
    parts.push(format!(
        "CONSTRAINT \"document is a JSON object with this id\" \
         CHECK (\"document\" IS NULL OR {})",
        layout.is_document
    ));
    let mut statements =
        vec![format!("CREATE TABLE {} (\n  {}\n)", quote(&layout.table), parts.join(",\n  "))];
    statements.extend(layout.indexes.iter().map(|index| index.definition.clone()));
    statements.push(layout.view_definition.clone());
    statements
}

fn update(layout: &CollectionLayout, made: &Made) -> Vec<String> {
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
        }
    }
    if new_view {
        statements.push(layout.view_definition.clone());
    }
    statements
}

/// Notes every object of the collection as it is now.
fn note_objects(dialect: Dialect, layout: &CollectionLayout, made: Option<&Made>) -> Vec<String> {
    let collection = layout.collection.as_str();
    let mut columns: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names: Vec<&str> = layout.object_names().collect();
    if let Some(made) = made {
        columns.extend(made.columns.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        names.extend(made.indexes.keys().map(String::as_str));
    }
    columns.extend(layout.columns.iter().map(|c| (c.name.as_str(), c.definition.as_str())));
    names.sort_unstable();
    names.dedup();
    let objects = quote(OBJECTS_TABLE);
    let collection_text = literal(collection);
    let mut statements =
        vec![format!("DELETE FROM {objects} WHERE \"collection\" = {collection_text}")];
    statements.push(dialect.note_objects(collection, &names));
    statements.extend(columns.iter().map(|(name, definition)| {
        format!(
            "INSERT INTO {objects} VALUES ({collection_text}, 'column', {}, {})",
            literal(name),
            literal(definition)
        )
    }));
    statements
}
