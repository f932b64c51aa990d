//! What keeps writers out of a collection while its store is no authority: triggers, so
//! that programs which know nothing of roles are kept out too.

use repo_core::CollectionName;
use repo_core::strategy::RoleState;

use crate::Dialect;
use crate::dialect::our_mark;
use crate::names::{FENCE, STORE_TABLE, literal, quote, shorten};

/// What the triggers say; by it their refusal is recognised.
pub(crate) const FENCED: &str = "repo: the store takes no writes";
/// The setting by which a connection says which live migration it works for.
pub(crate) const WORKS_FOR: &str = "repo.works_for";
/// Says that nobody may write. No id of a live migration.
const NOBODY: &str = "nobody";

/// Who may write to a store that is no authority, as the triggers know it; `None` for an
/// authority, which has none.
pub(crate) fn fence_of(role: &RoleState) -> Option<String> {
    (!role.takes_writes())
        .then(|| role.live.map_or_else(|| NOBODY.to_owned(), |live| live.to_string()))
}

/// The statements that fence a collection in SQLite: one writer at a time, so a column
/// that it reads is as the transaction left it.
pub(crate) fn fence_in_sqlite(collection: &CollectionName, table: &str) -> Vec<String> {
    let (on, store) = (quote(table), quote(STORE_TABLE));
    let refuse = literal(FENCED);
    ["INSERT", "UPDATE", "DELETE"]
        .iter()
        .zip(fence_names_in_sqlite(collection))
        .map(|(event, name)| {
            format!(
                "CREATE TRIGGER {} BEFORE {event} ON {on} \
                 WHEN (SELECT \"fenced\" FROM {store}) \
                 BEGIN SELECT RAISE(ABORT, {refuse}); END",
                quote(&name)
            )
        })
        .collect()
}

/// The statements that lift it.
pub(crate) fn lift_in_sqlite(collection: &CollectionName) -> Vec<String> {
    let drop = |name: String| format!("DROP TRIGGER IF EXISTS {}", quote(&name));
    fence_names_in_sqlite(collection).into_iter().map(drop).collect()
}

/// The names of the triggers. The hyphens keep them apart from every table and view.
pub(crate) fn fence_names_in_sqlite(collection: &CollectionName) -> [String; 3] {
    let view = Dialect::Sqlite.view_name(collection);
    ["insert", "update", "delete"].map(|what| shorten(&format!("{view}-fence-{what}-trigger")))
}

/// The statements that make the function of all fences of a store in PostgreSQL. What may
/// write is given to each trigger: a row that a trigger reads may be the one of a
/// snapshot from before the fence.
pub(crate) fn fence_function(schema: &str) -> [String; 2] {
    let function = format!("{}.{}()", quote(schema), quote(FENCE));
    let body = literal(&format!(
        "BEGIN IF TG_ARGV[0] = '{NOBODY}' OR \
         pg_catalog.current_setting('{WORKS_FOR}', true) IS DISTINCT FROM TG_ARGV[0] THEN \
         RAISE EXCEPTION {} USING ERRCODE = 'RE001'; END IF; RETURN NULL; END",
        literal(FENCED)
    ));
    [
        format!("CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS {body}"),
        format!("COMMENT ON FUNCTION {function} IS {}", literal(&our_mark(FENCE))),
    ]
}

/// The statement that fences a table in PostgreSQL for everybody but `allowed`. It waits for
/// writers alone: dropping a trigger would wait for readers too, and one that is idle within a
/// transaction would keep the store from changing its role. Only a server before 14, which
/// cannot replace a trigger, drops the one that is there.
pub(crate) fn fence_in_postgres(schema: &str, table: &str, allowed: &str) -> String {
    let (schema, on, name) = (quote(schema), quote(table), quote(FENCE));
    let trigger = format!(
        "TRIGGER {name} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {on} \
         FOR EACH STATEMENT EXECUTE FUNCTION {schema}.{name}({})",
        literal(allowed)
    );
    let replace = literal(&format!("CREATE OR REPLACE {trigger}"));
    let (drop, create) = (
        literal(&format!("DROP TRIGGER IF EXISTS {name} ON {on}")),
        literal(&format!("CREATE {trigger}")),
    );
    let body = literal(&format!(
        "BEGIN IF pg_catalog.current_setting('server_version_num')::int >= 140000 THEN \
         EXECUTE {replace}; ELSE EXECUTE {drop}; EXECUTE {create}; END IF; END"
    ));
    format!("DO {body}")
}

/// The statement that lifts it, where it is: the trigger stays and does nothing, for the
/// reason above.
pub(crate) fn lift_in_postgres(schema: &str, table: &str) -> String {
    let (schema, table, name) = (literal(schema), literal(table), literal(FENCE));
    let disable = literal("ALTER TABLE %I.%I DISABLE TRIGGER %I");
    let body = literal(&format!(
        "BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_trigger AS t \
         JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {schema} AND c.relname = {table} AND t.tgname = {name} \
         AND t.tgenabled <> 'D') THEN \
         EXECUTE pg_catalog.format({disable}, {schema}, {table}, {name}); END IF; END"
    ));
    format!("DO {body}")
}
