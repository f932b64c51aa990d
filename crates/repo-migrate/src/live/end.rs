//! The end of a live migration: finished, or given up.

use std::sync::Arc;

use repo_core::strategy::{
    CaptureHolder, JobKind, LiveId, RoleState, StorageStrategy, StoreRecord, StoreRole, StoreUpdate,
};
use repo_core::{Error, ErrorKind, Result};
use repo_feed::Consumers;
use serde::Serialize;

use super::kept;
use super::pair::{LivePlace, LiveStores, step};

const ABORT: &str = "abort the live migration";
const FINISH: &str = "finish the live migration";

/// What [`abort`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AbortReport {
    /// Whether the target is free as well. False when it could not be reached: it takes no
    /// writes until the same call reaches it.
    pub target_released: bool,
    /// The target that is still to be released, as the live migration named it.
    pub left: Option<String>,
    /// Why it could not be reached.
    pub reason: Option<String>,
}

/// Gives a live migration up that has not switched, or has come back: the source stays what
/// it is, and the target is a store of its own, with what was copied. Safe to repeat.
///
/// A target that cannot be reached is left for later, and the report says so: a fence and a
/// switch need the claim on the source, which ends in one step. Until it is released it stays
/// a copy that takes no writes.
///
/// # Errors
/// `Locked` once the target is the authority, or is about to be, and for the target of
/// another live migration; those of the target, where the source takes part in no live
/// migration.
pub async fn abort(stores: LiveStores<'_>) -> Result<AbortReport> {
    let source = stores.source.open(None).await?;
    let aborted = match reach(stores.target, source.as_ref()).await {
        Ok(target) => {
            let aborted = abort_opened(stores, source.as_ref(), target.as_ref()).await;
            target.close().await?;
            aborted.map(|()| AbortReport { target_released: true, left: None, reason: None })
        }
        Err(error) if is_lost(error.kind()) => abort_alone(source.as_ref(), error).await,
        Err(error) => Err(error),
    };
    source.close().await?;
    aborted
}

/// Opens the target and reads its record: some stores are asked for nothing before that.
///
/// # Errors
/// `NotFound` where the source has a target that holds no store any more.
async fn reach(
    target: &dyn LivePlace,
    source: &dyn StorageStrategy,
) -> Result<Arc<dyn StorageStrategy>> {
    let store = target.open(None).await?;
    let looked_at = async {
        let is_there = store.store_record().await?.id.is_some();
        let Some(live) = source.store_record().await?.role.live.filter(|_| !is_there) else {
            return Ok(());
        };
        // A store of another name is not the one that was lost.
        if kept::read(source, live).await?.peer != store.location() {
            return Err(in_another(ABORT, store.as_ref()));
        }
        let why = "the target holds no store any more";
        Err(Error::new(ErrorKind::NotFound, ABORT, why).with("store", store.location()))
    };
    match looked_at.await {
        Ok(()) => Ok(store),
        Err(error) => {
            // What it was closed for is what counts.
            store.close().await.ok();
            Err(error)
        }
    }
}

/// Whether a store that cannot be opened for this reason may be gone for long. A name that was
/// typed wrong, or a store that is in use, is none such.
fn is_lost(kind: ErrorKind) -> bool {
    use ErrorKind::{Corrupt, NotFound, PermissionDenied, Unavailable, Unexpected};
    matches!(kind, Corrupt | NotFound | PermissionDenied | Unavailable | Unexpected)
}

/// Gives it up in the source, for a target that cannot be reached.
async fn abort_alone(source: &dyn StorageStrategy, error: Error) -> Result<AbortReport> {
    let role = source.store_record().await?.role;
    let Some(live) = role.live else {
        let hint = "the source takes part in no live migration; the target is released by the \
                    same command when it can be reached";
        return Err(error.hint(hint));
    };
    let left = kept::read(source, live).await?.peer;
    release_source(source, &role).await?;
    leave_ended(source).await?;
    tracing::warn!(target = left, %error, "the target of the live migration was not released");
    Ok(AbortReport { target_released: false, left: Some(left), reason: Some(error.to_string()) })
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
        release_source(source, &from.role).await?;
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

/// Ends the claim on the source, which is the authority from here on.
///
/// # Errors
/// `Locked` once it has given the authority up.
async fn release_source(source: &dyn StorageStrategy, role: &RoleState) -> Result<()> {
    if !matches!(role.role, StoreRole::Authority | StoreRole::Fenced) {
        let why = "the target is the authority: there is nothing to give up any more";
        return Err(Error::new(ErrorKind::Locked, ABORT, why)
            .with("store", source.location())
            .hint("move back first, or finish the live migration"));
    }
    // The one step that decides: a fence and a switch need the claim.
    let released = step(source, role, |next| {
        next.role = StoreRole::Authority;
        next.attempt += 1;
        next.live = None;
        next.max_pause_ms = None;
    });
    released.await.map(drop)
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
    let Some(record) = release_target(source, target).await? else { return Ok(()) };
    if record.job.is_some_and(|job| job.kind() == JobKind::CleanUp) {
        let why = "the source is being emptied, which has not finished";
        return Err(Error::new(ErrorKind::Locked, FINISH, why)
            .with("store", source.location())
            .hint("finish the live migration with the clean-up of the source, as before"));
    }
    release_retired(stores.source, source, &record.role).await
}

/// The first half of the end: the target is a store of its own. The record of the source,
/// which still takes part; `None` when everything is released already.
///
/// # Errors
/// As [`finish`].
pub(super) async fn release_target(
    source: &dyn StorageStrategy,
    target: &dyn StorageStrategy,
) -> Result<Option<StoreRecord>> {
    let (of_source, of_target) = (source.store_record().await?, target.store_record().await?);
    let (from, to) = (&of_source.role, &of_target.role);
    if from.live.is_none() && to.live.is_none() {
        // One that was killed here had released both.
        if leave_ended(source).await? | leave_ended(target).await? {
            return Ok(None);
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
    Ok(Some(of_source))
}

/// The second half: the source has moved for good.
pub(super) async fn release_retired(
    place: &dyn LivePlace,
    source: &dyn StorageStrategy,
    role: &RoleState,
) -> Result<()> {
    // They are in the target.
    remove_consumers(place, role.live).await?;
    step(source, role, |next| next.live = None).await?;
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
