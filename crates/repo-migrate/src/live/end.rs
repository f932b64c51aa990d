//! The end of a live migration: finished, or given up.

use repo_core::strategy::{LiveId, StorageStrategy, StoreRole, StoreUpdate};
use repo_core::{Error, ErrorKind, Result};

use super::kept;
use super::pair::{LiveStores, step};

/// Gives a live migration up that has not switched, or has come back: the source stays what
/// it is, and the target is a store of its own, with what was copied. Safe to repeat.
///
/// # Errors
/// `Locked` once the target is the authority, or is about to be; `NotFound` for stores that
/// take part in none.
pub async fn abort(stores: LiveStores<'_>) -> Result<()> {
    let source = stores.source.open(None).await?;
    let aborted = async {
        let role = source.store_record().await?.role;
        if let Some(live) = role.live {
            if !matches!(role.role, StoreRole::Authority | StoreRole::Fenced) {
                let why = "the target is the authority: there is nothing to give up any more";
                return Err(Error::new(ErrorKind::Locked, "abort the live migration", why)
                    .with("store", source.location())
                    .hint("move back first, or finish the live migration"));
            }
            // The one step that decides: a fence and a switch need the claim.
            step(source.as_ref(), &role, |next| {
                next.role = StoreRole::Authority;
                next.attempt += 1;
                next.live = None;
                next.max_pause_ms = None;
            })
            .await?;
            leave(source.as_ref(), live).await?;
        }
        let target = stores.target.open(None).await?;
        let role = target.store_record().await?.role;
        if let (Some(live), StoreRole::Replica | StoreRole::Retired) = (role.live, role.role) {
            step(target.as_ref(), &role, |next| {
                if next.role == StoreRole::Replica {
                    next.role = StoreRole::Authority;
                    next.attempt += 1;
                }
                next.live = None;
            })
            .await?;
            leave(target.as_ref(), live).await?;
        }
        target.close().await
    };
    let aborted = aborted.await;
    source.close().await?;
    aborted
}

/// Ends a live migration that has switched. The target is the authority for good; the source
/// stays retired and names it. Safe to repeat.
///
/// # Errors
/// `Locked` while the source is the authority; `NotFound` for stores that take part in none.
pub async fn finish(stores: LiveStores<'_>) -> Result<()> {
    let source = stores.source.open(None).await?;
    let target = stores.target.open(None).await?;
    let finished = finish_opened(source.as_ref(), target.as_ref()).await;
    source.close().await?;
    target.close().await?;
    finished
}

async fn finish_opened(source: &dyn StorageStrategy, target: &dyn StorageStrategy) -> Result<()> {
    const FINISH: &str = "finish the live migration";
    let (from, to) = (source.store_record().await?.role, target.store_record().await?.role);
    // One that was killed here left the claim of one store.
    let Some(live) = from.live.or(to.live) else {
        let why = "the store takes part in no live migration";
        return Err(Error::new(ErrorKind::NotFound, FINISH, why).with("store", source.location()));
    };
    let together = from.live.is_none_or(|of| of == live) && to.live.is_none_or(|of| of == live);
    if !together || from.role != StoreRole::Retired || to.role != StoreRole::Authority {
        let why = "the target is not the authority yet";
        return Err(Error::new(ErrorKind::Locked, FINISH, why)
            .with("source", from.role.as_str())
            .with("target", to.role.as_str())
            .hint("switch to the target first, or abort the live migration"));
    }
    if to.live.is_some() {
        step(target, &to, |next| {
            next.live = None;
            next.attempt += 1;
        })
        .await?;
    }
    leave(target, live).await?;
    if from.live.is_some() {
        step(source, &from, |next| next.live = None).await?;
    }
    leave(source, live).await
}

/// Releases the capture, and removes what the store keeps of the live migration.
async fn leave(store: &dyn StorageStrategy, live: LiveId) -> Result<()> {
    let holder = repo_core::strategy::CaptureHolder::new("live", &live.to_string())?;
    store.update_store_record(StoreUpdate::ReleaseCapture(holder)).await?;
    kept::remove(store, live).await
}
