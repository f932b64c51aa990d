//! Reading checkpoints.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::{Error, Result};

use crate::env::Env;
use crate::errors;
use crate::format::{Decoded, Kind, Line, Manifest, Op, Run, decode};
use crate::moment::Moment;
use crate::names;
use crate::state::State;

/// Above this many bytes an object is decoded where that holds nobody up.
const MUCH: usize = 256 * 1_024;
/// Parts of an index that are read at once.
const PARTS_AT_ONCE: usize = 4;
/// Checkpoints that are listed together: far more than are made within the grace.
const MOST_LISTED: usize = 100_000;
/// How often a store is read anew when its checkpoint goes away meanwhile.
const TRIES: usize = 5;

/// Decodes an object.
///
/// # Errors
/// `Corrupt`, `Foreign` or `Unsupported`, as the object is.
pub(crate) async fn decoded(env: &Env, name: &str, bytes: &Bytes) -> Result<Decoded> {
    let read = if bytes.len() <= MUCH {
        decode(bytes)
    } else {
        let bytes = bytes.clone();
        tokio::task::spawn_blocking(move || decode(&bytes))
            .await
            .map_err(|_| errors::interrupted("read the store", &env.location))?
    };
    read.map_err(|why| errors::unreadable(&env.location, name, why))
}

/// The number of the newest checkpoint behind another one.
pub(crate) async fn newest(env: &Env, after: u64) -> Result<Option<u64>> {
    let behind = (after > 0).then(|| names::numbered(after));
    let listed = env.objects.list(names::CHECKPOINTS, behind.as_deref(), MOST_LISTED).await?;
    let newest = listed.iter().rev().find_map(|object| names::number_of(&object.name));
    // There are servers that list from the beginning in any case.
    Ok(newest.filter(|number| *number > after))
}

/// A checkpoint; `None` where it is not there any more.
pub(crate) async fn manifest(env: &Env, number: u64) -> Result<Option<Manifest>> {
    let name = names::checkpoint(number);
    let Some(bytes) = env.objects.read(&name).await? else { return Ok(None) };
    let decoded = decoded(env, &name, &bytes).await?;
    if decoded.is != (Kind::Checkpoint { number }) {
        return Err(errors::misplaced(&env.location, &name, "it is not that checkpoint"));
    }
    let mut lines = decoded.lines.into_iter();
    match (lines.next(), lines.next()) {
        (Some(Line { op: Op::Manifest(manifest), .. }), None) if manifest.is_sound() => {
            Ok(Some(manifest))
        }
        _ => Err(errors::senseless(&env.location, &name)),
    }
}

/// A part of the index of a run; `None` where it is not there any more.
pub(crate) async fn index_part(env: &Env, run: &Run, part: u32) -> Result<Option<Vec<Line>>> {
    let name = names::index(run.id, part);
    let Some(bytes) = env.objects.read(&name).await? else { return Ok(None) };
    let decoded = decoded(env, &name, &bytes).await?;
    if decoded.is != (Kind::Index { run: run.id, part }) {
        return Err(errors::misplaced(&env.location, &name, "it is not that part"));
    }
    Ok(Some(decoded.lines))
}

/// The state that a checkpoint holds; `None` where a part of it is not there any more.
///
/// # Errors
/// `LimitExceeded` for a store that is larger than this handle may have it.
pub(crate) async fn whole(
    env: &Env,
    number: u64,
    manifest: Arc<Manifest>,
    fresh: Moment,
) -> Result<Option<State>> {
    let mut state = State::new(fresh);
    for run in &manifest.runs {
        let mut parts = stream::iter(0..run.index_parts)
            .map(|part| async move { Ok::<_, Error>((part, index_part(env, run, part).await?)) })
            .buffered(PARTS_AT_ONCE);
        while let Some((part, lines)) = parts.try_next().await? {
            let Some(lines) = lines else { return Ok(None) };
            let applied = state.apply_run(&env.options, run, lines);
            let name = names::index(run.id, part);
            applied.ok_or_else(|| errors::senseless(&env.location, &name))?;
            check_size(env, &state)?;
        }
        state.end_run(run);
    }
    state.rebase(number, manifest);
    Ok(Some(state))
}

/// Refuses a state that takes more memory than is allowed. What is there already may be
/// somewhat more: another process may be allowed it.
pub(crate) fn check_size(env: &Env, state: &State) -> Result<()> {
    let most = env.settings.max_index_bytes.get();
    let bytes = state.bytes();
    if bytes > most.saturating_add(most / 8) {
        return Err(errors::index_too_large("read the store", &env.location, bytes, most));
    }
    Ok(())
}

/// The state of the newest checkpoint, or nothing where there is none. The log behind it is
/// still to be followed.
pub(crate) async fn open(env: &Env) -> Result<State> {
    for _ in 0..TRIES {
        let fresh = Moment::now();
        let Some(number) = newest(env, 0).await? else { return Ok(State::new(fresh)) };
        let Some(manifest) = manifest(env, number).await? else { continue };
        if let Some(state) = whole(env, number, Arc::new(manifest), fresh).await? {
            return Ok(state);
        }
    }
    Err(missing_or_outrun(env).await)
}

/// Why a checkpoint could not be read so often: parts of the newest one are missing, or others
/// take its place all the time.
async fn missing_or_outrun(env: &Env) -> Error {
    match missing_part(env).await {
        Ok(Some(name)) => errors::missing(&env.location, &name),
        Ok(None) => errors::checkpoint_outrun("open the store", &env.location),
        Err(error) => error,
    }
}

/// A part of the newest checkpoint that is not there.
async fn missing_part(env: &Env) -> Result<Option<String>> {
    let Some(number) = newest(env, 0).await? else { return Ok(None) };
    let Some(manifest) = manifest(env, number).await? else { return Ok(None) };
    for run in &manifest.runs {
        for part in 0..run.index_parts {
            if index_part(env, run, part).await?.is_none() {
                return Ok(Some(names::index(run.id, part)));
            }
        }
    }
    Ok(None)
}
