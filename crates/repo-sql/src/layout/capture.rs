//! What captures the writes of a collection for the change feed: triggers, so that
//! programs which know nothing of it are captured too.

use repo_core::CollectionName;

use crate::Dialect;
use crate::dialect::our_mark;
use crate::names::{CHANGES_TABLE, INBOX_TABLE, literal, quote, shorten};

/// The triggers of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaptureTriggers {
    /// The names of the triggers; in PostgreSQL those of their functions too.
    pub(crate) names: [String; 2],
    /// The statement that makes each trigger.
    pub(crate) definitions: [String; 2],
    table: String,
    collection: CollectionName,
    id_column: String,
}

/// The names of the triggers of a collection. The hyphens keep them apart from every
/// table and view, and no index ends like this.
pub(crate) fn capture_trigger_names(dialect: Dialect, collection: &CollectionName) -> [String; 2] {
    let view = dialect.view_name(collection);
    match dialect {
        Dialect::Sqlite => {
            ["insert", "update"].map(|what| format!("{view}-captured-{what}-trigger"))
        }
        Dialect::Postgres => ["capture", "uncapture"].map(|what| format!("{view}-{what}-trigger")),
    }
    .map(|name| shorten(&name))
}

impl CaptureTriggers {
    pub(super) fn new(
        dialect: Dialect,
        collection: &CollectionName,
        table: &str,
        id_column: &str,
    ) -> Self {
        let names = capture_trigger_names(dialect, collection);
        let [first, second] = [0, 1].map(|at: usize| quote(&names[at]));
        let (on, id) = (quote(table), quote(id_column));
        let definitions = match dialect {
            Dialect::Sqlite => {
                let note = note_in_sqlite(collection, &id);
                [
                    format!("CREATE TRIGGER {first} AFTER INSERT ON {on} BEGIN {note}; END"),
                    format!(
                        "CREATE TRIGGER {second} AFTER UPDATE OF {id}, \"_version\", \"document\" \
                         ON {on} BEGIN {note}; END"
                    ),
                ]
            }
            Dialect::Postgres => [
                format!(
                    "CREATE TRIGGER {first} AFTER INSERT OR UPDATE OF {id}, \"_version\", \
                     \"document\" ON {on} FOR EACH ROW EXECUTE FUNCTION {first}()"
                ),
                // A row that the same transaction inserted was only a lock.
                format!(
                    "CREATE TRIGGER {second} AFTER DELETE ON {on} FOR EACH ROW \
                     WHEN (OLD.xmin::text::bigint = txid_current() & 4294967295) \
                     EXECUTE FUNCTION {second}()"
                ),
            ],
        };
        let (table, id_column) = (table.to_owned(), id_column.to_owned());
        Self { names, definitions, table, collection: collection.clone(), id_column }
    }

    /// What switches capture on for the collection, in a schema that others may not
    /// have on their path.
    pub(crate) fn create_in_postgres(&self, schema: &str) -> Vec<String> {
        let inbox = format!("{}.{}", quote(schema), quote(INBOX_TABLE));
        let (collection, id) = (literal(self.collection.as_str()), quote(&self.id_column));
        let note = |row: &str, deleted: &str, removed: bool| {
            format!(
                "INSERT INTO {inbox} (\"collection\", \"id\", \"version\", \"deleted\", \
                 \"removed\") VALUES ({collection}, {row}.{id}, {row}.\"_version\", {deleted}, \
                 {removed})"
            )
        };
        let functions = [note("NEW", "NEW.\"document\" IS NULL", false), note("OLD", "true", true)];
        // Whoever may write records need not have rights on the inbox. The body names
        // nothing without its schema, so that it runs nothing that a user put in the
        // way; a path of its own would be set and taken back with each write.
        let mark = literal(&our_mark(self.collection.as_str()));
        let mut statements = Vec::with_capacity(6);
        for (name, note) in self.names.iter().zip(functions) {
            let function = format!("{}.{}()", quote(schema), quote(name));
            let body = literal(&format!("BEGIN {note}; RETURN NULL; END"));
            statements.push(format!(
                "CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                 AS {body}"
            ));
            // Triggers run it all the same. Who could put it on a table of their own could
            // write changes that never were.
            statements.push(format!("REVOKE ALL ON FUNCTION {function} FROM PUBLIC"));
            statements.push(format!("COMMENT ON FUNCTION {function} IS {mark}"));
        }
        statements.extend(self.definitions.iter().cloned());
        statements
    }

    /// What switches capture off for the collection.
    pub(crate) fn drop(&self, dialect: Dialect) -> Vec<String> {
        let names = self.names.iter().map(|name| quote(name));
        match dialect {
            Dialect::Sqlite => names.map(|name| format!("DROP TRIGGER IF EXISTS {name}")).collect(),
            Dialect::Postgres => {
                let table = quote(&self.table);
                names
                    .flat_map(|name| {
                        [
                            format!("DROP TRIGGER IF EXISTS {name} ON {table}"),
                            format!("DROP FUNCTION IF EXISTS {name}()"),
                        ]
                    })
                    .collect()
            }
        }
    }
}

fn note_in_sqlite(collection: &CollectionName, id: &str) -> String {
    format!(
        "INSERT INTO {} (\"collection\", \"id\", \"version\", \"deleted\", \"captured_at\") \
         VALUES ({}, NEW.{id}, NEW.\"_version\", NEW.\"document\" IS NULL, \
         CAST(strftime('%s', 'now') AS INTEGER))",
        quote(CHANGES_TABLE),
        literal(collection.as_str())
    )
}
