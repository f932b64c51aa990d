//! A folder of archives: what is in it, and removing what is no longer needed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use repo_core::Result;

use crate::archive::draft::{UNFINISHED, sync_dir};
use crate::archive::errors::io_error;
use crate::archive::found::{Damaged, Leftover};
use crate::archive::handle::Archive;
use crate::archive::lock::ArchiveLock;
use crate::archive::manifest::{MANIFEST_FILE, Manifest, Role};
#[cfg(feature = "blobs")]
use crate::archive::object_dir;
use crate::archive::place::Place;
use crate::archive::writer::{MIGRATION_PREFIX, STORE_PREFIX};
use crate::progress::Progress;
use crate::remedy::Remedy;
use crate::store_reference::blocking;

/// How the name of an archive begins that is being removed.
const REMOVED: &str = ".removed_backup_";
const READING: &str = "list archives";
const PRUNING: &str = "remove archives";

/// What a folder of archives holds.
#[derive(Debug, Default)]
pub struct ArchiveDirectory {
    /// The archives whose manifest is whole, the oldest first.
    pub archives: Vec<Archive>,
    /// Folders that should be archives and are not.
    pub damaged: Vec<Damaged>,
    /// What runs that were killed left, and runs that are under way.
    pub leftovers: Vec<Leftover>,
}

/// What pruning did, or would do.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Archives that stay, read back and sound.
    pub kept: Vec<Archive>,
    /// Archives that were removed.
    pub removed: Vec<PathBuf>,
    /// Leftovers that were removed.
    pub leftovers: Vec<PathBuf>,
    /// Damaged folders. They stay: a person has to look at them.
    pub damaged: Vec<Damaged>,
    /// Leftovers that somebody is at work on. They stay.
    pub in_use: Vec<PathBuf>,
}

impl ArchiveDirectory {
    /// Looks into a folder, or below a place in an object store (`s3://bucket/prefix`).
    ///
    /// # Errors
    /// `NotFound` when the folder or the bucket is not there; `PermissionDenied` when it
    /// cannot be read.
    pub async fn read(folder: &Path) -> Result<Self> {
        match Place::of(folder)? {
            Place::Folder => {
                let folder = folder.to_owned();
                blocking(move || Self::read_now(&folder)).await
            }
            #[cfg(feature = "blobs")]
            Place::Objects(objects) => {
                let (archives, damaged, leftovers) = object_dir::read(*objects, folder).await?;
                let mut directory = Self { archives, damaged, leftovers };
                directory.sort();
                Ok(directory)
            }
        }
    }

    fn read_now(folder: &Path) -> Result<Self> {
        let io = |error| io_error(READING, folder, error).remedy(Remedy::NameArchives);
        let mut directory = Self::default();
        for entry in fs::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            // A link could lead anywhere; what it leads to is not ours.
            if entry.file_type().map_err(io)?.is_dir() {
                directory.take_in(entry.path(), &entry.file_name().to_string_lossy())?;
            }
        }
        directory.sort();
        Ok(directory)
    }

    /// The oldest first; the others by name.
    fn sort(&mut self) {
        self.archives.sort_by(|a, b| {
            (a.manifest.created_at, &a.path).cmp(&(b.manifest.created_at, &b.path))
        });
        self.damaged.sort_by(|a, b| a.path.cmp(&b.path));
        self.leftovers.sort_by(|a, b| a.path.cmp(&b.path));
    }

    fn take_in(&mut self, path: PathBuf, name: &str) -> Result<()> {
        if name.starts_with(UNFINISHED) || name.starts_with(REMOVED) {
            // Removed in between: the run that was at work on it has finished.
            let held = match ArchiveLock::attempt(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                held => held.map_err(|error| io_error(READING, &path, error))?,
            };
            self.leftovers.push(Leftover { path, in_use: held.is_none() });
            return Ok(());
        }
        let named_so = name.starts_with(MIGRATION_PREFIX) || name.starts_with(STORE_PREFIX);
        if !named_so && !path.join(MANIFEST_FILE).exists() {
            return Ok(());
        }
        match Manifest::read(&Place::Folder, &path) {
            Ok(manifest) => {
                self.archives.push(Archive { path, place: Place::Folder, manifest });
            }
            Err(error) => self.damaged.push(Damaged { path, error }),
        }
        Ok(())
    }

    /// Removes all but the `keep` newest sound archives of each store and
    /// role, and what killed runs left. An archive that is kept is read back
    /// first: one that is damaged does not count, and stays to be looked at.
    /// With `dry_run` nothing is removed.
    ///
    /// # Errors
    /// What the file system refuses, naming the path. What was removed before
    /// that stays removed.
    pub async fn prune(
        self,
        folder: &Path,
        keep: NonZeroUsize,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Pruned> {
        let mut pruned = Pruned { damaged: self.damaged, ..Pruned::default() };
        let mut kept: BTreeMap<(String, Role), usize> = BTreeMap::new();
        let mut surplus = Vec::new();
        for archive in self.archives.into_iter().rev() {
            let of = (archive.manifest.location.clone(), archive.manifest.role);
            let kept = kept.entry(of).or_default();
            if *kept == keep.get() {
                surplus.push(archive.path);
                continue;
            }
            match archive.verify(progress).await {
                Ok(()) => {
                    *kept += 1;
                    pruned.kept.push(archive);
                }
                Err(error) => pruned.damaged.push(Damaged { path: archive.path, error }),
            }
        }
        let (in_use, leftovers): (Vec<_>, Vec<_>) =
            self.leftovers.into_iter().partition(|leftover| leftover.in_use);
        pruned.in_use = in_use.into_iter().map(|leftover| leftover.path).collect();
        let leftovers = leftovers.into_iter().map(|leftover| leftover.path).collect();
        (pruned.removed, pruned.leftovers) = (surplus, leftovers);
        if !dry_run {
            pruned = match Place::of(folder)? {
                Place::Folder => {
                    let folder = folder.to_owned();
                    blocking(move || remove_all(&folder, pruned)).await?
                }
                #[cfg(feature = "blobs")]
                Place::Objects(objects) => {
                    let leftovers = std::mem::take(&mut pruned.leftovers);
                    let removed = object_dir::remove_all(&objects, &pruned.removed, leftovers);
                    let (leftovers, in_use) = removed.await?;
                    pruned.leftovers = leftovers;
                    pruned.in_use.extend(in_use);
                    pruned
                }
            };
        }
        Ok(pruned)
    }
}

fn remove_all(folder: &Path, mut pruned: Pruned) -> Result<Pruned> {
    for path in &pruned.removed {
        remove_archive(folder, path)?;
    }
    let mut removed = Vec::new();
    for path in std::mem::take(&mut pruned.leftovers) {
        let io = |error| io_error(PRUNING, &path, error);
        match ArchiveLock::attempt(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            held => match held.map_err(io)? {
                // Somebody took it up since it was looked at.
                None => pruned.in_use.push(path),
                Some(_held) => {
                    fs::remove_dir_all(&path).map_err(io)?;
                    removed.push(path);
                }
            },
        }
    }
    pruned.leftovers = removed;
    sync_dir(folder)?;
    Ok(pruned)
}

/// An archive loses its name before its first file, so that half of one never
/// looks like an archive.
fn remove_archive(folder: &Path, path: &Path) -> Result<()> {
    let io = |error| io_error(PRUNING, path, error);
    // The hold goes with the folder: nobody else takes it for a leftover.
    let _held = ArchiveLock::attempt(path).map_err(io)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = folder.join(format!("{REMOVED}{name}"));
    fs::rename(path, &hidden).map_err(io)?;
    sync_dir(folder)?;
    fs::remove_dir_all(&hidden).map_err(io)
}
