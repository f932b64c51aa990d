//! Making a store: the place is looked at and tried out before the first frame.

use bytes::Bytes;
use futures_util::future::join_all;
use repo_core::Result;
use repo_core::strategy::check_writable;

use crate::env::Env;
use crate::errors;
use crate::hex::Hex16;
use crate::names;
use crate::objects::Creation;

/// Requests that create one object at once, and how often they do.
const RACERS: usize = 8;
const RACES: usize = 2;
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
    try_out(env).await?;
    // In a folder the file system lets one of them through.
    let races = if env.objects.folder().is_some() { 0 } else { RACES };
    for _ in 0..races {
        race(env).await?;
    }
    Ok(())
}

/// Creates one object twice, reads it, finds it in a list, and removes it.
async fn try_out(env: &Env) -> Result<()> {
    let id = Hex16::random()?.to_string();
    let name = format!("{}/{id}", names::PROBES);
    let bytes = Bytes::from(format!("{{\"probe\":\"{id}\"}}\n"));
    let tried = async {
        env.objects.create_new(&name, bytes.clone()).await?;
        match env.objects.create(&name, bytes.clone()).await {
            Creation::Taken => {}
            Creation::Created => return Err(errors::ignores_conditions(&env.location)),
            Creation::Refused(error) | Creation::Busy(error) | Creation::Unknown(error) => {
                return Err(error);
            }
        }
        let read = env.objects.read(&name).await?;
        let listed = env.objects.list(names::PROBES, None, LOOKED_AT).await?;
        let is_shown = listed.iter().any(|object| object.name == name);
        if read.is_none_or(|read| read != bytes) || !is_shown {
            return Err(errors::shows_late(&env.location));
        }
        Ok(())
    };
    let tried = tried.await;
    let removed = env.objects.remove(vec![name.clone()]).await;
    tried.and(removed)
}

/// Creates one object by many requests at once. There are servers that look whether it is there
/// long before they write it, so that more than one comes through.
async fn race(env: &Env) -> Result<()> {
    let name = &format!("{}/{}", names::PROBES, Hex16::random()?);
    let racers = (0..RACERS).map(|racer| async move {
        let bytes = Bytes::from(format!("{{\"racer\":{racer}}}\n"));
        matches!(env.objects.create(name, bytes).await, Creation::Created)
    });
    let created = join_all(racers).await.into_iter().filter(|created| *created).count();
    env.objects.remove(vec![name.clone()]).await?;
    if created > 1 {
        return Err(errors::ignores_conditions(&env.location));
    }
    Ok(())
}
