//! Looking for a table of each declared collection.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::TableDescription;
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, Result};

use super::table::ItemTable;
use crate::shared::Shared;

const OPERATION: &str = "open";

/// The tables, by their collections.
pub(super) type Tables = BTreeMap<CollectionName, Arc<ItemTable>>;

/// Looks for the tables of the selected collections: `{prefix}-machines`, as the Open
/// Resource Broker names them, `{prefix}_machines`, or what `table` in the schema says.
///
/// # Errors
/// The refusal, with what was looked for, where there are none; `Foreign` for one that
/// cannot be read; `ConfigInvalid` for two that may be meant.
pub(super) async fn search(shared: &Shared, refusal: Error) -> Result<Tables> {
    let options = &shared.options;
    let mut tables = Tables::new();
    let mut looked_for = LookedFor::default();
    let selected =
        options.schemas.iter().filter(|schema| options.selects(schema.collection.as_str()));
    for schema in selected {
        let names = names(&shared.settings.table_prefix, schema);
        if let Some((name, found)) = look(shared, schema, names, &mut looked_for).await? {
            let table = ItemTable::new(schema.clone(), name, &found)
                .map_err(|why| unfit(shared, &refusal, &why))?;
            tables.insert(schema.collection.clone(), Arc::new(table));
        }
    }
    if tables.is_empty() {
        return Err(nothing(refusal, &looked_for));
    }
    Ok(tables)
}

/// The names of tables that were asked for.
#[derive(Default)]
struct LookedFor {
    names: Vec<String>,
    /// Those of which this user may not know whether they are there.
    denied: Vec<String>,
}

/// The names that a table of another program may have.
fn names(prefix: &str, schema: &CollectionSchema) -> Vec<String> {
    let name = schema.existing_table();
    let mut names = vec![format!("{prefix}-{name}"), format!("{prefix}_{name}")];
    names.extend(schema.table.clone());
    names
}

/// The one of these tables that is there.
async fn look(
    shared: &Shared,
    schema: &CollectionSchema,
    names: Vec<String>,
    looked_for: &mut LookedFor,
) -> Result<Option<(String, TableDescription)>> {
    let mut found: Option<(String, TableDescription)> = None;
    for name in names {
        looked_for.names.push(name.clone());
        let table = match shared.describe(OPERATION, &name).await {
            Ok(Some(table)) => table,
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                looked_for.denied.push(name);
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Some((first, _)) = &found {
            return Err(several(shared, schema, first, &name));
        }
        found = Some((name, table));
    }
    Ok(found)
}

fn several(shared: &Shared, schema: &CollectionSchema, first: &str, second: &str) -> Error {
    let why = "two tables of another program may be meant";
    Error::new(ErrorKind::ConfigInvalid, OPERATION, why)
        .with("store", &shared.location)
        .with("collection", &schema.collection)
        .with("tables", format!("{first}, {second}"))
        .hint(
            "leave the collection out, or give the one that is meant another name, and say it by \
             `table` in the x-repository block of the schema",
        )
}

/// The refusal, and where it was looked for tables of another program.
fn nothing(refusal: Error, looked_for: &LookedFor) -> Error {
    let hint = refusal.hint_text().map(|hint| format!("{hint}; ")).unwrap_or_default();
    let refusal = refusal.with("looked_for", looked_for.names.join(", "));
    let refusal = match looked_for.denied.is_empty() {
        true => refusal,
        false => refusal.with("may_not_describe", looked_for.denied.join(", ")),
    };
    refusal.hint(format!(
        "{hint}tables of another program are read by the names of the collections, or `table` in \
         x-repository"
    ))
}

/// The refusal of a prefix whose tables cannot be read either, and why.
fn unfit(shared: &Shared, refusal: &Error, why: &str) -> Error {
    let words = "what is there is not ours, and cannot be read as tables of another program either";
    Error::new(ErrorKind::Foreign, refusal.operation(), words)
        .with("store", &shared.location)
        .with("as_a_source", why)
        .hint("leave the collection out, or name another table_prefix")
}
