//! The digest beside each record, which notices a record that another program
//! changed.

use repo_core::CollectionName;

use super::column::Column;
use crate::Dialect;
use crate::names::{quote, shorten};

/// The digest beside each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    /// The trigger that removes it when another program changes a record.
    pub(crate) trigger: String,
    /// The statement that makes the trigger.
    pub(crate) trigger_definition: String,
}

/// The column of digests, and how it is made.
pub(crate) const DIGEST_COLUMN: &str = "_digest";
pub(crate) const DIGEST_DEFINITION: &str = "\"_digest\" INTEGER";

/// The name of the trigger of a collection. The hyphens keep it apart from every table
/// and view, and no index ends like this.
pub(crate) fn digest_trigger(collection: &CollectionName) -> String {
    shorten(&format!("{}-digest-trigger", Dialect::Sqlite.view_name(collection)))
}

/// The digest of each record in SQLite, which has no checksums of its own.
pub(super) fn digest(
    dialect: Dialect,
    collection: &CollectionName,
    table: &str,
    id_column: &str,
    columns: &[Column],
) -> Option<Digest> {
    let mut names = columns.iter().map(|column| column.name.as_str()).chain([id_column]);
    if dialect != Dialect::Sqlite || names.any(|name| name.eq_ignore_ascii_case(DIGEST_COLUMN)) {
        return None;
    }
    let trigger = digest_trigger(collection);
    let [name, table, id, digest] = [&trigger, table, id_column, DIGEST_COLUMN].map(quote);
    let trigger_definition = format!(
        "CREATE TRIGGER {name} AFTER UPDATE OF {id}, \"_version\", \"_created_at\", \
         \"_updated_at\", \"document\" ON {table} \
         WHEN NEW.{digest} IS OLD.{digest} AND NEW.{digest} IS NOT NULL \
         BEGIN UPDATE {table} SET {digest} = NULL WHERE {id} = NEW.{id}; END"
    );
    Some(Digest { trigger, trigger_definition })
}
