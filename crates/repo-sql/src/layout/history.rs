//! What keeps the versions that the writes of a collection replace: a table beside
//! its records, and a trigger, so that programs which know nothing of it keep them
//! too.

use repo_core::CollectionName;

use crate::Dialect;
use crate::dialect::our_mark;
use crate::names::{literal, quote, shorten};

/// The columns of an older version, in the order in which each `history` reads them.
pub(crate) const VERSION_COLUMNS: &str =
    "\"id\", \"_version\", \"_created_at\", \"_updated_at\", \"document\", \"removed\"";

/// The history of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryLayout {
    /// The table of older versions.
    pub(crate) table: String,
    /// The trigger; in PostgreSQL the name of its function too.
    pub(crate) trigger: String,
    collection: CollectionName,
    records: String,
    id_column: String,
}

/// The name of the trigger that keeps the versions of a collection.
pub(crate) fn keep_trigger(dialect: Dialect, collection: &CollectionName) -> String {
    shorten(&format!("{}-keep-version-trigger", dialect.view_name(collection)))
}

impl HistoryLayout {
    /// The hyphens keep the names apart from every table, view and index of records.
    pub(super) fn new(
        dialect: Dialect,
        collection: &CollectionName,
        records: &str,
        id_column: &str,
    ) -> Self {
        let view = dialect.view_name(collection);
        Self {
            table: shorten(&format!("{view}-versions")),
            trigger: keep_trigger(dialect, collection),
            collection: collection.clone(),
            records: records.to_owned(),
            id_column: id_column.to_owned(),
        }
    }

    /// What begins the history, in a schema that others may not have on their path.
    pub(crate) fn create(&self, dialect: Dialect, schema: &str) -> Vec<String> {
        match dialect {
            Dialect::Sqlite => self.create_in_sqlite(),
            Dialect::Postgres => self.create_in_postgres(schema),
        }
    }

    fn create_in_sqlite(&self) -> Vec<String> {
        let (table, trigger) = (quote(&self.table), quote(&self.trigger));
        let (records, id) = (quote(&self.records), quote(&self.id_column));
        vec![
            format!(
                "CREATE TABLE {table} (\n  \"id\" TEXT NOT NULL,\n  \"_version\" INTEGER NOT \
                 NULL,\n  \"_created_at\" INTEGER NOT NULL,\n  \"_updated_at\" INTEGER NOT \
                 NULL,\n  \"document\" TEXT,\n  \"removed\" INTEGER NOT NULL DEFAULT 0,\n  \
                 PRIMARY KEY (\"id\", \"_version\")\n)"
            ),
            format!(
                "CREATE TRIGGER {trigger} AFTER UPDATE OF {id}, \"_version\", \"document\" ON \
                 {records} WHEN OLD.\"_version\" <> NEW.\"_version\" BEGIN {}; END",
                self.keep(&table)
            ),
        ]
    }

    fn create_in_postgres(&self, schema: &str) -> Vec<String> {
        let table = format!("{}.{}", quote(schema), quote(&self.table));
        let trigger = quote(&self.trigger);
        let function = format!("{}.{trigger}()", quote(schema));
        let (records, id) = (quote(&self.records), quote(&self.id_column));
        let mark = literal(&our_mark(self.collection.as_str()));
        // Whoever may write records need not have rights on the versions. The body
        // names nothing without its schema, so that it runs nothing that a user put in
        // the way.
        let body = literal(&format!("BEGIN {}; RETURN NULL; END", self.keep(&table)));
        vec![
            format!(
                "CREATE TABLE {table} (\n  \"id\" text COLLATE \"C\" NOT NULL,\n  \"_version\" \
                 bigint NOT NULL,\n  \"_created_at\" bigint NOT NULL,\n  \"_updated_at\" bigint \
                 NOT NULL,\n  \"document\" jsonb,\n  \"removed\" boolean NOT NULL DEFAULT \
                 false,\n  PRIMARY KEY (\"id\", \"_version\")\n)"
            ),
            format!("COMMENT ON TABLE {table} IS {mark}"),
            format!(
                "CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
                 {body}"
            ),
            // Triggers run it all the same. Who could put it on a table of their own could
            // write what no record ever was.
            format!("REVOKE ALL ON FUNCTION {function} FROM PUBLIC"),
            format!("COMMENT ON FUNCTION {function} IS {mark}"),
            format!(
                "CREATE TRIGGER {trigger} AFTER UPDATE OF {id}, \"_version\", \"document\" ON \
                 {records} FOR EACH ROW WHEN (OLD.\"_version\" <> NEW.\"_version\") EXECUTE \
                 FUNCTION {function}"
            ),
        ]
    }

    /// Keeps what a row was. It wins over what was added under its number.
    fn keep(&self, table: &str) -> String {
        let id = quote(&self.id_column);
        format!(
            "INSERT INTO {table} (\"id\", \"_version\", \"_created_at\", \"_updated_at\", \
             \"document\") VALUES (OLD.{id}, OLD.\"_version\", OLD.\"_created_at\", \
             OLD.\"_updated_at\", OLD.\"document\") ON CONFLICT (\"id\", \"_version\") DO UPDATE \
             SET \"_created_at\" = excluded.\"_created_at\", \
             \"_updated_at\" = excluded.\"_updated_at\", \"document\" = excluded.\"document\", \
             \"removed\" = excluded.\"removed\""
        )
    }

    /// What ends the history, and removes all of it.
    pub(crate) fn drop(&self, dialect: Dialect) -> Vec<String> {
        let (table, trigger) = (quote(&self.table), quote(&self.trigger));
        match dialect {
            Dialect::Sqlite => vec![
                format!("DROP TRIGGER IF EXISTS {trigger}"),
                format!("DROP TABLE IF EXISTS {table}"),
            ],
            Dialect::Postgres => vec![
                format!("DROP TRIGGER IF EXISTS {trigger} ON {}", quote(&self.records)),
                format!("DROP FUNCTION IF EXISTS {trigger}()"),
                format!("DROP TABLE IF EXISTS {table}"),
            ],
        }
    }
}
