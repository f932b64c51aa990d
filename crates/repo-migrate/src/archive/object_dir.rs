//! The archives below a place in an object store.

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_blob::NamedObjects;
use repo_core::{Clock as _, ErrorKind, Result, SystemClock, Timestamp};

use super::dir::{ArchiveDirectory, Damaged, Leftover, Pruned};
use super::handle::Archive;
use super::manifest::Manifest;
use super::object_draft;
use super::place::Place;
use super::writer::{MIGRATION_PREFIX, STORE_PREFIX};
use crate::store_reference::blocking;

/// How long a writer is taken to be at work that shows no sign of life. It shows one each
/// minute; the rest is for clocks that differ.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Looks what is there.
pub(super) async fn read(objects: NamedObjects, folder: &Path) -> Result<ArchiveDirectory> {
    let mut directory = ArchiveDirectory::default();
    for name in objects.folders().await? {
        let Ok(here) = objects.within(&name) else { continue };
        let path = folder.join(&name);
        let read = {
            let (path, place) = (path.clone(), Place::Objects(here.clone()));
            blocking(move || {
                Manifest::read(&place, &path).map(|manifest| Archive { path, place, manifest })
            })
            .await
        };
        match read {
            Ok(archive) => directory.archives.push(archive),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if name.starts_with(MIGRATION_PREFIX) || name.starts_with(STORE_PREFIX) {
                    let in_use = is_in_use(&here).await?;
                    directory.leftovers.push(Leftover { path, in_use });
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                directory.damaged.push(Damaged { path, error });
            }
            Err(error) => return Err(error),
        }
    }
    directory.sort();
    Ok(directory)
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

/// Removes what was chosen.
pub(super) async fn remove_all(objects: &NamedObjects, mut pruned: Pruned) -> Result<Pruned> {
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        objects.within(&name)
    };
    for path in &pruned.removed {
        object_draft::remove(&named(path)?).await?;
    }
    let mut removed = Vec::new();
    for path in std::mem::take(&mut pruned.leftovers) {
        let here = named(&path)?;
        if is_in_use(&here).await? {
            // Somebody took it up since it was looked at.
            pruned.in_use.push(path);
        } else {
            object_draft::remove(&here).await?;
            removed.push(path);
        }
    }
    pruned.leftovers = removed;
    Ok(pruned)
}
