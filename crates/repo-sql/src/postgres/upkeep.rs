//! Purge, scrubbing and health.

use std::time::Instant;

use repo_core::strategy::{Action, HistoryState, Purged, Remnant, check_purge};
use repo_core::{CollectionName, Error, Health, HealthCheck, Result, Timestamp};

use super::capture;
use super::feed;
use super::fence;
use super::inspect;
use super::keep_trigger;
use super::read;
use super::role;
use super::rows::{PgRow, number_at, optional_text_at, text_at, truth_at};
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::store_record::{self, lock_job, raise_floor, read_in};
use super::table::Table;
use super::transaction::{Sees, Transaction};
use crate::dialect::MARK;
use crate::errors;
use crate::names::{ATTRIBUTIONS_TABLE, CHANGES_TABLE, INBOX_TABLE, ITEMS_TABLE, quote};
use crate::own_record::{triggers_in_place, with_hint};

/// Tombstones removed by one statement.
const AT_ONCE: i64 = 5_000;
const SCRUB: &str = "scrub a record";

/// Removes tombstones written before `older_than`. First the floor is raised,
/// while nobody writes to the collection: a statement that began before could
/// still give an id a version by the older floor. Each one that begins later
/// sees the new floor, so removing the tombstones stops nobody.
pub(super) async fn purge(shared: &Shared, table: &Table, older_than: Timestamp) -> Result<Purged> {
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, "purge", Sees::Committed, Vec::new()).await?;
    let (floor, older_than) = match raise(shared, &mut transaction, table, older_than).await {
        Ok(raised) => {
            transaction.commit().await?;
            raised
        }
        Err(error) => {
            transaction.rollback().await;
            return Err(error);
        }
    };
    let (name, id) = (quote(&table.layout.table), quote(&table.layout.id_column));
    let sql = format!(
        "DELETE FROM {name} WHERE {id} IN (SELECT {id} FROM {name} \
         WHERE \"document\" IS NULL AND \"_updated_at\" < {MARK}1{MARK} \
         AND \"_version\" <= {MARK}2{MARK} LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED) \
         RETURNING 1"
    );
    let floor_value = i64::try_from(floor).unwrap_or(i64::MAX);
    let mut removed = 0;
    loop {
        let values = [SqlValue::Number(older_than.as_micros()), SqlValue::Number(floor_value)];
        let rows = delete(shared, Statement::made(sql.clone(), values)).await?;
        removed += rows.len() as u64;
        if rows.is_empty() {
            return Ok(Purged::new(removed, floor));
        }
    }
}

/// Deletes some; behind the fence, for the live migration that the handle works for.
async fn delete(shared: &Shared, statement: Statement) -> Result<Vec<PgRow>> {
    let Some(work_for) = role::work_for(shared) else {
        return read::run(shared, "purge", statement).await;
    };
    let first = vec![work_for];
    let (transaction, _) =
        Transaction::begin(&shared.pool, "purge", Sees::Committed, first).await?;
    let deleted = async {
        role::check_rebuild(shared, &transaction, "purge").await?;
        transaction.rows(statement).await
    };
    match deleted.await {
        Ok(rows) => transaction.commit().await.map(|()| rows),
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

/// Removes dead rows, once nobody sees them any more. Who still does after the time that
/// locks are waited for is named.
pub(super) async fn scrub(shared: &Shared, table: &Table) -> Result<Vec<Remnant>> {
    role::check_rebuild_now(shared, SCRUB).await?;
    // Everything that was deleted before is of an older transaction than this.
    let sql = "SELECT mod(txid_current(), 4294967296)::text".to_owned();
    let now = read::run(shared, SCRUB, Statement::made(sql, [])).await?;
    let now = now.first().map(|row| text_at(row, 0)).transpose()?.unwrap_or_default();
    let begun = Instant::now();
    while !who_sees(shared, &now).await?.is_empty() && begun.elapsed() < shared.patience {
        capture::pause().await;
    }
    vacuum(shared, table).await?;
    who_sees(shared, &now).await
}

/// Transactions that may see what was deleted before this one.
async fn who_sees(shared: &Shared, transaction: &str) -> Result<Vec<Remnant>> {
    let sql = format!(
        "SELECT \"pid\"::bigint, to_char(\"xact_start\" AT TIME ZONE 'UTC', \
         'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM pg_stat_activity \
         WHERE \"datname\" = current_database() AND \"pid\" <> pg_backend_pid() \
         AND \"backend_type\" = 'client backend' \
         AND age(\"backend_xmin\") > age({MARK}1{MARK}::text::xid)"
    );
    let values = [SqlValue::Text(transaction.to_owned())];
    let rows = read::run(shared, SCRUB, Statement::made(sql, values)).await?;
    let remnant = |row: &PgRow| {
        let since = optional_text_at(row, 1)?.unwrap_or_default();
        let what = format!(
            "a transaction of process {} that is open since {since} may still see what was \
             deleted: end it, and run the command again",
            number_at(row, 0)?
        );
        Ok(Remnant::new(&shared.location, what))
    };
    rows.iter().map(remnant).collect()
}

async fn vacuum(shared: &Shared, table: &Table) -> Result<()> {
    let of_records = [&table.layout.table, &table.layout.history.table].map(String::as_str);
    let of_store = [ATTRIBUTIONS_TABLE, ITEMS_TABLE, INBOX_TABLE, CHANGES_TABLE];
    let sql = format!(
        "SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n \
         ON n.oid = c.relnamespace WHERE n.nspname = {MARK}1{MARK} \
         AND c.relname = ANY({MARK}2{MARK})"
    );
    let names = of_records.into_iter().chain(of_store).map(str::to_owned).collect();
    let values = [SqlValue::Text(shared.schema.clone()), SqlValue::Texts(names)];
    let found = read::run(shared, SCRUB, Statement::made(sql, values)).await?;
    for row in found.iter() {
        let name = format!("{}.{}", quote(&shared.schema), quote(&text_at(row, 0)?));
        let mut connection = shared.pool.get().await?;
        connection
            .command(&format!("VACUUM {name}"))
            .await
            .map_err(|source| errors::postgres(SCRUB, &shared.location, source))?;
    }
    Ok(())
}

/// The floor then, and before which time tombstones may go: those of a history stay.
async fn raise(
    shared: &Shared,
    transaction: &mut Transaction,
    table: &Table,
    older_than: Timestamp,
) -> Result<(u64, Timestamp)> {
    let collection: &CollectionName = &table.schema.collection;
    check_purge(lock_job(transaction).await?.as_ref(), collection)?;
    role::check_rebuild(shared, transaction, "purge").await?;
    let name = quote(&table.layout.table);
    transaction.run(&format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")).await?;
    let sql = format!(
        "SELECT coalesce(max(\"_version\"), 0) FROM {name} \
         WHERE \"document\" IS NULL AND \"_updated_at\" < {MARK}1{MARK}"
    );
    let history = read_in(transaction).await?.history;
    let older_than = HistoryState::purgeable(history.get(collection), older_than);
    let before = SqlValue::Number(older_than.as_micros());
    let rows = transaction.rows(Statement::made(sql, [before])).await?;
    let highest = rows.first().map(|row| number_at(row, 0)).transpose()?.unwrap_or(0);
    let highest = u64::try_from(highest).unwrap_or(0);
    Ok((raise_floor(transaction, collection, highest).await?, older_than))
}

/// Looks at the server and at what is there, without changing it.
pub(super) async fn health(shared: &Shared) -> Health {
    let mut checks = vec![server(shared).await];
    if checks.iter().all(|check| check.ok) {
        let layout = layout(shared).await;
        let is_ours = layout.ok;
        checks.push(layout);
        if is_ours {
            checks.extend(triggers(shared).await);
            // What cannot be read is said by the checks above.
            let record = store_record::read(shared).await.ok();
            checks.extend(record.and_then(|record| record.role.health_check()));
        }
        checks.push(writable(shared).await);
    }
    let status = shared.pool.status();
    checks.push(check("connections", true, status));
    Health::new(checks)
}

fn check(name: &'static str, ok: bool, detail: String) -> HealthCheck {
    HealthCheck::new(name, ok, detail)
}

async fn server(shared: &Shared) -> HealthCheck {
    let sql = "SELECT current_setting('server_version') || ', page checksums ' \
               || coalesce(current_setting('data_checksums', true), 'unknown')"
        .to_owned();
    match read::run(shared, "health", Statement::made(sql, [])).await {
        Ok(rows) => {
            let version = rows.first().map_or(Ok(String::new()), |row| text_at(row, 0));
            check("server", true, format!("PostgreSQL {}", version.unwrap_or_default()))
        }
        Err(error) => check("server", false, error.to_string()),
    }
}

async fn layout(shared: &Shared) -> HealthCheck {
    let read = async {
        let known = shared.read_catalog("health").await?;
        let new: Vec<_> = shared
            .options
            .schemas
            .iter()
            .filter(|schema| !known.tables.contains_key(&schema.collection))
            .cloned()
            .collect();
        inspect::refuse_foreign(shared, "health", &new).await?;
        Ok::<_, Error>(known)
    };
    match read.await {
        Ok(known) if known.prepared => {
            check("layout", true, format!("{} collections", known.tables.len()))
        }
        Ok(_) => {
            check("layout", false, format!("there is no store; make it with {}", Action::Prepare))
        }
        Err(error) => check("layout", false, error.to_string()),
    }
}

/// Whether what captures writes and keeps versions is in place; `None` where nothing
/// has to.
async fn triggers(shared: &Shared) -> Option<HealthCheck> {
    let found = async {
        let record = store_record::read(shared).await?;
        if record.capture.is_on() {
            feed::check_triggers(shared).await?;
        }
        if !record.role.takes_writes() {
            fence::check_triggers(shared).await?;
        }
        if !record.history.is_empty() {
            let known = shared.known.get();
            let kept = record.history.keys().filter_map(|name| known.tables.get(name));
            keep_trigger::check_triggers(shared, kept.map(AsRef::as_ref)).await?;
        }
        Ok::<_, Error>(triggers_in_place(&record))
    };
    match found.await {
        Ok(in_place) => in_place.map(|detail| check("triggers", true, detail)),
        Err(error) => Some(check("triggers", false, with_hint(&error))),
    }
}

async fn writable(shared: &Shared) -> HealthCheck {
    if shared.options.read_only {
        return check("writable", true, "opened for reading only".to_owned());
    }
    // On for a standby too.
    let sql = "SELECT current_setting('transaction_read_only')::boolean".to_owned();
    match read::run(shared, "health", Statement::made(sql, [])).await {
        Ok(rows) if rows.first().is_some_and(|row| truth_at(row, 0)) => {
            check("writable", false, "the server takes no writes: a standby, or set so".to_owned())
        }
        Ok(_) => check("writable", true, "the server takes writes".to_owned()),
        Err(error) => check("writable", false, error.to_string()),
    }
}
