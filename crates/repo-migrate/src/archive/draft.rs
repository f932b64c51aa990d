//! What is not an archive yet: a hidden folder beside its place, which gets its name only
//! when everything is on disk; or, in an object store, files without a manifest. All of it
//! blocks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result};
use tempfile::TempDir;

use super::errors::io_error;
use super::lock::ArchiveLock;
use super::manifest::MANIFEST_FILE;
#[cfg(feature = "blobs")]
use super::object_draft::ObjectDraft;
use super::place::Place;
use super::sink::Sink;

const WRITING: &str = "write an archive";
/// How the name of a folder begins that is not an archive yet.
pub(crate) const UNFINISHED: &str = ".unfinished_backup_";

/// What is not an archive yet. Dropped before it is published, it leaves nothing behind.
#[derive(Debug)]
pub(super) enum Draft {
    Folder(FolderDraft),
    #[cfg(feature = "blobs")]
    Objects(Box<ObjectDraft>),
}

impl Draft {
    /// Begins one within `location`; `name` is what it is to be called.
    pub(super) fn create(location: &Path, name: &str) -> Result<Self> {
        match Place::of(location)? {
            Place::Folder => FolderDraft::create(location, name).map(Self::Folder),
            #[cfg(feature = "blobs")]
            Place::Objects(objects) => {
                let draft = ObjectDraft::create(*objects, location, name)?;
                Ok(Self::Objects(Box::new(draft)))
            }
        }
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Where it is now.
    #[cfg(feature = "blobs")]
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(draft) => draft.path(),
            Self::Objects(draft) => draft.path(),
        }
    }

    /// Begins a file of it.
    pub(super) fn file(&self, name: &str) -> Result<(PathBuf, Sink)> {
        match self {
            Self::Folder(draft) => {
                let path = draft.path().join(name);
                let file = private_file(&path).map_err(|error| io_error(WRITING, &path, error))?;
                Ok((path, Sink::File(file)))
            }
            #[cfg(feature = "blobs")]
            Self::Objects(draft) => Ok((draft.path().join(name), draft.file(name))),
        }
    }

    /// Writes the manifest, and makes an archive of it, whose place is returned.
    pub(super) fn publish(self, manifest: &str) -> Result<PathBuf> {
        match self {
            Self::Folder(draft) => draft.publish(manifest),
            #[cfg(feature = "blobs")]
            Self::Objects(draft) => draft.publish(manifest),
        }
    }
}

/// A hidden folder.
#[derive(Debug)]
pub(super) struct FolderDraft {
    folder: Option<TempDir>,
    /// Tells others that the unfinished folder is being written.
    hold: Option<ArchiveLock>,
    location: PathBuf,
    name: String,
    /// The folders above that were made for it, outermost first.
    made: Vec<PathBuf>,
}

impl FolderDraft {
    fn create(location: &Path, name: &str) -> Result<Self> {
        let mut draft = Self {
            folder: None,
            hold: None,
            location: location.to_owned(),
            name: name.to_owned(),
            made: Vec::new(),
        };
        draft.make_location()?;
        draft.make_folder()?;
        Ok(draft)
    }

    fn path(&self) -> &Path {
        self.folder.as_ref().map_or(&*self.location, TempDir::path)
    }

    /// Makes the hidden folder. A run that clears up after killed ones may take a
    /// folder away before it is held; then another one is made.
    fn make_folder(&mut self) -> Result<()> {
        let io = |error| io_error(WRITING, &self.location, error);
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        loop {
            let folder = builder.tempdir_in(&self.location).map_err(io)?;
            let hold = ArchiveLock::wait(folder.path()).map_err(io)?;
            if folder.path().exists() {
                (self.folder, self.hold) = (Some(folder), hold);
                return Ok(());
            }
        }
    }

    fn make_location(&mut self) -> Result<()> {
        let missing: Vec<PathBuf> = self
            .location
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .take_while(|path| !path.exists())
            .map(Path::to_owned)
            .collect();
        for path in missing.into_iter().rev() {
            match private_dir().create(&path) {
                Ok(()) => self.made.push(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io_error(WRITING, &path, error)),
            }
        }
        Ok(())
    }

    fn publish(mut self, manifest: &str) -> Result<PathBuf> {
        let Some(folder) = self.folder.take() else {
            return Err(Error::new(ErrorKind::Invalid, WRITING, "the archive was never begun"));
        };
        let path = folder.path().join(MANIFEST_FILE);
        let io = |error| io_error(WRITING, &path, error);
        let mut file = private_file(&path).map_err(io)?;
        file.write_all(manifest.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        sync_dir(folder.path())?;
        let place = self.take_name(folder.path())?;
        // The folder has another name now; there is nothing left to remove.
        let _ = folder.keep();
        // The archive is finished: the folders above it stay. Each new name
        // is in the folder above it.
        for made in std::mem::take(&mut self.made) {
            sync_dir(made.parent().unwrap_or(&made))?;
        }
        sync_dir(&self.location)?;
        Ok(place)
    }

    /// Renames the folder to the first free name of its second.
    fn take_name(&self, folder: &Path) -> Result<PathBuf> {
        let mut name = self.name.clone();
        for number in 2_u64.. {
            let place = self.location.join(&name);
            if !place.exists() {
                match fs::rename(folder, &place) {
                    Ok(()) => return Ok(place),
                    // Another run took the name in between.
                    Err(_) if place.exists() => {}
                    Err(error) => return Err(io_error(WRITING, &place, error)),
                }
            }
            name = format!("{}_{number}", self.name);
        }
        Err(Error::new(ErrorKind::AlreadyExists, WRITING, "no name is free for the archive"))
    }
}

impl Drop for FolderDraft {
    /// Takes back what an unfinished archive left; folders that hold something
    /// by now stay.
    fn drop(&mut self) {
        drop(self.folder.take());
        for made in self.made.iter().rev() {
            let _ = fs::remove_dir(made);
        }
    }
}

fn private_dir() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes new names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|error| io_error(WRITING, path, error))
}
