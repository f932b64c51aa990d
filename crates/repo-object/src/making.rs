//! Making a store: the place is looked at and tried out before the first frame.

use bytes::Bytes;
use futures_util::future::join_all;
use repo_core::strategy::check_writable;
use repo_core::{Error, ErrorKind, Result};

use crate::env::Env;
use crate::errors;
use crate::hex::Hex16;
use crate::names;
use crate::objects::Creation;

/// Requests that create one object at once.
const RACERS: usize = 8;
/// Objects that are looked at: of a place that is taken the first ones tell.
const LOOKED_AT: usize = 1_000;

/// Refuses a folder that nobody may write to.
pub(crate) fn check_place(env: &Env, operation: &'static str) -> Result<()> {
    env.objects.folder().map_or(Ok(()), |folder| check_writable(operation, folder))
}

/// Refuses a place that is not ours, and a server that does not keep what is there.
///
/// # Errors
/// `Foreign`; `Unsupported`; what hinders writing there.
pub(crate) async fn make_place(env: &Env) -> Result<()> {
    check_place(env, "prepare")?;
    env.objects.make_folder().await?;
    let ours = [names::LOG, names::CHECKPOINTS, names::RUNS, names::PROBES];
    let is_ours =
        |name: &str| name.split_once('/').is_some_and(|(folder, _)| ours.contains(&folder));
    let found = env.objects.first(LOOKED_AT).await?;
    if let Some(other) = found.iter().find(|object| !is_ours(&object.name)) {
        return Err(errors::occupied(&env.location, &other.name));
    }
    let name = format!("{}/{}", names::PROBES, Hex16::random()?);
    let tried = try_out(env, &name).await;
    let removed = env.objects.remove(vec![name]).await;
    tried.and(removed)
}

/// Creates one object by many requests at once, and once more; reads it, and finds it in a list.
///
/// There are servers that ignore the condition. Others look whether the object is there long
/// before they write it, so that more than one request comes through.
async fn try_out(env: &Env, name: &str) -> Result<()> {
    // In a folder the file system lets one of them through.
    let racers = if env.objects.folder().is_some() { 1 } else { RACERS };
    let all = (0..racers).map(|racer| env.objects.create(name, probe(name, racer)));
    let answers = join_all(all).await;
    let is_done = |answer: &Creation| matches!(answer, Creation::Created);
    if answers.iter().filter(|answer| is_done(answer)).count() > 1 {
        return Err(errors::ignores_conditions(&env.location));
    }
    let mut owner = answers.iter().position(is_done);
    // Where all of them failed in passing the next one may come through, and no other one.
    for racer in [racers, racers + 1] {
        match env.objects.create(name, probe(name, racer)).await {
            Creation::Taken => break,
            Creation::Created if owner.is_none() => owner = Some(racer),
            Creation::Created => return Err(errors::ignores_conditions(&env.location)),
            Creation::Refused(error) | Creation::Busy(error) => return Err(error),
            Creation::Unknown(error) => return Err(harmless(error)),
        }
    }
    let read = env.objects.read(name).await?;
    let is_theirs = |read: Bytes| match owner {
        Some(racer) => read == probe(name, racer),
        // Of a creation whose answer was lost.
        None => (0..racers).any(|racer| read == probe(name, racer)),
    };
    let listed = env.objects.list(names::PROBES, None, LOOKED_AT).await?;
    let is_shown = listed.iter().any(|object| object.name == name);
    if !read.is_some_and(is_theirs) || !is_shown {
        return Err(errors::shows_late(&env.location));
    }
    Ok(())
}

/// What one of those who create the object writes.
fn probe(name: &str, racer: usize) -> Bytes {
    Bytes::from(format!("{{\"probe\":\"{name}\",\"racer\":{racer}}}\n"))
}

/// Whether it is there does not matter: it is removed in any case.
fn harmless(error: Error) -> Error {
    match error.kind() {
        ErrorKind::OutcomeUnknown => error.into_kind(ErrorKind::Unavailable),
        _ => error,
    }
}
