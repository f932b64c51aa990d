//! A file that is being written, and what becomes of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result};

use crate::digest::BlobDigest;
use crate::folder::faults::fault;
use crate::folder::root::{Root, blocking, sync_folder};
use crate::key::BlobKey;
use crate::stream::{Blocks, Intake};

/// Mode of every file made here: the owner alone.
const FILE_MODE: u32 = 0o600;

/// Bytes that are written at once.
const BLOCK: usize = 1024 * 1024;

/// A file that nobody else knows. Its name goes when it is dropped, also with a call that is
/// dropped: whoever works on it in the background owns it.
pub(super) struct Draft {
    operation: &'static str,
    path: PathBuf,
    file: File,
}

impl Draft {
    /// An empty file in a folder.
    fn create(operation: &'static str, folder: &Path) -> Result<Self> {
        let path = folder.join(format!("{}.new", BlobKey::random()?));
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = file.map_err(|error| fault(operation, &path, error))?;
        Ok(Self { operation, path, file })
    }

    /// A file in `folder` with the bytes of a stream; durable itself, its name is not yet.
    pub(super) async fn filled(
        operation: &'static str,
        folder: PathBuf,
        intake: Intake<'_>,
    ) -> Result<(Self, BlobDigest)> {
        let mut draft = blocking(operation, move || Self::create(operation, &folder)).await?;
        let mut blocks = Blocks::new(intake, BLOCK);
        while let Some(block) = blocks.next().await? {
            draft = blocking(operation, move || {
                draft.file.write_all(&block).map_err(|error| draft.fault(error))?;
                Ok(draft)
            })
            .await?;
        }
        let digest = blocks.finish()?;
        let draft = blocking(operation, move || {
            draft.file.sync_all().map_err(|error| draft.fault(error))?;
            Ok(draft)
        });
        Ok((draft.await?, digest))
    }

    fn fault(&self, error: io::Error) -> Error {
        fault(self.operation, &self.path, error)
    }

    /// Makes it the blob of a key, unless there is one: a link fails where a renaming would
    /// replace.
    pub(super) fn publish(self, root: &Root, key: &BlobKey) -> Result<()> {
        let folder = root.make_fan_out(key)?;
        let blob = root.blob(key);
        match fs::hard_link(&self.path, &blob) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(taken(self.operation, key));
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOTSUP)) => {
                let message = "the file system has no hard links, which make blobs create-only";
                return Err(Error::new(ErrorKind::Unsupported, self.operation, message)
                    .with("file", blob.display())
                    .hint("keep blobs on another file system")
                    .caused_by(error));
            }
            Err(error) => return Err(fault(self.operation, &blob, error)),
        }
        sync_folder(&folder).map_err(|error| {
            // What is not durable is not acknowledged, and must not be found either.
            let _ = fs::remove_file(&blob);
            fault(self.operation, &folder, error)
        })
    }

    /// Gives it a name in its folder; what has that name is replaced.
    pub(super) fn rename(self, name: &str) -> Result<()> {
        let path = self.path.with_file_name(name);
        fs::rename(&self.path, &path).map_err(|error| fault(self.operation, &path, error))?;
        let folder = path.parent().unwrap_or(&path);
        sync_folder(folder).map_err(|error| fault(self.operation, folder, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a renaming there is nothing to remove; anything else is a leftover.
        let _ = fs::remove_file(&self.path);
    }
}

/// `AlreadyExists`: the key has its blob.
pub(super) fn taken(operation: &'static str, key: &BlobKey) -> Error {
    Error::new(ErrorKind::AlreadyExists, operation, "there is a blob with this key")
        .with("key", key)
}
