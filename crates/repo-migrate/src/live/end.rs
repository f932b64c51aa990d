//! The end of a live migration: finished, or given up.

use std::sync::Arc;

use repo_core::strategy::{
    CaptureHolder, LiveId, StorageStrategy, StoreRecord, StoreRole, StoreUpdate,
};
use repo_core::{Error, ErrorKind, Result};
use repo_feed::Consumers;

use super::kept;
use super::pair::{LivePlace, LiveStores, step};

const ABORT: &str = "abort the live migration";
const FINISH: &str = "finish the live migration";

/// Gives a live migration up that has not switched, or has come back: the source stays what
/// it is, and the target is a store of its own, with what was copied. Safe to repeat.
///
/// # Errors
/// `Locked` once the target is the authority, or is about to be, and for the target of
/// another live migration.
pub async fn abort(stores: LiveStores<'_>) -> Result<()> {
    let source = stores.source.open(None).await?;
    let target = stores.target.open(None).await?;
    let aborted = abort_opened(stores, source.as_ref(), target.as_ref()).await;
    source.close().await?;
    target.close().await?;
    aborted
}

async fn abort_opened(
    stores: LiveStores<'_>,
    source: &dyn StorageStrategy,
    target: &dyn StorageStrategy,
) -> Result<()> {
    let from = source.store_record().await?;
    let to = target.store_record().await?;
    let ours = is_of(target, &to, source).await?;
    if !is_of(source, &from, target).await? || !ours {
        return Err(in_another(ABORT, target));
    }
    let to = to.role;
    if from.role.live.is_some() {
        let role = &from.role;
        if !matches!(role.role, StoreRole::Authority | StoreRole::Fenced) {
            let why = "the target is the authority: there is nothing to give up any more";
            return Err(Error::new(ErrorKind::Locked, ABORT, why)
                .with("store", source.location())
                .hint("move back first, or finish the live migration"));
        }
        // The one step that decides: a fence and a switch need the claim.
        step(source, role, |next| {
            next.role = StoreRole::Authority;
            next.attempt += 1;
            next.live = None;
            next.max_pause_ms = None;
        })
        .await?;
    }
    leave_ended(source).await?;
    if let (Some(_), StoreRole::Replica | StoreRole::Retired) = (to.live, to.role) {
        // Those that a switch gave it which was cancelled, or taken back.
        remove_consumers(stores.target, to.live).await?;
        step(target, &to, |next| {
            if next.role == StoreRole::Replica {
                next.role = StoreRole::Authority;
                next.attempt += 1;
            }
            next.live = None;
        })
        .await?;
    }
    leave_ended(target).await.map(drop)
}

/// Ends a live migration that has switched. The target is the authority for good; the source
/// stays retired and names it. Safe to repeat.
///
/// # Errors
/// `Locked` while the source is the authority, and for stores of two live migrations;
/// `NotFound` for stores that take part in none.
pub async fn finish(stores: LiveStores<'_>) -> Result<()> {
    let source = stores.source.open(None).await?;
    let target = stores.target.open(None).await?;
    let finished = finish_opened(stores, source.as_ref(), target.as_ref()).await;
    source.close().await?;
    target.close().await?;
    finished
}

async fn finish_opened(
    stores: LiveStores<'_>,
    source: &dyn StorageStrategy,
    target: &dyn StorageStrategy,
) -> Result<()> {
    let (of_source, of_target) = (source.store_record().await?, target.store_record().await?);
    let (from, to) = (&of_source.role, &of_target.role);
    if from.live.is_none() && to.live.is_none() {
        // One that was killed here had released both.
        if leave_ended(source).await? | leave_ended(target).await? {
            return Ok(());
        }
        let why = "the store takes part in no live migration";
        return Err(Error::new(ErrorKind::NotFound, FINISH, why).with("store", source.location()));
    }
    if !is_of(source, &of_source, target).await? || !is_of(target, &of_target, source).await? {
        return Err(in_another(FINISH, target));
    }
    if from.role != StoreRole::Retired || to.role != StoreRole::Authority {
        let why = "the target is not the authority yet";
        return Err(Error::new(ErrorKind::Locked, FINISH, why)
            .with("source", from.role.as_str())
            .with("target", to.role.as_str())
            .hint("switch to the target first, or abort the live migration"));
    }
    if to.live.is_some() {
        step(target, to, |next| {
            next.live = None;
            next.attempt += 1;
        })
        .await?;
    }
    leave_ended(target).await?;
    // They are in the target.
    remove_consumers(stores.source, from.live).await?;
    step(source, from, |next| next.live = None).await?;
    leave_ended(source).await.map(drop)
}

/// Whether the live migration that a store takes part in is one with the other store, if it
/// takes part in any.
async fn is_of(
    store: &dyn StorageStrategy,
    record: &StoreRecord,
    other: &dyn StorageStrategy,
) -> Result<bool> {
    let Some(live) = record.role.live else { return Ok(true) };
    let peer = kept::read(store, live).await?.peer_id;
    Ok(other.store_record().await?.id == Some(peer))
}

/// Removes the consumers of a store that is no authority, so that no changes are captured for
/// them there.
async fn remove_consumers(place: &dyn LivePlace, live: Option<LiveId>) -> Result<()> {
    let Some(live) = live else { return Ok(()) };
    let store = place.open(Some(live)).await?;
    let removed = Consumers::new(Arc::clone(&store)).remove_all().await;
    store.close().await?;
    removed
}

fn in_another(operation: &'static str, target: &dyn StorageStrategy) -> Error {
    let why = "the two stores are not those of one live migration";
    Error::new(ErrorKind::Locked, operation, why)
        .with("target", target.location())
        .hint("nothing was changed; name the two stores of one live migration")
}

/// Releases the capture, and removes what the store keeps, of live migrations that it takes
/// no part in any more; whether there was something.
async fn leave_ended(store: &dyn StorageStrategy) -> Result<bool> {
    let record = store.store_record().await?;
    if record.id.is_none() {
        return Ok(false);
    }
    let mut ended = kept::all(store).await?;
    ended.retain(|live| Some(*live) != record.role.live);
    for live in &ended {
        let holder = CaptureHolder::new("live", &live.to_string())?;
        store.update_store_record(StoreUpdate::ReleaseCapture(holder)).await?;
        kept::remove(store, *live).await?;
    }
    Ok(!ended.is_empty())
}
