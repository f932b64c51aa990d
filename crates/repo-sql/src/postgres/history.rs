//! The history of a collection: older versions in a table of their own, which a
//! trigger fills.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;

use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;

use repo_core::strategy::{
    Applied, HistoryState, OlderState, OlderThan, OlderVersion, VersionWrite, no_history,
};
use repo_core::{Attribution, CollectionName, EntityId, Error, Key, Result, Version};

use super::attributions;
use super::capture::lock_table;
use super::feed::check_layout;
use super::keep_trigger::{check_trigger, trigger};
use super::read;
use super::role;
use super::rows::{
    PgRow, damaged_record, document_at, id_at, optional_text_at, text_at, time_at, truth_at,
    version_at,
};
use super::schema::store;
use super::shared::Shared;
use super::statement::{JsonText, SqlValue, Statement};
use super::table::Table;
use super::transaction::{Sees, Transaction};
use crate::dialect::MARK;
use crate::layout::{HistoryLayout, VERSION_COLUMNS};
use crate::names::{STORE_TABLE, quote};
use crate::own_record::{history_of, history_text};
use crate::{Dialect, errors};

pub(super) const KEEP: &str = "keep the history";
pub(super) const READ: &str = "read the history";
pub(super) const WRITE: &str = "change the history";

/// Begins, changes or ends the history of a collection, given `all` that are kept, while
/// nobody else prepares or switches, and nobody writes to the collection: a write that
/// began before is seen to its end first, and one that begins later meets the trigger.
///
/// # Errors
/// `Unavailable` when the table is in use; `Foreign` for names that are taken.
pub(super) async fn set(
    shared: &Shared,
    transaction: &mut Transaction,
    mut all: BTreeMap<CollectionName, HistoryState>,
    collection: &CollectionName,
    (expected, next): (Option<HistoryState>, Option<HistoryState>),
) -> Result<()> {
    let known = shared.read_catalog_in(transaction).await?;
    let layout = match known.tables.get(collection) {
        Some(table) => &table.layout,
        None => return Err(shared.unknown(KEEP, collection).await),
    };
    let before = all.remove(collection);
    let after = HistoryState::replace(before, expected, next)?;
    match (before, after) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {}
        (None, Some(_)) => {
            lock_table(transaction, &layout.table).await?;
            begin(shared, transaction, &layout.history).await?;
        }
        (Some(_), None) => {
            lock_table(transaction, &layout.table).await?;
            transaction.run(&layout.history.drop(Dialect::Postgres).join(";\n")).await?;
            transaction.rows(attributions::remove_all(collection)).await?;
        }
    }
    all.extend(after.map(|after| (collection.clone(), after)));
    diesel::update(store::table)
        .set(store::history.eq(history_text(&all)?))
        .execute(transaction.connection().diesel())
        .await
        .map(drop)
        .map_err(|source| transaction.failed(source))
}

async fn begin(shared: &Shared, transaction: &Transaction, layout: &HistoryLayout) -> Result<()> {
    let taken = format!(
        "SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {MARK}1{MARK} AND c.relname = {MARK}2{MARK} \
         UNION ALL SELECT p.proname::text FROM pg_proc AS p \
         JOIN pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE n.nspname = {MARK}1{MARK} AND p.pronargs = 0 AND p.proname = {MARK}3{MARK} LIMIT 1"
    );
    let values = [&shared.schema, &layout.table, &layout.trigger];
    let values = values.map(|name| SqlValue::Text(name.clone()));
    if let [row, ..] = transaction.rows(Statement::made(taken, values)).await?.as_slice() {
        let why = "a name that the history needs is taken";
        return Err(errors::foreign_relation(KEEP, &shared.location, &text_at(row, 0)?, why));
    }
    transaction.run(&layout.create(Dialect::Postgres, &shared.schema).join(";\n")).await
}

/// The older versions of these ids, at most `most`.
pub(super) async fn older(
    shared: &Shared,
    table: &Table,
    of: &[OlderThan],
    most: NonZeroUsize,
) -> Result<Vec<OlderVersion>> {
    let sql = format!(
        "SELECT v.* FROM unnest({MARK}1{MARK}, {MARK}2{MARK}, {MARK}3{MARK}) WITH ORDINALITY \
         AS o(\"of\", \"below\", \"oldest\", \"place\") CROSS JOIN LATERAL (\
         SELECT {VERSION_COLUMNS} FROM {} WHERE \"id\" = o.\"of\" AND \"_version\" < o.\"below\" \
         AND \"_version\" >= o.\"oldest\" ORDER BY \"_version\" DESC LIMIT {MARK}4{MARK}) AS v \
         ORDER BY o.\"place\", v.\"_version\" DESC LIMIT {MARK}4{MARK}",
        quote(&table.layout.history.table)
    );
    let values = [
        SqlValue::Texts(of.iter().map(|of| of.id.to_string()).collect()),
        SqlValue::Numbers(of.iter().map(|of| of.version.as_i64()).collect()),
        SqlValue::Numbers(of.iter().map(|of| of.lowest()).collect()),
        SqlValue::Number(i64::try_from(most.get()).unwrap_or(i64::MAX)),
    ];
    let statements = vec![Statement::made(sql, values), trigger(shared, table)];
    let found = Transaction::begin(&shared.pool, READ, Sees::OneState, statements).await;
    let (transaction, found) = match found {
        Ok(found) => found,
        Err(error) => return Err(explained(shared, table, READ, error).await),
    };
    transaction.rollback().await;
    let [versions, triggers] = found.as_slice() else { return Ok(Vec::new()) };
    check_trigger(shared, table, READ, triggers)?;
    versions.iter().map(|row| older_version(table, row)).collect()
}

/// Who wrote these versions.
pub(super) async fn attributions(
    shared: &Shared,
    table: &Table,
    of: &[(EntityId, Version)],
) -> Result<Vec<Option<Attribution>>> {
    check_kept(shared, table, READ).await?;
    let collection = &table.schema.collection;
    let select = attributions::select(collection, of.iter().map(|(id, version)| (id, *version)));
    let rows = read::run(shared, READ, select).await?;
    let found = attributions::found(collection, rows.as_slice())?;
    Ok(of.iter().map(|of| found.get(of).cloned()).collect())
}

/// Where the table is not there, no history is kept.
async fn explained(shared: &Shared, table: &Table, operation: &'static str, error: Error) -> Error {
    match check_kept(shared, table, operation).await {
        Err(why) => why,
        Ok(()) => error,
    }
}

async fn check_kept(shared: &Shared, table: &Table, operation: &'static str) -> Result<()> {
    check_layout(shared, operation).await?;
    let collection = &table.schema.collection;
    let sql = format!("SELECT \"history\" FROM {}", quote(STORE_TABLE));
    let rows = read::run(shared, operation, Statement::made(sql, [])).await?;
    let text = rows.as_slice().first().map(|row| optional_text_at(row, 0)).transpose()?.flatten();
    if !history_of(text.as_deref())?.contains_key(collection) {
        return Err(no_history(operation, collection, &shared.location));
    }
    let found = read::run(shared, operation, trigger(shared, table)).await?;
    check_trigger(shared, table, operation, &found)
}

/// The version of a row of [`VERSION_COLUMNS`].
///
/// # Errors
/// `Corrupt`, naming the key, when it holds none.
fn older_version(table: &Table, row: &PgRow) -> Result<OlderVersion> {
    let id = id_at(row, 0)?;
    let read = || {
        let state = match (truth_at(row, 5), document_at(row, 4)?) {
            (true, _) => OlderState::Removed,
            (false, None) => OlderState::Deleted,
            (false, Some(document)) => OlderState::Live { created_at: time_at(row, 2)?, document },
        };
        Ok(OlderVersion::new(id.clone(), version_at(row, 1)?, time_at(row, 3)?, state))
    };
    read().map_err(|error| {
        damaged_record(&Key::new(table.schema.collection.clone(), id.clone()), error)
    })
}

/// Changes what is kept, in one transaction.
pub(super) async fn write(
    shared: &Shared,
    table: &Table,
    writes: &[VersionWrite],
) -> Result<Vec<Applied>> {
    check_kept(shared, table, WRITE).await?;
    // In one order, so that two of several versions do not wait for each other.
    let mut ordered: Vec<&VersionWrite> = writes.iter().collect();
    ordered.sort_by_key(|write| write.of());
    let name = quote(&table.layout.history.table);
    let collection = &table.schema.collection;
    let statements = vec![
        add(&name, &ordered),
        clear(&name, &ordered),
        remove(&name, &ordered),
        attributions::add(collection, &ordered),
        attributions::remove(collection, &ordered),
    ];
    let (transaction, answers) =
        Transaction::begin(&shared.pool, WRITE, Sees::Committed, statements).await?;
    let outcome = async {
        role::check_apply(shared, &transaction, WRITE).await?;
        let changed = changed_in(&answers)?;
        let stored = transaction.rows(others(&name, &ordered, &changed)).await?;
        let versions: Result<Vec<OlderVersion>> =
            stored.iter().map(|row| older_version(table, row)).collect();
        let rest: Vec<_> = writes
            .iter()
            .filter(|write| matches!(write, VersionWrite::Attribute(..)))
            .map(VersionWrite::of)
            .filter(|(id, version)| !changed.contains(&((*id).clone(), *version)))
            .collect();
        let attributed = match rest.is_empty() {
            true => HashMap::new(),
            false => {
                let select = attributions::select(collection, rest.into_iter());
                attributions::found(collection, &transaction.rows(select).await?)?
            }
        };
        Ok::<_, Error>(answers_of(writes, &changed, &versions?, &attributed))
    };
    match outcome.await {
        Ok(answers) => transaction.commit().await.map(|()| answers),
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

/// The versions that the statements changed.
fn changed_in(answers: &[Vec<PgRow>]) -> Result<HashSet<(EntityId, Version)>> {
    answers.iter().flatten().map(|row| Ok((id_at(row, 0)?, version_at(row, 1)?))).collect()
}

fn answers_of(
    writes: &[VersionWrite],
    changed: &HashSet<(EntityId, Version)>,
    stored: &[OlderVersion],
    attributed: &HashMap<(EntityId, Version), Attribution>,
) -> Vec<Applied> {
    let answer = |write: &VersionWrite| {
        let (id, version) = write.of();
        if changed.contains(&(id.clone(), version)) {
            return Applied::Applied;
        }
        let same = |other: &&OlderVersion| other.id == *id && other.version == version;
        match write {
            VersionWrite::Add(added) => added.compare_to_stored(stored.iter().find(same)),
            VersionWrite::Clear(..) | VersionWrite::Remove(..) => Applied::Equal,
            VersionWrite::Attribute(_, _, to) => {
                attributions::compare(to, attributed.get(&(id.clone(), version)))
            }
        }
    };
    writes.iter().map(answer).collect()
}

fn add(name: &str, writes: &[&VersionWrite]) -> Statement {
    let added: Vec<&OlderVersion> = added(writes).collect();
    let numbers = |number: fn(&OlderVersion) -> i64| {
        SqlValue::Numbers(added.iter().map(|version| number(version)).collect())
    };
    let document = |version: &&OlderVersion| match &version.state {
        OlderState::Live { document, .. } => Some(JsonText(document.clone())),
        OlderState::Deleted | OlderState::Removed => None,
    };
    let sql = format!(
        "INSERT INTO {name} ({VERSION_COLUMNS}) SELECT a.\"id\", a.\"version\", a.\"created\", \
         a.\"updated\", a.\"document\", a.\"removed\" <> 0 FROM unnest({MARK}1{MARK}, \
         {MARK}2{MARK}, {MARK}3{MARK}, {MARK}4{MARK}, {MARK}5{MARK}, {MARK}6{MARK}) \
         AS a(\"id\", \"version\", \"created\", \"updated\", \"document\", \"removed\") \
         ON CONFLICT DO NOTHING RETURNING \"id\", \"_version\""
    );
    let values = [
        SqlValue::Texts(added.iter().map(|version| version.id.to_string()).collect()),
        numbers(|version| version.version.as_i64()),
        numbers(|version| match version.state {
            OlderState::Live { created_at, .. } => created_at.as_micros(),
            OlderState::Deleted | OlderState::Removed => version.updated_at.as_micros(),
        }),
        numbers(|version| version.updated_at.as_micros()),
        SqlValue::Jsons(added.iter().map(document).collect()),
        numbers(|version| i64::from(version.state == OlderState::Removed)),
    ];
    Statement::made(sql, values)
}

fn added<'w>(writes: &[&'w VersionWrite]) -> impl Iterator<Item = &'w OlderVersion> {
    writes.iter().filter_map(|write| match write {
        VersionWrite::Add(version) => Some(version),
        _ => None,
    })
}

fn clear(name: &str, writes: &[&VersionWrite]) -> Statement {
    let named = named(writes, |write| matches!(write, VersionWrite::Clear(..)));
    let sql = format!(
        "UPDATE {name} AS v SET \"document\" = NULL, \"removed\" = true \
         FROM unnest({MARK}1{MARK}, {MARK}2{MARK}) AS o(\"id\", \"version\") \
         WHERE v.\"id\" = o.\"id\" AND v.\"_version\" = o.\"version\" AND NOT v.\"removed\" \
         RETURNING v.\"id\", v.\"_version\""
    );
    Statement::made(sql, named)
}

fn remove(name: &str, writes: &[&VersionWrite]) -> Statement {
    let named = named(writes, |write| matches!(write, VersionWrite::Remove(..)));
    let sql = format!(
        "DELETE FROM {name} AS v USING unnest({MARK}1{MARK}, {MARK}2{MARK}) \
         AS o(\"id\", \"version\") WHERE v.\"id\" = o.\"id\" AND v.\"_version\" = o.\"version\" \
         RETURNING v.\"id\", v.\"_version\""
    );
    Statement::made(sql, named)
}

/// What is stored under the numbers of those that could not be added.
fn others(
    name: &str,
    writes: &[&VersionWrite],
    changed: &HashSet<(EntityId, Version)>,
) -> Statement {
    let named = named(writes, |write| match write {
        VersionWrite::Add(added) => !changed.contains(&(added.id.clone(), added.version)),
        _ => false,
    });
    let sql = format!(
        "SELECT {VERSION_COLUMNS} FROM {name} AS v \
         JOIN unnest({MARK}1{MARK}, {MARK}2{MARK}) AS o(\"of\", \"version\") \
         ON v.\"id\" = o.\"of\" AND v.\"_version\" = o.\"version\""
    );
    Statement::made(sql, named)
}

fn named(writes: &[&VersionWrite], are: impl Fn(&VersionWrite) -> bool) -> [SqlValue; 2] {
    let of: Vec<(&EntityId, Version)> =
        writes.iter().filter(|write| are(write)).map(|write| write.of()).collect();
    [
        SqlValue::Texts(of.iter().map(|(id, _)| id.to_string()).collect()),
        SqlValue::Numbers(of.iter().map(|(_, version)| version.as_i64()).collect()),
    ]
}
