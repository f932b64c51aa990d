//! A live migration begins: both stores take part in it, and nothing else does.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    CollectionState, LiveId, ScanOptions, StorageStrategy, StoreRecord, StoreRole, StoreUpdate,
    SystemCollection,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, Error, ErrorKind, Result, Schemas, Timestamp,
};

use super::history;
use super::kept::{self, Kept};
use super::pair::{LiveStores, Pair, Side, step, without_id};
use super::refusals;

const START: &str = "begin a live migration";

/// The live migration of the two stores: the one that is there already, or a new one.
///
/// # Errors
/// `Locked` when a store takes part in another one, or has an unfinished job; `Unsupported`
/// for what a live migration does not carry over; `AlreadyExists` for a target that holds
/// records; as [`refusals::other_schemas`] and [`refusals::prune_runs`].
pub(super) async fn claim(
    stores: LiveStores<'_>,
    schemas: &Schemas,
    now: Timestamp,
) -> Result<Pair> {
    let (source, target) = (stores.source.open(None).await?, stores.target.open(None).await?);
    let claimed = claim_opened(source.as_ref(), target.as_ref(), schemas, now).await;
    source.close().await?;
    target.close().await?;
    let live = claimed?;
    let pair = Pair {
        live,
        source: Side::open(stores.source, live).await?,
        target: Side::open(stores.target, live).await?,
    };
    Ok(pair)
}

async fn claim_opened(
    source: &dyn StorageStrategy,
    target: &dyn StorageStrategy,
    schemas: &Schemas,
    now: Timestamp,
) -> Result<LiveId> {
    let record = source.store_record().await?;
    let id = record.id.ok_or_else(|| without_id(source.location()))?;
    check(source, target)?;
    if !record.role.takes_writes() && record.role.live.is_none() {
        record.role.check_commit(START, source.location())?;
    }
    let before = target.store_record().await?;
    if before.id == Some(id) {
        let why = "the source and the target are one store, or one is a copy of the other";
        return Err(Error::new(ErrorKind::Invalid, START, why).with("store", target.location()));
    }
    let live = match (record.role.live, before.role.live) {
        (Some(live), Some(other)) if live == other => return Ok(live),
        (Some(live), _) => return Err(in_another(source.location(), live)),
        (None, None) => LiveId::random()?,
        // A run that was killed had claimed the target for this source.
        (None, Some(live)) => match kept::read(target, live).await {
            Ok(kept) if kept.peer_id == id => {
                if kept.source_attempt.is_some_and(|attempt| attempt != record.role.attempt) {
                    return Err(given_up(target.location(), live));
                }
                live
            }
            _ => return Err(in_another(target.location(), live)),
        },
    };
    refusals::prune_runs(source, START, now).await?;
    if before.role.live.is_none() {
        refusals::other_schemas(source, (target, &before), START, &declared(&record, schemas))
            .await?;
    }
    let kept = |peer: &dyn StorageStrategy, peer_id, is_source: bool| Kept {
        peer: peer.location().to_owned(),
        peer_id,
        is_source,
        started_at: now,
        position: None,
        source_attempt: (!is_source).then_some(record.role.attempt),
        base: None,
        copied: !is_source,
        copying: None,
        verified: None,
        late_writes: 0,
    };
    // The target first: a source that takes part has its target. What a store keeps is there
    // before it takes part.
    if before.role.live.is_none() {
        prepare(target, &declared(&record, schemas)).await?;
        history::begin(&record.history, target).await?;
        kept::make(target, live, &kept(source, id, false)).await?;
        let role = target.store_record().await?.role;
        step(target, &role, |next| {
            next.role = StoreRole::Replica;
            next.live = Some(live);
        })
        .await?;
    }
    let target_id = target.store_record().await?.id.ok_or_else(|| without_id(target.location()))?;
    kept::make(source, live, &kept(target, target_id, true)).await?;
    step(source, &record.role, |next| next.live = Some(live)).await?;
    Ok(live)
}

/// The collections of the source: as they are declared, in the schema version of the source.
fn declared(record: &StoreRecord, schemas: &Schemas) -> Vec<CollectionSchema> {
    let of = |(name, state): (&CollectionName, &CollectionState)| CollectionSchema {
        schema_version: state.schema_version,
        ..schemas.get(name)
    };
    record.collections.iter().map(of).collect()
}

fn check(source: &dyn StorageStrategy, target: &dyn StorageStrategy) -> Result<()> {
    for store in [source, target] {
        if !store.capabilities().fence || !store.capabilities().changes {
            let why = "the store can be no part of a live migration";
            return Err(
                Error::new(ErrorKind::Unsupported, START, why).with("store", store.location())
            );
        }
    }
    Ok(())
}

/// Makes the collections of the target, which has to be empty.
async fn prepare(target: &dyn StorageStrategy, schemas: &[CollectionSchema]) -> Result<()> {
    target.prepare(schemas).await?;
    let consumers = SystemCollection::Consumers;
    if !target.system_items(consumers, "", None, NonZeroUsize::MIN).await?.is_empty() {
        let why = "the target of a live migration has consumers of its own";
        return Err(Error::new(ErrorKind::AlreadyExists, START, why)
            .with("store", target.location())
            .hint("choose another target, or unsubscribe them"));
    }
    for name in target.collections().await? {
        let scan = ScanOptions::default().with_consistency(Consistency::Strong);
        let mut records = target.scan(&name, scan).await?;
        while let Some(batch) = futures::StreamExt::next(&mut records).await {
            if !batch?.records.is_empty() {
                let why = "the target of a live migration has to be empty";
                return Err(Error::new(ErrorKind::AlreadyExists, START, why)
                    .with("store", target.location())
                    .with("collection", name)
                    .hint("choose another target, or remove what it holds"));
            }
        }
    }
    Ok(())
}

fn in_another(location: &str, live: LiveId) -> Error {
    let why = "the store takes part in another live migration";
    Error::new(ErrorKind::Locked, START, why)
        .with("store", location)
        .with("live_migration", live)
        .hint("finish or abort that one first")
}

fn given_up(location: &str, live: LiveId) -> Error {
    let why = "the target takes part in a live migration that the source has given up";
    Error::new(ErrorKind::Locked, START, why)
        .with("store", location)
        .with("live_migration", live)
        .hint("abort it with both stores first, which releases the target; then use an empty one")
}

/// Captures the changes of a side from now on, unless that is so already; what is
/// written from here on is after the position that it keeps.
pub(super) async fn capture(pair: &Pair, side: &Side) -> Result<()> {
    side.store.update_store_record(StoreUpdate::HoldCapture(pair.holder()?)).await?;
    if kept::read(side.store.as_ref(), pair.live).await?.position.is_none() {
        let head = side.store.head().await?;
        kept::change(side, pair.live, |kept| {
            kept.position.get_or_insert_with(|| head.clone());
            if !kept.is_source {
                kept.base.get_or_insert_with(|| head.clone());
            }
        })
        .await?;
    }
    Ok(())
}
