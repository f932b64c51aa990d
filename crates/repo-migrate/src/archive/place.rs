//! Where archives are: in a folder, or below a name in an object store (`s3://bucket/…`).
//! All of it blocks.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result};

use super::errors::{corrupt, read_error};
#[cfg(feature = "blobs")]
use super::object_sink::ObjectSource;

/// How a place in an object store begins.
const OBJECTS: &str = "s3://";

/// The bytes of a file.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// Where an archive, or a folder of archives, is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Folder,
    #[cfg(feature = "blobs")]
    Objects(Box<repo_blob::NamedObjects>),
}

/// A file of an archive.
#[derive(Debug, Clone)]
pub(crate) struct FileAt {
    place: Place,
    path: PathBuf,
}

impl Place {
    /// Whether a place is in an object store.
    pub(crate) fn is_remote(path: &Path) -> bool {
        path.to_str().is_some_and(|path| path.starts_with(OBJECTS))
    }

    /// The place at a path.
    ///
    /// # Errors
    /// `ConfigInvalid` for what names no bucket; `Unsupported` in a build without blobs.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.to_str().filter(|path| path.starts_with(OBJECTS)) {
            None => Ok(Self::Folder),
            Some(location) => Self::remote(location),
        }
    }

    #[cfg(feature = "blobs")]
    fn remote(location: &str) -> Result<Self> {
        let options = repo_blob::BlobOptions::default();
        let objects = repo_blob::NamedObjects::open(location, &options)?;
        Ok(Self::Objects(Box::new(objects)))
    }

    #[cfg(not(feature = "blobs"))]
    fn remote(_location: &str) -> Result<Self> {
        let message = "archives in object storage are not in this build";
        Err(Error::new(ErrorKind::Unsupported, "open a place for archives", message)
            .hint("use a build with the feature blobs, or name a folder"))
    }

    /// A path that means the same whatever the working directory is.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        match self {
            Self::Folder => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            #[cfg(feature = "blobs")]
            Self::Objects(_) => path.to_owned(),
        }
    }

    /// A file of the archive that this is the place of.
    pub(super) fn file(&self, path: &Path) -> FileAt {
        FileAt { place: self.clone(), path: path.to_owned() }
    }

    /// The text of a manifest.
    pub(super) fn manifest_text(&self, path: &Path, most: u64) -> Result<String> {
        let (size, bytes) = match self {
            Self::Folder => {
                let size = fs::metadata(path).map_err(|error| not_an_archive(path, error))?.len();
                let file = File::open(path).map_err(|error| read_error(path, error))?;
                (size, Box::new(file) as Bytes)
            }
            #[cfg(feature = "blobs")]
            Self::Objects(objects) => {
                let runtime = tokio::runtime::Handle::current();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let read = runtime.block_on(objects.read(&name));
                let (size, bytes) = read.map_err(|error| match error.kind() {
                    ErrorKind::NotFound if error.context_value("name").is_some() => {
                        not_an_archive(path, io::Error::from(io::ErrorKind::NotFound))
                    }
                    _ => error,
                })?;
                (size, Box::new(ObjectSource::new(runtime, bytes)) as Bytes)
            }
        };
        if size > most {
            return Err(corrupt(path, "the manifest is too large to be one").with("bytes", size));
        }
        let mut text = String::new();
        let read = bytes.take(most).read_to_string(&mut text);
        read.map_err(|error| read_error(path, error))?;
        Ok(text)
    }
}

impl FileAt {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it.
    pub(super) fn open(&self) -> Result<Bytes> {
        match &self.place {
            Place::Folder => {
                let file = File::open(&self.path).map_err(|error| read_error(&self.path, error))?;
                Ok(Box::new(file))
            }
            #[cfg(feature = "blobs")]
            Place::Objects(objects) => {
                let name = self.path.file_name().unwrap_or_default().to_string_lossy();
                let runtime = tokio::runtime::Handle::current();
                let read = runtime.block_on(objects.read(&name));
                let (_, bytes) =
                    read.map_err(|error| read_error(&self.path, io::Error::other(error)))?;
                Ok(Box::new(ObjectSource::new(runtime, bytes)))
            }
        }
    }
}

fn not_an_archive(path: &Path, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return read_error(path, error);
    }
    Error::new(ErrorKind::NotFound, "read an archive", "there is no archive here")
        .with("file", path.display())
        .hint("name the folder that holds manifest.json")
        .caused_by(error)
}
