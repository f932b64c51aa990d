//! Bringing an archive back: beside the store, verified, and then swapped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{Clock as _, Error, ErrorKind, Result, Schemas, SystemClock};
use repo_engine::Chosen;
use repo_layers::ReferenceLayer;
use repo_migrate::{Archive, MigrationReport, Outcome, Progress, RestoreOptions, archived_schemas};
use serde::Serialize;

use super::files::Files;
use super::lock::{Sole, beside};
use crate::config::Place;

/// What was done.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// Where the archive is now.
    pub store: String,
    /// Where the store is that was there before, if there was one.
    pub before: Option<PathBuf>,
    /// What was copied and compared.
    pub report: MigrationReport,
}

/// Restores an archive: into the empty store of a URL, or in the place of the store itself,
/// which has to be one of files. What was there stays beside it under another name. Until the
/// copy is compared with the archive nothing of the store is touched.
///
/// # Errors
/// `Unsupported` for a store that is no files, without a URL; `Locked` while a server runs;
/// `Unexpected` where copy and archive differ; those of `repo_migrate::restore`.
pub async fn restore(
    place: &Place,
    schemas: &Schemas,
    archive: &Path,
    into: Option<&str>,
    progress: &dyn Progress,
) -> Result<Restored> {
    let archive = Archive::open(archive).await?;
    let schemas = Arc::new(archived_schemas(&archive, schemas)?);
    if let Some(url) = into {
        let target = place.store.other(url)?;
        let report = fill(place, &target, &archive, &schemas, progress).await?;
        return Ok(Restored { store: url.to_owned(), before: None, report });
    }
    let files = Files::of(place.store.engine()).ok_or_else(|| {
        let why = "a store that is no files cannot be swapped";
        Error::new(ErrorKind::Unsupported, "restore", why)
            .hint("restore into an empty store with --into URL, and start the server on that one")
    })?;
    let _sole = Sole::take(&files.place)?;
    let draft = beside(&files.place, "restoring");
    clear(&files, &draft).map_err(|source| failed(&draft, source))?;
    let report = fill(place, &files.at(&draft), &archive, &schemas, progress).await?;
    if report.outcome == Outcome::Interrupted {
        return Ok(Restored { store: draft.display().to_string(), before: None, report });
    }
    settle(&files, &draft)?;
    let there = fs::symlink_metadata(&files.place).is_ok();
    if there {
        bring_to_rest(place, &files, &schemas).await?;
        settle(&files, &files.place)?;
    }
    let before = swap(&files.place, &draft, there)?;
    Ok(Restored { store: files.place.display().to_string(), before, report })
}

/// Fills an empty store, and compares it with the archive.
async fn fill(
    place: &Place,
    target: &Chosen,
    archive: &Archive,
    schemas: &Arc<Schemas>,
    progress: &dyn Progress,
) -> Result<MigrationReport> {
    let store = target.open(place.store.options(schemas, false)).await?;
    let options =
        RestoreOptions { batch_size: place.migration.batch_size, ..RestoreOptions::default() };
    let done = async {
        let report = repo_migrate::restore(archive, &store, schemas, &options, progress).await?;
        if report.outcome == Outcome::Verified {
            store.prepare_keeping_versions(&ReferenceLayer::prepared_with(schemas)?).await?;
            store.checkpoint().await?;
        }
        Ok::<_, Error>(report)
    }
    .await;
    let closed = store.close().await;
    let report = done?;
    closed?;
    match report.outcome {
        Outcome::Verified | Outcome::Interrupted => Ok(report),
        _ => Err(Error::new(
            ErrorKind::Unexpected,
            "restore",
            "the copy is not what the archive holds",
        )
        .hint("the store was not touched; verify the archive with `repoctl backups verify`")),
    }
}

/// Brings the store that is to be put aside into its files, so that they move as one.
async fn bring_to_rest(place: &Place, files: &Files, schemas: &Arc<Schemas>) -> Result<()> {
    let opened: Result<Arc<dyn StorageStrategy>> =
        files.at(&files.place).open(place.store.options(schemas, false)).await;
    let rested = match opened {
        Ok(store) => {
            let rested = store.checkpoint().await;
            let closed = store.close().await;
            rested.and(closed)
        }
        Err(error) => Err(error),
    };
    rested.map_err(|error| {
        error.hint("the store in the place cannot be used: move its files away, and restore again")
    })
}

/// Expects that nothing of a store is in files besides.
fn settle(files: &Files, place: &Path) -> Result<()> {
    for companion in files.companions(place) {
        if fs::metadata(&companion).is_ok_and(|meta| meta.len() > 0) {
            return Err(Error::new(ErrorKind::Locked, "restore", "another program uses the store")
                .with("file", companion.display())
                .hint("stop it, and restore again"));
        }
        let removed = fs::remove_file(&companion);
        if let Err(source) = removed
            && source.kind() != io::ErrorKind::NotFound
        {
            return Err(failed(&companion, source));
        }
    }
    Ok(())
}

/// Removes what a killed restore left.
fn clear(files: &Files, draft: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    for companion in files.companions(draft) {
        gone(fs::remove_file(companion))?;
    }
    match fs::symlink_metadata(draft) {
        Ok(meta) if meta.is_dir() => gone(fs::remove_dir_all(draft)),
        Ok(_) => gone(fs::remove_file(draft)),
        Err(error) => gone(Err(error)),
    }
}

/// Puts the copy in the place, in one step: at no moment is there no store, which a server that
/// starts just then would take for an empty one.
fn swap(place: &Path, draft: &Path, there: bool) -> Result<Option<PathBuf>> {
    let before = if there {
        exchange(place, draft)?;
        let time = SystemClock.now().to_string().replace([':', '.'], "-");
        let kept = beside(place, &format!("before-restore-{time}"));
        fs::rename(draft, &kept).map_err(|source| failed(draft, source))?;
        Some(kept)
    } else {
        fs::rename(draft, place).map_err(|source| failed(draft, source))?;
        None
    };
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| failed(folder, source))?;
    Ok(before)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(place: &Path, draft: &Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, place, CWD, draft, RenameFlags::EXCHANGE)
        .map_err(|source| failed(place, source.into()))
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> Result<()> {
    let why = "this system cannot exchange two files in one step";
    Err(Error::new(ErrorKind::Unsupported, "restore", why).hint("restore with --into URL"))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "restore", "the files of the store cannot be moved")
        .with("path", path.display())
        .with("reason", &source)
        .caused_by(source)
}
