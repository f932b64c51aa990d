//! How far a comparison is, in a file of its own: the sums of the segments of
//! either side that are read. One that was ended resumes with the others.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::sync::Mutex;

use crate::remedy::Remedy;
use crate::store_reference::blocking;
use crate::verify::digest::Sums;
use crate::verify::report::Depth;

/// The version of the file's form.
const FORMAT: u32 = 1;
/// Into how many parts each side is divided, where its store can do that: what
/// is lost when a comparison is ended is one of them.
const SEGMENTS: usize = 16;
/// Time between two writes of the file.
const EACH: Duration = Duration::from_millis(500);

/// What is compared: a file of another comparison is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) collections: Vec<CollectionName>,
    pub(crate) depth: Depth,
    /// Whether older versions are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) with_history: bool,
}

/// What the file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Content {
    format: u32,
    compared: Compared,
    started_at: Timestamp,
    /// By `source/machines`.
    halves: BTreeMap<String, KeptHalf>,
}

/// One collection on one side, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptHalf {
    /// Into how many segments it is divided.
    pub(crate) segments: NonZeroUsize,
    /// Those that are read.
    pub(crate) done: Vec<usize>,
    pub(crate) sums: Sums,
    /// The older versions of the records, where they are compared.
    #[serde(default = "Sums::new")]
    pub(crate) versions: Sums,
}

/// The state of a comparison that can be resumed.
#[derive(Debug)]
pub(crate) struct ComparisonState {
    file: PathBuf,
    /// When the comparison began that is resumed.
    resumed_from: Option<Timestamp>,
    now: Mutex<(Content, Instant)>,
}

impl ComparisonState {
    /// Reads the file, or begins one.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is of another comparison, or none of ours.
    pub(crate) async fn open(file: &Path, compared: Compared, now: Timestamp) -> Result<Self> {
        let place = file.to_owned();
        let found = blocking(move || read(&place)).await?;
        let resumed_from = found.as_ref().map(|found| found.started_at);
        let content = match found {
            Some(found) if found.compared == compared => found,
            Some(found) => return Err(of_another(file, &found.compared)),
            None => Content { format: FORMAT, compared, started_at: now, halves: BTreeMap::new() },
        };
        let now = Mutex::new((content, Instant::now()));
        Ok(Self { file: file.to_owned(), resumed_from, now })
    }

    pub(crate) fn resumed_from(&self) -> Option<Timestamp> {
        self.resumed_from
    }

    /// A half as far as it is read; else as it is to begin.
    pub(crate) async fn half(
        &self,
        side: &'static str,
        name: &CollectionName,
        most_segments: usize,
    ) -> KeptHalf {
        let segments = NonZeroUsize::new(SEGMENTS.min(most_segments)).unwrap_or(NonZeroUsize::MIN);
        let fresh =
            KeptHalf { segments, done: Vec::new(), sums: Sums::new(), versions: Sums::new() };
        let now = self.now.lock().await;
        let kept = now.0.halves.get(&key(side, name)).cloned();
        kept.unwrap_or(fresh)
    }

    /// Keeps how far a half is; durable after a while.
    pub(crate) async fn keep(
        &self,
        side: &'static str,
        name: &CollectionName,
        half: &KeptHalf,
    ) -> Result<()> {
        let mut now = self.now.lock().await;
        now.0.halves.insert(key(side, name), half.clone());
        let is_read = half.done.len() == half.segments.get();
        if now.1.elapsed() < EACH && !is_read {
            return Ok(());
        }
        self.store(&now.0).await?;
        now.1 = Instant::now();
        Ok(())
    }

    /// Makes all that is kept durable: the comparison has failed.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.store(&self.now.lock().await.0).await
    }

    async fn store(&self, content: &Content) -> Result<()> {
        let (file, content) = (self.file.clone(), content.clone());
        blocking(move || write(&file, &content)).await
    }

    /// The comparison is done: the file goes.
    pub(crate) async fn remove(self) -> Result<()> {
        let file = self.file;
        blocking(move || match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&file, "it cannot be removed", error))
            }
            _ => Ok(()),
        })
        .await
    }
}

fn key(side: &str, name: &CollectionName) -> String {
    format!("{side}/{name}")
}

fn read(file: &Path) -> Result<Option<Content>> {
    const NOT_OURS: &str = "the file is not the state of a comparison";
    if file.is_symlink() {
        return Err(refused(file, "the file is a link, which would be replaced"));
    }
    // A device or a pipe may have no end.
    match std::fs::metadata(file) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(refused(file, NOT_OURS)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(file, "it cannot be read", error)),
    }
    let text = std::fs::read(file).map_err(|error| failed(file, "it cannot be read", error))?;
    match serde_json::from_slice::<Content>(&text) {
        Ok(content) if content.format == FORMAT => Ok(Some(content)),
        _ => Err(refused(file, NOT_OURS)),
    }
}

/// Beside the file and then in its place, so that it is whole at any moment.
fn write(file: &Path, content: &Content) -> Result<()> {
    let unwritten = |error| failed(file, "it cannot be written", error);
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut beside = NamedTempFile::new_in(folder).map_err(unwritten)?;
    let text = serde_json::to_vec(content).map_err(|error| unwritten(error.into()))?;
    beside.write_all(&text).map_err(unwritten)?;
    beside.as_file().sync_all().map_err(unwritten)?;
    beside.persist(file).map_err(|error| unwritten(error.error))?;
    Ok(())
}

fn refused(file: &Path, why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "verify", why)
        .with("file", file.display())
        .remedy(Remedy::OtherStateFile)
}

fn of_another(file: &Path, found: &Compared) -> Error {
    refused(file, "the file is the state of another comparison")
        .with("its_source", &found.source)
        .with("its_target", &found.target)
}

fn failed(file: &Path, what: &str, source: std::io::Error) -> Error {
    let kind = match source.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "keep the state of a comparison", what)
        .with("file", file.display())
        .with("reason", &source)
        .caused_by(source)
}
