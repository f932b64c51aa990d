//! A file for what the target cannot hold: a line for each such entity, with
//! the rule that it breaks. It gets its name before the first write to the
//! target, and only if there is anything in it.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt as _;
use repo_core::strategy::{
    Record, ScanOptions, StorageStrategy, UnreadableRecord, as_stored, base64_of,
};
use repo_core::{CollectionName, CollectionSchema, Consistency, Error, ErrorKind, Result, Schemas};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use crate::check::reason::reason_of;
use crate::ndjson;
use crate::remedy::Remedy;
use crate::store_reference::blocking;

const WRITING: &str = "write the quarantine file";

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    collection: Cow<'a, str>,
    id: Cow<'a, str>,
    /// The rule that it breaks.
    rule: Cow<'a, str>,
    /// The entity as `export` writes it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    /// What is stored, where that cannot be read as an entity and is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<Cow<'a, str>>,
    /// The same as base64, where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored_base64: Option<Cow<'a, str>>,
}

/// A record that does not get into the target.
#[derive(Debug, Clone)]
pub(crate) struct LeftOut {
    pub(crate) content: LeftOutContent,
    /// Why.
    pub(crate) reason: String,
}

#[derive(Debug, Clone)]
pub(crate) enum LeftOutContent {
    /// The target cannot hold it.
    Record(Record),
    /// The source cannot read it.
    Unreadable { id: String, stored: Option<Vec<u8>> },
}

/// A quarantine file that is being written.
#[derive(Debug)]
pub struct Quarantine {
    place: PathBuf,
    file: Option<BufWriter<NamedTempFile>>,
    entries: u64,
}

impl Quarantine {
    /// For a file at `place`. Nothing is made before the first entry.
    ///
    /// # Errors
    /// `AlreadyExists` when something else than a quarantine file is there, a
    /// link too: it would be replaced, and not what it leads to.
    pub async fn at(place: &Path) -> Result<Self> {
        let place = place.to_owned();
        blocking(move || {
            if place.is_symlink() || is_foreign(&place).map_err(|error| failed(&place, error))? {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    WRITING,
                    "something else than a quarantine file is there",
                )
                .with("file", place.display())
                .remedy(Remedy::OtherQuarantineFile));
            }
            Ok(Self { place, file: None, entries: 0 })
        })
        .await
    }

    /// How many entries there are.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Adds records that a scan could not read.
    ///
    /// # Errors
    /// What the file system refuses.
    pub async fn add_unreadable(
        self,
        schema: &CollectionSchema,
        records: Vec<UnreadableRecord>,
    ) -> Result<Self> {
        self.add(schema, records.into_iter().map(LeftOut::from).collect()).await
    }

    /// Adds what is left out.
    pub(crate) async fn add(
        mut self,
        schema: &CollectionSchema,
        entries: Vec<LeftOut>,
    ) -> Result<Self> {
        if entries.is_empty() {
            return Ok(self);
        }
        let schema = schema.clone();
        blocking(move || {
            for entry in &entries {
                self.append(entry, &schema)?;
            }
            Ok(self)
        })
        .await
    }

    fn append(&mut self, left_out: &LeftOut, schema: &CollectionSchema) -> Result<()> {
        let line = left_out.line(schema).map_err(|error| failed(&self.place, error.into()))?;
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = NamedTempFile::new_in(folder_of(&self.place));
                BufWriter::new(file.map_err(|error| failed(&self.place, error))?)
            }
        };
        let file = self.file.insert(file);
        file.write_all(&line).map_err(|error| failed(&self.place, error))?;
        self.entries += 1;
        Ok(())
    }

    /// Brings the file to disk and gives it its name; `None` when there was
    /// nothing to write.
    ///
    /// # Errors
    /// What the file system refuses.
    pub async fn finish(self) -> Result<Option<PathBuf>> {
        let Self { place, file, .. } = self;
        let Some(file) = file else { return Ok(None) };
        blocking(move || {
            let io = |error| failed(&place, error);
            let file = file.into_inner().map_err(|error| io(error.into_error()))?;
            file.as_file().sync_all().map_err(io)?;
            file.persist(&place).map_err(|error| io(error.error))?;
            let folder = folder_of(&place);
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
            Ok(Some(place))
        })
        .await
    }
}

/// `m-1 (the reason)`
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id(), self.reason)
    }
}

impl From<UnreadableRecord> for LeftOut {
    fn from(record: UnreadableRecord) -> Self {
        let reason = reason_of(&record.error);
        let (id, stored) = (record.id, record.stored);
        Self { content: LeftOutContent::Unreadable { id, stored }, reason }
    }
}

impl LeftOut {
    /// The id, as far as it can be read.
    pub(crate) fn id(&self) -> &str {
        match &self.content {
            LeftOutContent::Record(record) => record.id().as_str(),
            LeftOutContent::Unreadable { id, .. } => id,
        }
    }

    fn line(&self, schema: &CollectionSchema) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::new();
        if let LeftOutContent::Record(record) = &self.content {
            ndjson::write(record, schema, &mut text);
        }
        let text = String::from_utf8_lossy(&text);
        let (record, bytes) = match &self.content {
            LeftOutContent::Record(_) => (Some(serde_json::from_str(text.trim_end())?), None),
            LeftOutContent::Unreadable { stored, .. } => (None, stored.as_deref()),
        };
        let stored = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Cow::from);
        let no_text = bytes.filter(|_| stored.is_none());
        let stored_base64 = no_text.map(|bytes| Cow::from(base64_of(bytes)));
        let collection = schema.collection.as_str().into();
        let rule = self.reason.as_str().into();
        let entry = Entry { collection, id: self.id().into(), rule, record, stored, stored_base64 };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Adds what cannot be read of some collections of a store that was opened to
/// [read past it](repo_core::strategy::OnUnreadable). Reads them once.
///
/// # Errors
/// What the store or the file system refuses.
pub async fn set_aside(
    store: &Arc<dyn StorageStrategy>,
    collections: Option<&[CollectionName]>,
    schemas: &Schemas,
    mut quarantine: Quarantine,
) -> Result<Quarantine> {
    for name in store.collections().await? {
        if collections.is_some_and(|asked| !asked.contains(&name)) {
            continue;
        }
        let schema = schemas.get(&name);
        let options = ScanOptions::default().with_consistency(Consistency::Strong);
        let mut scan = as_stored(store.scan(&name, options)).await?;
        while let Some(batch) = scan.try_next().await? {
            quarantine = quarantine.add_unreadable(&schema, batch.unreadable).await?;
        }
    }
    Ok(quarantine)
}

fn folder_of(place: &Path) -> &Path {
    match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether something is there that no run of ours wrote.
fn is_foreign(place: &Path) -> std::io::Result<bool> {
    let file = match File::open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(true);
    }
    let mut first = String::new();
    match BufReader::new(file).read_line(&mut first) {
        Ok(0) => Ok(false),
        Ok(_) => Ok(serde_json::from_str::<Entry<'_>>(first.trim_end()).is_err()),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(true),
        Err(error) => Err(error),
    }
}

fn failed(place: &Path, source: std::io::Error) -> Error {
    let kind = match source.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, WRITING, "the file system refused")
        .with("file", place.display())
        .with("reason", &source)
        .caused_by(source)
}
