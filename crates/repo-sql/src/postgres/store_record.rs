//! The store's own record in its tables.

use std::collections::BTreeMap;
use std::time::Instant;

use diesel::dsl::sql;
use diesel::sql_types::{Nullable, Text};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use repo_core::strategy::{
    CollectionState, StoreId, StoreRecord, StoreUpdate, StoredJob, UnfinishedJob, check_job,
    check_new_id,
};
use repo_core::{CollectionName, Error, ErrorKind, Result};

use super::role::ROLE;
use super::schema::{CAPTURE, HISTORY, collections, store};
use super::shared::Shared;
use super::transaction::{Sees, Transaction};
use super::{capture, feed, fence, history, role};
use crate::errors;
use crate::own_record::{capture_of, history_of, role_of};

pub(super) const READ: &str = "read the store's record";
pub(super) const UPDATE: &str = "update the store's record";

type Text4 = (Option<String>, Option<String>, Option<String>, Option<String>);
type Text2 = (Option<String>, Option<String>);
type StoreRow = (i32, Text2, Text4);

/// The store's id. Layout 1 has no column for it.
const ID: &str = "to_jsonb(\"_repo_store\") ->> 'store_id'";

/// Reads the record of a prepared store, in one state of the database.
pub(super) async fn read(shared: &Shared) -> Result<StoreRecord> {
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, READ, Sees::OneState, Vec::new()).await?;
    let record = read_in(&mut transaction).await;
    transaction.rollback().await;
    record
}

/// Reads the record within a transaction.
pub(super) async fn read_in(transaction: &mut Transaction) -> Result<StoreRecord> {
    let row: std::result::Result<StoreRow, _> = store::table
        .select((
            store::layout_version,
            (store::migration_plan, store::migration_progress),
            (
                sql::<Nullable<Text>>(ID),
                sql::<Nullable<Text>>(CAPTURE),
                sql::<Nullable<Text>>(HISTORY),
                sql::<Nullable<Text>>(ROLE),
            ),
        ))
        .first(transaction.connection().diesel())
        .await;
    let (layout_version, (plan, progress), (id, capture, history, role)) =
        row.map_err(|source| transaction.failed(source))?;
    let id: Option<StoreId> = id
        .map(|id| id.parse())
        .transpose()
        .map_err(|error: Error| error.into_kind(ErrorKind::Corrupt))?;
    let rows: Vec<(String, i32, i64)> = collections::table
        .select((collections::collection, collections::schema_version, collections::floor))
        .load(transaction.connection().diesel())
        .await
        .map_err(|source| transaction.failed(source))?;
    let mut states = BTreeMap::new();
    for (name, schema_version, floor) in rows {
        let name =
            CollectionName::new(&name).map_err(|error| error.into_kind(ErrorKind::Corrupt))?;
        let schema_version = u32::try_from(schema_version).unwrap_or(0);
        let state = CollectionState::new(schema_version, u64::try_from(floor).unwrap_or(0));
        states.insert(name, state);
    }
    Ok(StoreRecord::new(u32::try_from(layout_version).unwrap_or(0))
        .with_id(id)
        .with_role(role_of(role.as_deref())?)
        .with_collections(states)
        .with_capture(capture_of(capture.as_deref())?)
        .with_history(history_of(history.as_deref())?)
        .with_job(job_of(plan, progress)))
}

/// Changes the record and returns it.
pub(super) async fn update(shared: &Shared, update: StoreUpdate) -> Result<StoreRecord> {
    match &update {
        StoreUpdate::RaiseFloor { collection, .. } => {
            shared.table("raise a floor", collection).await?;
        }
        StoreUpdate::HoldCapture(_) | StoreUpdate::Role(_) => {
            feed::check_layout(shared, UPDATE).await?;
        }
        StoreUpdate::History { collection, .. } => {
            shared.table(history::KEEP, collection).await?;
            feed::check_layout(shared, history::KEEP).await?;
        }
        _ => {}
    }
    let releases = matches!(update, StoreUpdate::ReleaseCapture(_));
    let begun = Instant::now();
    let record = loop {
        match attempt(shared, update.clone()).await {
            Err(error) if !errors::is_given_up_for_lock(&error) => return Err(error),
            Err(_) if begun.elapsed() < shared.patience => capture::pause().await,
            Err(error) => return Err(capture::busy(shared, error).await),
            Ok(record) => break record,
        }
    };
    if releases && !record.capture.is_on() && !record.capture.is_unused() {
        feed::remove_trimmed(shared).await?;
    }
    Ok(record)
}

async fn attempt(shared: &Shared, update: StoreUpdate) -> Result<StoreRecord> {
    let (mut transaction, _) =
        Transaction::begin(&shared.pool, UPDATE, Sees::Committed, Vec::new()).await?;
    match change(shared, &mut transaction, update).await {
        Ok(record) => {
            transaction.commit().await?;
            Ok(record)
        }
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

async fn change(
    shared: &Shared,
    transaction: &mut Transaction,
    update: StoreUpdate,
) -> Result<StoreRecord> {
    let allowed = |record: &StoreRecord| {
        update.check_role(&record.role, &shared.location, shared.options.works_for)
    };
    match update.clone() {
        StoreUpdate::RaiseFloor { collection, floor } => {
            role::check_apply(shared, transaction, "raise a floor").await?;
            raise_floor(transaction, &collection, floor).await?;
        }
        StoreUpdate::Job { expected, job } => {
            let stored = lock_job(transaction).await?;
            allowed(&read_in(transaction).await?)?;
            check_job(stored.as_ref(), expected.as_ref())?;
            let stored = job.map(StoredJob::from);
            let plan = stored.as_ref().map(|stored| &stored.plan);
            let progress = stored.as_ref().map(|stored| &stored.progress);
            diesel::update(store::table)
                .set((store::migration_plan.eq(plan), store::migration_progress.eq(progress)))
                .execute(transaction.connection().diesel())
                .await
                .map_err(|source| transaction.failed(source))?;
        }
        StoreUpdate::HoldCapture(holder) => {
            let record = lock_record(shared, transaction).await?;
            allowed(&record)?;
            capture::hold(shared, transaction, record.capture, holder).await?;
        }
        StoreUpdate::ReleaseCapture(holder) => {
            let stored = lock_record(shared, transaction).await?.capture;
            if !stored.is_unused() {
                capture::release(shared, transaction, stored, &holder).await?;
            }
        }
        StoreUpdate::History { collection, expected, history: next } => {
            let record = lock_record(shared, transaction).await?;
            allowed(&record)?;
            history::set(shared, transaction, record.history, &collection, (expected, next))
                .await?;
        }
        StoreUpdate::Role(change) => {
            capture::alone(shared, transaction).await?;
            transaction.run(&role::seize()).await?;
            let record = lock_record(shared, transaction).await?;
            fence::change(shared, transaction, &record, &change).await?;
        }
        StoreUpdate::Id { expected, id } => {
            let job = lock_job(transaction).await?;
            let record = read_in(transaction).await?;
            allowed(&record)?;
            check_new_id(record.id, job.as_ref(), expected)?;
            diesel::update(store::table)
                .set(store::store_id.eq(id.to_string()))
                .execute(transaction.connection().diesel())
                .await
                .map_err(|source| transaction.failed(source))?;
        }
    }
    read_in(transaction).await
}

/// The record; nobody else changes the capture or a history, prepares something, or
/// begins a job before the transaction ends.
async fn lock_record(shared: &Shared, transaction: &mut Transaction) -> Result<StoreRecord> {
    capture::alone(shared, transaction).await?;
    lock_job(transaction).await?;
    read_in(transaction).await
}

/// The unfinished job; nobody else begins or ends one before the transaction
/// ends.
pub(super) async fn lock_job(transaction: &mut Transaction) -> Result<Option<UnfinishedJob>> {
    let row: std::result::Result<(Option<String>, Option<String>), _> = store::table
        .select((store::migration_plan, store::migration_progress))
        .for_no_key_update()
        .first(transaction.connection().diesel())
        .await;
    let (plan, progress) = row.map_err(|source| transaction.failed(source))?;
    Ok(job_of(plan, progress))
}

/// The job of the two columns.
pub(super) fn job_of(plan: Option<String>, progress: Option<String>) -> Option<UnfinishedJob> {
    Some(StoredJob { plan: plan?, progress: progress.unwrap_or_default() }.into())
}

/// Raises a floor; a lower value changes nothing. Returns the floor then.
pub(super) async fn raise_floor(
    transaction: &mut Transaction,
    collection: &CollectionName,
    floor: u64,
) -> Result<u64> {
    let floor = i64::try_from(floor).map_err(|_| {
        Error::new(ErrorKind::Invalid, "raise a floor", "a floor is a version").with("floor", floor)
    })?;
    let of = collections::collection.eq(collection.as_str().to_owned());
    diesel::update(collections::table.filter(of.clone()).filter(collections::floor.lt(floor)))
        .set(collections::floor.eq(floor))
        .execute(transaction.connection().diesel())
        .await
        .map_err(|source| transaction.failed(source))?;
    let now: i64 = collections::table
        .filter(of)
        .select(collections::floor)
        .first(transaction.connection().diesel())
        .await
        .map_err(|source| transaction.failed(source))?;
    Ok(u64::try_from(now).unwrap_or(0))
}
