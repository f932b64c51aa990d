//! Bytes of uploads that arrive bit by bit, on the local disk.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use fs2::FileExt;
use repo_blob::BlobKey;
use repo_core::{Error, ErrorKind, Result};
use tokio::fs::{File, OpenOptions};
use tokio::sync::OwnedMutexGuard;

/// A folder with one file an upload. The names are random keys, so nothing of a user is in a
/// path. Readable by the owner of the process alone.
///
/// It belongs to one process at a time: two that wrote to one file would mix their bytes. The
/// services of one process share it.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    quota: u64,
    shared: Arc<Shared>,
}

/// What the services of one process share of a folder.
#[derive(Debug)]
struct Shared {
    /// Ends with the file, and with the process.
    _lock: std::fs::File,
    used: AtomicU64,
    busy: Mutex<HashMap<BlobKey, Weak<tokio::sync::Mutex<()>>>>,
}

/// The folders that this process has open.
static OPEN: tokio::sync::Mutex<BTreeMap<PathBuf, Weak<Shared>>> =
    tokio::sync::Mutex::const_new(BTreeMap::new());

impl Spool {
    /// Opens the folder, which is made if it is missing.
    ///
    /// # Errors
    /// `Locked` while another process uses it.
    pub(crate) async fn open(folder: &Path, quota: u64) -> Result<Self> {
        let failed = |error| fault("open the spool", folder, error);
        let mut builder = tokio::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        builder.mode(0o700);
        builder.create(folder).await.map_err(failed)?;
        let folder = tokio::fs::canonicalize(folder).await.map_err(failed)?;
        let mut open = OPEN.lock().await;
        open.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = open.get(&folder).and_then(Weak::upgrade) {
            return Ok(Self { folder, quota, shared });
        }
        let lock = locked(&folder).await?;
        let shared = Shared { _lock: lock, used: AtomicU64::new(0), busy: Mutex::default() };
        let spool = Self { folder: folder.clone(), quota, shared: Arc::new(shared) };
        let mut used = 0;
        for key in spool.keys().await? {
            used += spool.length(&key).await?.unwrap_or(0);
        }
        spool.shared.used.store(used, Ordering::SeqCst);
        open.insert(folder, Arc::downgrade(&spool.shared));
        Ok(spool)
    }

    /// The uploads of which there is a file.
    pub(crate) async fn keys(&self) -> Result<Vec<BlobKey>> {
        let failed = |error| fault("list the spool", &self.folder, error);
        let mut listed = tokio::fs::read_dir(&self.folder).await.map_err(failed)?;
        let mut keys = Vec::new();
        while let Some(file) = listed.next_entry().await.map_err(failed)? {
            keys.extend(file.file_name().to_str().and_then(|name| name.parse::<BlobKey>().ok()));
        }
        Ok(keys)
    }

    /// Waits until nobody else in this process works on an upload.
    pub(crate) async fn lock(&self, key: &BlobKey) -> OwnedMutexGuard<()> {
        self.lock_of(key).lock_owned().await
    }

    /// Keeps others in this process from working on an upload, unless somebody does.
    pub(crate) fn try_lock(&self, key: &BlobKey) -> Option<OwnedMutexGuard<()>> {
        self.lock_of(key).try_lock_owned().ok()
    }

    fn lock_of(&self, key: &BlobKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.shared.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.len() >= 1_024 {
            busy.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = busy.get(key).and_then(Weak::upgrade).unwrap_or_default();
        busy.insert(*key, Arc::downgrade(&lock));
        lock
    }

    fn path(&self, key: &BlobKey) -> PathBuf {
        self.folder.join(key.to_string())
    }

    /// Bytes of a file, if it is there.
    pub(crate) async fn length(&self, key: &BlobKey) -> Result<Option<u64>> {
        match tokio::fs::symlink_metadata(self.path(key)).await {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Err(Error::new(ErrorKind::Foreign, "spool", "this is no file of the spool")
                .with("file", self.path(key).display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("spool", &self.path(key), error)),
        }
    }

    /// The file of an upload, to write at its end; made when it is missing.
    pub(crate) async fn append(&self, key: &BlobKey) -> Result<File> {
        let path = self.path(key);
        self.length(key).await?;
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(&path).await.map_err(|error| fault("spool", &path, error))?;
        self.sync_folder().await?;
        Ok(file)
    }

    /// The file of an upload, to read.
    pub(crate) async fn read(&self, key: &BlobKey) -> Result<File> {
        let path = self.path(key);
        self.length(key).await?;
        File::open(&path).await.map_err(|error| fault("spool", &path, error))
    }

    /// Removes a file; one that is not there is removed already.
    pub(crate) async fn remove(&self, key: &BlobKey) -> Result<()> {
        let length = self.length(key).await?.unwrap_or(0);
        match tokio::fs::remove_file(self.path(key)).await {
            Ok(()) => {
                self.give_back(length);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(fault("spool", &self.path(key), error)),
        }
    }

    /// Takes room for bytes that are about to be written.
    ///
    /// # Errors
    /// `Unavailable` when the spool is full: it will not be for ever.
    pub(crate) fn take(&self, bytes: u64) -> Result<()> {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.quota);
        match self.shared.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits) {
            Ok(_) => Ok(()),
            Err(used) => {
                let why = "the spool for uploads is full";
                Err(Error::new(ErrorKind::Unavailable, "upload", why)
                    .with("used", used)
                    .with("quota", self.quota)
                    .hint("try again when other uploads have ended"))
            }
        }
    }

    /// Gives room back.
    pub(crate) fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.shared.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    /// A new file is durable when its folder is.
    async fn sync_folder(&self) -> Result<()> {
        let failed = |error| fault("spool", &self.folder, error);
        File::open(&self.folder).await.map_err(failed)?.sync_all().await.map_err(failed)
    }
}

/// The folder itself is locked: nothing but uploads is in it.
async fn locked(folder: &Path) -> Result<std::fs::File> {
    let opened =
        File::open(folder).await.map_err(|error| fault("open the spool", folder, error))?;
    let opened = opened.into_std().await;
    match FileExt::try_lock_exclusive(&opened) {
        Ok(()) => Ok(opened),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
            let why = "another process uses the spool folder for uploads";
            Err(Error::new(ErrorKind::Locked, "open the spool", why)
                .with("path", folder.display())
                .hint("end it, or give each process a spool folder of its own"))
        }
        Err(error) => Err(fault("lock the spool", folder, error)),
    }
}

/// The error of the file system.
pub(crate) fn fault(operation: &'static str, path: &Path, source: io::Error) -> Error {
    let (kind, why) = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            (ErrorKind::PermissionDenied, "access to the spool is refused")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Unavailable, "the disk of the spool is full")
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "a file of the spool is not there"),
        _ => (ErrorKind::Unavailable, "the spool cannot be used"),
    };
    Error::new(kind, operation, why)
        .with("path", path.display())
        .with("reason", &source)
        .caused_by(source)
}
