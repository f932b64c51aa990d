//! An archive in an object store that is being written: files below its name, and a mark of
//! who writes them. The manifest comes last and makes an archive of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use repo_blob::{BlobKey, NamedObjects};
use repo_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::manifest::MANIFEST_FILE;
use super::object_sink::ObjectSink;
use super::sink::Sink;

const WRITING: &str = "write an archive";
/// Says that an archive is being written, and by whom.
pub(super) const MARK: &str = ".writing";
/// Time between two signs of life.
const RENEWED: Duration = Duration::from_secs(60);
/// A manifest is small, and read back when the mark is.
const MARK_BYTES: u64 = 4_096;

/// An archive that is being written. Dropped before it is published, it is removed by the
/// runtime, if that still runs.
#[derive(Debug)]
pub(crate) struct ObjectDraft {
    objects: NamedObjects,
    path: PathBuf,
    runtime: Handle,
    mark: String,
    renewal: JoinHandle<()>,
    published: bool,
}

impl ObjectDraft {
    /// Takes the first free name: the mark is created on condition that there is none, so
    /// of two writers one goes on to the next name.
    pub(super) fn create(within: NamedObjects, location: &Path, first: &str) -> Result<Self> {
        let runtime = Handle::current();
        let mark = BlobKey::random()?.to_string();
        let mut name = first.to_owned();
        for number in 2_u64.. {
            let objects = within.within(&name)?;
            if runtime.block_on(take(&objects, &mark))? {
                let renewal = runtime.spawn(renew(objects.clone(), mark.clone()));
                let path = location.join(&name);
                return Ok(Self { objects, path, runtime, mark, renewal, published: false });
            }
            name = format!("{first}_{number}");
        }
        Err(Error::new(ErrorKind::AlreadyExists, WRITING, "no name is free for the archive"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self, name: &str) -> Sink {
        let sink = ObjectSink::begin(&self.runtime, self.objects.clone(), name);
        Sink::Object(Box::new(sink))
    }

    pub(super) fn publish(mut self, manifest: &str) -> Result<PathBuf> {
        self.renewal.abort();
        let published = self.runtime.block_on(async {
            if read_mark(&self.objects).await?.as_deref() != Some(&*self.mark) {
                let message = "another run cleared this archive away while it was written";
                return Err(Error::new(ErrorKind::Locked, WRITING, message)
                    .with("archive", self.path.display())
                    .hint("give the command again"));
            }
            self.objects.create(MANIFEST_FILE, Bytes::from(manifest.to_owned())).await
        });
        published?;
        self.published = true;
        // A mark that stays does no harm: what has a manifest is an archive.
        let _ = self.runtime.block_on(self.objects.delete(MARK));
        Ok(self.path.clone())
    }
}

impl Drop for ObjectDraft {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.published {
            let objects = self.objects.clone();
            self.runtime.spawn(async move {
                // What stays is found by its mark.
                let _ = remove(&objects).await;
            });
        }
    }
}

/// Takes a name, unless it is taken.
async fn take(objects: &NamedObjects, mark: &str) -> Result<bool> {
    match objects.create(MARK, Bytes::from(mark.to_owned())).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error.with("archive", objects.location())),
    }
    // An archive that is finished has no mark any more.
    match objects.read(MANIFEST_FILE).await {
        Ok(_) => {
            objects.delete(MARK).await?;
            Ok(false)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Shows that somebody is at work. A mark that is not ours any more is left alone.
async fn renew(objects: NamedObjects, mark: String) {
    loop {
        tokio::time::sleep(RENEWED).await;
        match read_mark(&objects).await {
            Ok(Some(found)) if found == mark => {
                // The next one may arrive.
                let _ = objects.replace(MARK, Bytes::from(mark.clone())).await;
            }
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

async fn read_mark(objects: &NamedObjects) -> Result<Option<String>> {
    let (size, bytes) = match objects.read(MARK).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    if size > MARK_BYTES {
        return Ok(None);
    }
    let bytes: Vec<Bytes> = bytes.try_collect().await?;
    Ok(String::from_utf8(bytes.concat()).ok())
}

/// Removes an archive, or what is none: the manifest first, so that half of one never looks
/// like an archive, and the mark last.
pub(super) async fn remove(objects: &NamedObjects) -> Result<()> {
    objects.delete(MANIFEST_FILE).await?;
    let mut found = objects.objects();
    while let Some(object) = found.try_next().await? {
        if object.name != MARK {
            objects.delete(&object.name).await?;
        }
    }
    objects.delete(MARK).await
}
