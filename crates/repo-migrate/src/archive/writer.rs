//! Writing an archive: its files, then its manifest. All of it blocks.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use repo_core::strategy::HistoryState;
use repo_core::{CollectionSchema, Result, Timestamp};

use crate::CompressionLevel;

#[cfg(feature = "blobs")]
use crate::archive::blob_lines::{ArchivedBlobs, BLOBS_FILE, BLOBS_FOLDER};
use crate::archive::draft::Draft;
use crate::archive::errors::io_error;
use crate::archive::history::{ArchivedHistory, ArchivedItems};
use crate::archive::lines::{Hashing, LinesWriter, WrittenFile};
use crate::archive::manifest::{
    ArchivedCollection, ITEMS_FILE, Manifest, Role, WITHOUT_HISTORY, file_name, versions_file_name,
};
use crate::archive::sink::Sink;

const WRITING: &str = "write an archive";
/// How the names of archives that a migration made begin.
pub(crate) const MIGRATION_PREFIX: &str = "migration_backup_";
/// How the names of other archives begin.
pub(crate) const STORE_PREFIX: &str = "backup_";
/// Most files that wait to be brought to disk. Each is open. The file system puts
/// the changes of many into one entry of its journal, which counts where there
/// are thousands of small collections.
const MOST_UNSYNCED: usize = 64;
/// How many are brought to disk at the same time.
const SYNCED_AT_ONCE: usize = 16;
/// An archive that is being written. Dropped before [`finish`](Self::finish),
/// it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct ArchiveWriter {
    draft: Draft,
    compression: CompressionLevel,
    manifest: Manifest,
    /// Files that are written and may not be on disk yet.
    unsynced: Vec<(PathBuf, Sink)>,
}

impl ArchiveWriter {
    /// Makes what is not an archive yet within `location`, and `location` itself.
    pub(crate) fn create(
        location: &Path,
        role: Role,
        store: &str,
        created_at: Timestamp,
        compression: CompressionLevel,
    ) -> Result<Self> {
        let draft = Draft::create(location, &first_name(role, created_at))?;
        Ok(Self {
            draft,
            compression,
            unsynced: Vec::new(),
            manifest: Manifest {
                format_version: WITHOUT_HISTORY,
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                created_at,
                location: store.to_owned(),
                role,
                collections: Vec::new(),
                items: None,
                blobs: None,
                checksum: String::new(),
            },
        })
    }

    /// Begins the file of a collection, and that of its older versions where there is
    /// a history.
    pub(crate) fn begin(
        &self,
        schema: &CollectionSchema,
        floor: u64,
        history: Option<HistoryState>,
    ) -> Result<CollectionWriter> {
        let name = &schema.collection;
        let versions_file = versions_file_name(name);
        let versions = match history {
            Some(_) => Some(self.lines(&versions_file)?),
            None => None,
        };
        let file = file_name(name);
        let entry = ArchivedCollection {
            name: name.clone(),
            file_bytes: 0,
            file_digest: String::new(),
            records: 0,
            tombstones: 0,
            digest: String::new(),
            floor,
            schema_version: schema.schema_version,
            id_field: schema.id_name().to_owned(),
            schema: schema.json_schema.as_deref().cloned(),
            history: history.map(|state| ArchivedHistory::begin(versions_file, state)),
            file,
        };
        Ok(CollectionWriter { records: self.lines(&entry.file)?, versions, entry })
    }

    /// Begins the file of the engine's own items.
    pub(crate) fn begin_items(&self) -> Result<LinesWriter> {
        self.lines(ITEMS_FILE)
    }

    fn lines(&self, file: &str) -> Result<LinesWriter> {
        let (path, sink) = self.draft.file(file)?;
        let io = |error| io_error(WRITING, &path, error);
        let hashing = Hashing::new(sink);
        let level = self.compression.get();
        let mut encoder = zstd::Encoder::new(BufWriter::new(hashing), level).map_err(io)?;
        encoder.include_checksum(true).map_err(io)?;
        Ok(LinesWriter { encoder, path, lines: 0 })
    }

    /// Adds the engine's own items.
    pub(crate) fn add_items(&mut self, writer: LinesWriter) -> Result<()> {
        let written = writer.finish()?;
        self.manifest.items = Some(ArchivedItems {
            file: ITEMS_FILE.to_owned(),
            file_bytes: written.bytes,
            file_digest: written.digest,
            items: written.lines,
        });
        self.unsynced.push((written.path, written.file));
        self.sync_if_due()
    }

    /// Begins the list of blobs.
    #[cfg(feature = "blobs")]
    pub(crate) fn begin_blobs(&self) -> Result<LinesWriter> {
        self.lines(BLOBS_FILE)
    }

    /// The folder of the bytes of blobs.
    #[cfg(feature = "blobs")]
    pub(crate) fn blobs_folder(&self) -> PathBuf {
        self.draft.path().join(BLOBS_FOLDER)
    }

    /// Adds the list of blobs.
    #[cfg(feature = "blobs")]
    pub(crate) fn add_blobs(
        &mut self,
        writer: LinesWriter,
        contents: bool,
        bytes: u64,
    ) -> Result<()> {
        let written = writer.finish()?;
        self.manifest.blobs = Some(ArchivedBlobs {
            contents,
            file: BLOBS_FILE.to_owned(),
            file_bytes: written.bytes,
            file_digest: written.digest,
            blobs: written.lines,
            bytes,
        });
        self.unsynced.push((written.path, written.file));
        self.sync_if_due()
    }

    /// Adds a collection of which everything is written. Its file is brought
    /// to disk with those of others: a file system does that for many at once
    /// in little more time than for one.
    pub(crate) fn add(&mut self, written: WrittenCollection) -> Result<()> {
        self.manifest.collections.push(written.entry);
        self.unsynced.extend(written.files.into_iter().map(|file| (file.path, file.file)));
        self.sync_if_due()
    }

    /// What goes to an object store is sent at once: each file has blocks in memory.
    fn sync_if_due(&mut self) -> Result<()> {
        let most = if self.draft.is_folder() { MOST_UNSYNCED } else { 1 };
        if self.unsynced.len() >= most { self.sync_files() } else { Ok(()) }
    }

    fn sync_files(&mut self) -> Result<()> {
        let mut files = std::mem::take(&mut self.unsynced);
        let each = files.len().div_ceil(SYNCED_AT_ONCE).max(1);
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            while !files.is_empty() {
                let part = files.split_off(files.len().saturating_sub(each));
                threads.push(scope.spawn(move || {
                    part.into_iter().try_for_each(|(path, sink)| {
                        sink.sync().map_err(|error| io_error(WRITING, &path, error))
                    })
                }));
            }
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(synced) => synced,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// Writes the manifest when everything else is durable, and gives the archive its name,
    /// which is returned.
    pub(crate) fn finish(mut self) -> Result<PathBuf> {
        self.sync_files()?;
        self.manifest.collections.sort_by(|a, b| a.name.cmp(&b.name));
        self.manifest.format_version = self.manifest.needed_format();
        let text = self.manifest.to_text()?;
        self.draft.publish(&text)
    }
}

/// The name of an archive, unless it is taken.
fn first_name(role: Role, created_at: Timestamp) -> String {
    let stamp = created_at.to_string();
    let second = stamp.split('.').next().unwrap_or(&stamp).replace(['-', ':'], "");
    let (prefix, role) = match role {
        Role::Source => (MIGRATION_PREFIX, ""),
        Role::Target => (MIGRATION_PREFIX, "_target"),
        Role::Store => (STORE_PREFIX, ""),
    };
    format!("{prefix}{second}Z{role}")
}

/// The files of one collection that are being written.
pub(crate) struct CollectionWriter {
    records: LinesWriter,
    versions: Option<LinesWriter>,
    entry: ArchivedCollection,
}

impl CollectionWriter {
    /// Appends whole lines of records.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.records.append(lines, 0)
    }

    /// Appends whole lines of older versions.
    pub(crate) fn append_versions(&mut self, text: &[u8], lines: u64) -> Result<()> {
        match &mut self.versions {
            Some(versions) => versions.append(text, lines),
            None => Ok(()),
        }
    }

    /// Ends the files, which are on disk when the archive is finished.
    pub(crate) fn finish(
        self,
        (records, tombstones): (u64, u64),
        digest: String,
        (older, versions_digest): (u64, String),
    ) -> Result<WrittenCollection> {
        let Self { records: file, versions, mut entry } = self;
        let file = file.finish()?;
        entry.file_bytes = file.bytes;
        entry.file_digest.clone_from(&file.digest);
        entry.records = records;
        entry.tombstones = tombstones;
        entry.digest = digest;
        let versions = versions.map(LinesWriter::finish).transpose()?;
        if let (Some(history), Some(written)) = (&mut entry.history, &versions) {
            history.file_bytes = written.bytes;
            history.file_digest.clone_from(&written.digest);
            history.lines = written.lines;
            history.versions = older;
            history.digest = versions_digest;
        }
        Ok(WrittenCollection { entry, files: std::iter::once(file).chain(versions).collect() })
    }
}

/// Files of an archive that are written, and may not be on disk yet.
pub(crate) struct WrittenCollection {
    entry: ArchivedCollection,
    files: Vec<WrittenFile>,
}
