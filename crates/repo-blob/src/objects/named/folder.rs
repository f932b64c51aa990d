//! Objects that are files of this machine.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use repo_core::{Error, ErrorKind, Result};

use super::NamedObjects;

/// Mode of the folder: the owner alone.
const FOLDER_MODE: u32 = 0o700;

impl NamedObjects {
    /// Those of a folder of a local file system. Nothing is made yet; an object is made
    /// durable, with its name, before a write of it returns. Links in the path are followed
    /// once, here.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no path of a folder; `Foreign` where a file stands in its
    /// place; `PermissionDenied`.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let folder = resolved(folder)?;
        let prefix = object_store::path::Path::from_absolute_path(&folder).map_err(|source| {
            let why = "this is no path of a folder of objects";
            Error::new(ErrorKind::ConfigInvalid, "open", why)
                .with("folder", folder.display())
                .with("reason", source)
        })?;
        let location = Arc::from(format!("file://{}", folder.display()));
        let store = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ok(Self { store, prefix, location, folder: Some(Arc::from(folder)) })
    }

    /// The folder of objects that are files of this machine.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Makes the folder, for its owner alone, and its name durable. For objects elsewhere it
    /// does nothing: a bucket has to be there.
    ///
    /// # Errors
    /// `PermissionDenied`, and what else the file system says.
    pub async fn make_folder(&self) -> Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        on_disk(&folder.clone(), move || make(&folder)).await
    }

    /// Makes the names durable that stand in a folder below: those that another process
    /// created, which may have ended before it did so itself. For objects elsewhere it does
    /// nothing: what can be read there is durable.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn sync(&self, name: &str) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let folder = folder.join(name);
        on_disk(&folder.clone(), move || File::open(&folder)?.sync_all()).await
    }
}

async fn on_disk(
    folder: &Path,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<()> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|source| {
        Err(io::Error::other(format!("the work on the disk was ended from outside: {source}")))
    });
    done.map_err(|source| refused(folder, source))
}

/// Makes a folder and those that it stands in, and their names durable.
fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|path| !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let parents = missing.iter().filter_map(|path| path.parent());
    parents.rev().try_for_each(|parent| File::open(parent)?.sync_all())
}

/// The path of the folder without links. What of it is not there yet stays as it is.
fn resolved(folder: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(folder).map_err(|source| refused(folder, source))?;
    let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
    if !rest.components().all(|part| matches!(part, Component::Normal(_))) {
        let why = "the path leads up from a folder that is not there";
        return Err(
            Error::new(ErrorKind::ConfigInvalid, "open", why).with("folder", folder.display())
        );
    }
    let mut found = fs::canonicalize(there).map_err(|source| refused(there, source))?;
    if !found.is_dir() {
        return Err(Error::new(
            ErrorKind::Foreign,
            "open",
            "a file stands where a folder is needed",
        )
        .with("path", found.display()));
    }
    rest.components().for_each(|part| found.push(part));
    Ok(found)
}

fn refused(path: &Path, source: io::Error) -> Error {
    let (kind, why) = match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::PermissionDenied, "the folder refuses access")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Unavailable, "the disk is full")
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "there is no such folder"),
        _ => (ErrorKind::Unexpected, "the file system reports an error"),
    };
    Error::new(kind, "use a folder of objects", why)
        .with("path", path.display())
        .with("reason", &source)
        .caused_by(source)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn a_folder_is_made_when_it_is_asked_for_and_keeps_what_is_created_once() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a b~#1 [50%]/c");
        let objects = NamedObjects::in_folder(&folder).unwrap();
        assert!(!folder.exists());
        assert_eq!(objects.read_all("log/1").await.unwrap(), None);
        assert_eq!(objects.listed_after("log", None, 9).await.unwrap(), []);
        objects.make_folder().await.unwrap();
        objects.make_folder().await.unwrap();
        for name in ["log/3", "log/1", "log/2"] {
            objects.create(name, Bytes::from_static(b"0123456789")).await.unwrap();
        }
        let again = objects.create("log/1", Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        objects.sync("log").await.unwrap();
        assert_eq!(fs::read(folder.join("log/1")).unwrap(), b"0123456789");
        assert_eq!(objects.read_all("log/1").await.unwrap().unwrap(), "0123456789");
        assert_eq!(objects.read_range("log/1", 1..3).await.unwrap().unwrap(), "12");
        assert_eq!(objects.read_range("log/1", 8..20).await.unwrap().unwrap(), "89");
        assert_eq!(objects.read_range("log/9", 0..1).await.unwrap(), None);
        let names = async |after: Option<&str>, most| {
            let listed = objects.listed_after("log", after, most).await.unwrap();
            listed.into_iter().map(|object| object.name).collect::<Vec<_>>()
        };
        assert_eq!(names(None, 2).await, ["log/1", "log/2"]);
        assert_eq!(names(Some("1"), 9).await, ["log/2", "log/3"]);
        assert!(!objects.keeps_versions("log/1").await.unwrap());
    }

    #[test]
    fn one_folder_has_one_name() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("there");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, base.path().join("link")).unwrap();
        let location = |path: &str| {
            let objects = NamedObjects::in_folder(&base.path().join(path)).unwrap();
            objects.location().to_owned()
        };
        assert_eq!(location("link/x"), location("there/x"));
        assert_eq!(location("there/../there/x"), location("there/x"));
        fs::write(base.path().join("file"), "").unwrap();
        let refused = |path: &str| NamedObjects::in_folder(&base.path().join(path)).unwrap_err();
        assert_eq!(refused("file").kind(), ErrorKind::Foreign);
        assert_eq!(refused("not/../there").kind(), ErrorKind::ConfigInvalid);
    }
}
