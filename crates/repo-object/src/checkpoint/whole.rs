//! The whole state, written anew in the order of collections and ids.

use repo_core::strategy::SystemItemMap;
use repo_core::{CollectionName, EntityId, Error, Result};

use super::feed::keep_changes;
use super::parts::{Frames, Parts, Written};
use crate::documents::{Fetched, Wanted, fetch};
use crate::env::Env;
use crate::format::{ByOp, DeleteOp, Manifest, OlderOp, Op, PrepareOp, PutOp, Text, WasOp};
use crate::slot::{Place, Slot};
use crate::state::State;
use crate::table::{History, Older, Table, Was};

/// Records whose documents are read together.
const RECORDS: usize = 2_000;
/// And bytes of them.
const BYTES: u64 = 8 * 1_024 * 1_024;

/// A manifest, for the checkpoint of a number, of the whole of a state, which nobody changes any
/// more.
///
/// # Errors
/// `Corrupt` for a document that is damaged: it is not left out, and the state not written.
pub(super) async fn write(
    env: &Env,
    number: u64,
    state: &State,
    before: &Manifest,
) -> Result<(Manifest, Written)> {
    let mut parts = Parts::new(env, number)?;
    own_lines(state).iter().try_for_each(|op| parts.line(op))?;
    items(&mut parts, &state.items).await?;
    for (name, table) in &state.tables {
        collection(&mut parts, name, table)?;
        records(env, &mut parts, state, name, table).await?;
        if let Some(history) = &table.history {
            older(env, &mut parts, state, name, history).await?;
            attributions(&mut parts, name, history).await?;
        }
    }
    let (feed, mut written) = keep_changes(env, number, state, before).await?;
    let changes = (state.head, state.head);
    let (through, commit) = (state.position, state.commit);
    let of = Frames { whole: true, after: 0, through, commit, changes };
    let (run, files) = parts.finish(of).await?;
    written.0.extend(files.0);
    let manifest = Manifest { through, changes: state.head, runs: vec![run], feed };
    Ok((manifest, written))
}

/// What the store keeps of itself.
fn own_lines(state: &State) -> Vec<Op> {
    let id = state.id.map(Op::Id);
    let (capture, trimmed) = (state.capture.clone(), state.trimmed);
    id.into_iter()
        .chain([
            Op::Role(state.role.clone()),
            Op::Job(state.job.clone()),
            Op::Capture { capture, trimmed },
            Op::Changes { head: state.head },
        ])
        .collect()
}

async fn items(parts: &mut Parts<'_>, items: &SystemItemMap) -> Result<()> {
    for (of, key, value) in items.iter() {
        let of = of.as_str().to_owned();
        parts.line(&Op::Item { of, key: key.to_owned(), value: Some(value.to_owned()) })?;
        parts.boundary().await?;
    }
    Ok(())
}

fn collection(parts: &mut Parts<'_>, name: &CollectionName, table: &Table) -> Result<()> {
    parts.line(&Op::Prepare(PrepareOp {
        collection: name.clone(),
        schema_version: table.schema_version,
        id_field: table.id_field.clone(),
        shape: table.shape,
    }))?;
    parts.line(&Op::Floor { collection: name.clone(), floor: table.floor })?;
    let history = table.history.as_ref().map(|history| history.kept);
    parts.line(&Op::History { collection: name.clone(), history })
}

async fn records(
    env: &Env,
    parts: &mut Parts<'_>,
    state: &State,
    name: &CollectionName,
    table: &Table,
) -> Result<()> {
    let mut after: Option<EntityId> = None;
    loop {
        let chunk = chunk(table.after(after.as_ref()), |(_, slot)| slot.place);
        let Some((last, _)) = chunk.last() else { return Ok(()) };
        after = Some((*last).clone());
        let places: Vec<Place> = chunk.iter().filter_map(|(_, slot)| slot.place).collect();
        let mut texts = moved(env, parts, state, &places).await?.into_iter();
        for (id, slot) in chunk {
            let text = if slot.is_live() { texts.next() } else { None };
            parts.line(&record(name, id, slot, text))?;
        }
        parts.boundary().await?;
    }
}

fn record(name: &CollectionName, id: &EntityId, slot: &Slot, text: Option<Text>) -> Op {
    let (collection, id) = (name.clone(), id.clone());
    let Slot { version, created_at, updated_at, .. } = *slot;
    match text {
        Some(text) => {
            Op::Put(PutOp { collection, id, version, created_at, updated_at, text, change: None })
        }
        None => {
            Op::Delete(DeleteOp { collection, id, version, deleted_at: updated_at, change: None })
        }
    }
}

/// As many as are read together, from the beginning of what follows.
fn chunk<T>(all: impl Iterator<Item = T>, place: impl Fn(&T) -> Option<Place>) -> Vec<T> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for one in all {
        bytes += place(&one).map_or(0, |place| u64::from(place.len.get()));
        chunk.push(one);
        if chunk.len() >= RECORDS || bytes >= BYTES {
            break;
        }
    }
    chunk
}

/// Reads the documents of places and adds them to the parts; where they are now.
async fn moved(
    env: &Env,
    parts: &mut Parts<'_>,
    state: &State,
    places: &[Place],
) -> Result<Vec<Text>> {
    let wanted: Vec<Wanted> = places.iter().map(|place| state.wanted(*place)).collect();
    let mut texts = Vec::with_capacity(places.len());
    for (place, fetched) in places.iter().zip(fetch(&env.objects, &wanted).await?) {
        let document = match fetched {
            Fetched::Document(document) => document,
            Fetched::Other { error, .. } => return Err(damaged(env, error)),
        };
        let at = Some(parts.document(document.as_str().as_bytes()).await?);
        texts.push(Text { len: place.len, digest: place.digest, at });
    }
    Ok(texts)
}

fn damaged(env: &Env, error: Error) -> Error {
    error.with("store", &env.location).hint(
        "no checkpoint of the whole store is made while a document is damaged: put its object \
         back, or write the record anew",
    )
}

async fn older(
    env: &Env,
    parts: &mut Parts<'_>,
    state: &State,
    name: &CollectionName,
    history: &History,
) -> Result<()> {
    let mut rest = history.older.iter();
    loop {
        let chunk = chunk(rest.by_ref(), |(_, older)| place_of(older));
        if chunk.is_empty() {
            return Ok(());
        }
        let places: Vec<Place> = chunk.iter().filter_map(|(_, older)| place_of(older)).collect();
        let mut texts = moved(env, parts, state, &places).await?.into_iter();
        for ((id, version), older) in chunk {
            let was = match older.was {
                Was::Live { created_at, .. } => {
                    let Some(text) = texts.next() else { continue };
                    WasOp::Live { created_at, text }
                }
                Was::Deleted => WasOp::Deleted,
                Was::Removed => WasOp::Removed,
            };
            parts.line(&Op::Older(OlderOp {
                collection: name.clone(),
                id: id.clone(),
                version: *version,
                updated_at: older.updated_at,
                was,
            }))?;
        }
        parts.boundary().await?;
    }
}

fn place_of(older: &Older) -> Option<Place> {
    match older.was {
        Was::Live { place, .. } => Some(place),
        Was::Deleted | Was::Removed => None,
    }
}

async fn attributions(
    parts: &mut Parts<'_>,
    name: &CollectionName,
    history: &History,
) -> Result<()> {
    for ((id, version), by) in &history.by {
        let (collection, id, by) = (name.clone(), id.clone(), Some((**by).clone()));
        parts.line(&Op::By(ByOp { collection, id, version: *version, by }))?;
        parts.boundary().await?;
    }
    Ok(())
}
