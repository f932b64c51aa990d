//! The archives below a place in an object store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_blob::NamedObjects;
use repo_core::{Clock as _, ErrorKind, Result, SystemClock, Timestamp};

use super::found::{Damaged, Leftover};
use super::handle::Archive;
use super::manifest::Manifest;
use super::object_draft;
use super::place::Place;
use super::writer::{MIGRATION_PREFIX, STORE_PREFIX};
use crate::store_reference::blocking;

/// How long a writer is taken to be at work that shows no sign of life. It shows one each
/// minute; the rest is for clocks that differ.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Archives, what should be some and is not, and what is none.
type Found = (Vec<Archive>, Vec<Damaged>, Vec<Leftover>);

/// Looks what is there.
pub(super) async fn read(objects: NamedObjects, folder: &Path) -> Result<Found> {
    let (mut archives, mut damaged, mut leftovers) = Found::default();
    for name in objects.folders().await? {
        let Ok(here) = objects.within(&name) else { continue };
        let path = folder.join(&name);
        let read = {
            let (path, place) = (path.clone(), Place::Objects(Box::new(here.clone())));
            blocking(move || {
                Manifest::read(&place, &path).map(|manifest| Archive { path, place, manifest })
            })
            .await
        };
        match read {
            Ok(archive) => archives.push(archive),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if name.starts_with(MIGRATION_PREFIX) || name.starts_with(STORE_PREFIX) {
                    let in_use = is_in_use(&here).await?;
                    leftovers.push(Leftover { path, in_use });
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                damaged.push(Damaged { path, error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok((archives, damaged, leftovers))
}

/// Whether anything of it was written a short time ago.
async fn is_in_use(objects: &NamedObjects) -> Result<bool> {
    let now = SystemClock.now();
    let mut found = objects.objects();
    while let Some(object) = found.try_next().await? {
        if age(object.modified, now) < SILENCE {
            return Ok(true);
        }
    }
    Ok(false)
}

fn age(then: Timestamp, now: Timestamp) -> Duration {
    let micros = now.as_micros().saturating_sub(then.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Removes archives and leftovers. Gives the leftovers that were removed, and those that
/// somebody took up since they were looked at.
pub(super) async fn remove_all(
    objects: &NamedObjects,
    archives: &[PathBuf],
    leftovers: Vec<PathBuf>,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        objects.within(&name)
    };
    for path in archives {
        object_draft::remove(&named(path)?).await?;
    }
    let (mut removed, mut in_use) = (Vec::new(), Vec::new());
    for path in leftovers {
        let here = named(&path)?;
        if is_in_use(&here).await? {
            in_use.push(path);
        } else {
            object_draft::remove(&here).await?;
            removed.push(path);
        }
    }
    Ok((removed, in_use))
}
