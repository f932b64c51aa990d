//! Writing an archive: into a hidden folder beside its place, which gets its
//! name only when everything is on disk. All of it blocks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use repo_core::strategy::HistoryState;
use repo_core::{CollectionSchema, Error, ErrorKind, Result, Timestamp};
use tempfile::TempDir;

use crate::CompressionLevel;

use crate::archive::errors::io_error;
use crate::archive::history::{ArchivedHistory, ArchivedItems};
use crate::archive::lines::{Hashing, LinesWriter, WrittenFile};
use crate::archive::lock::ArchiveLock;
use crate::archive::manifest::{
    ArchivedCollection, ITEMS_FILE, MANIFEST_FILE, Manifest, Role, WITHOUT_HISTORY, file_name,
    versions_file_name,
};

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
/// How the name of a folder begins that is not an archive yet.
pub(crate) const UNFINISHED: &str = ".unfinished_backup_";

/// An archive that is being written. Dropped before [`finish`](Self::finish),
/// it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct ArchiveWriter {
    folder: Option<TempDir>,
    /// Tells others that the unfinished folder is being written.
    hold: Option<ArchiveLock>,
    location: PathBuf,
    compression: CompressionLevel,
    /// The folders above that this writer made, outermost first.
    made: Vec<PathBuf>,
    manifest: Manifest,
    /// Files that are written and may not be on disk yet.
    unsynced: Vec<(PathBuf, File)>,
}

impl ArchiveWriter {
    /// Makes the hidden folder within `location`, and `location` itself.
    pub(crate) fn create(
        location: &Path,
        role: Role,
        store: &str,
        created_at: Timestamp,
        compression: CompressionLevel,
    ) -> Result<Self> {
        let mut writer = Self {
            folder: None,
            hold: None,
            location: location.to_owned(),
            compression,
            made: Vec::new(),
            unsynced: Vec::new(),
            manifest: Manifest {
                format_version: WITHOUT_HISTORY,
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                created_at,
                location: store.to_owned(),
                role,
                collections: Vec::new(),
                items: None,
                checksum: String::new(),
            },
        };
        writer.make_location()?;
        writer.make_folder()?;
        Ok(writer)
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
        let folder = self.folder.as_ref().map_or(&*self.location, TempDir::path);
        let path = folder.join(file);
        let io = |error| io_error(WRITING, &path, error);
        let hashing = Hashing::new(private_file(&path).map_err(io)?);
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
        Ok(())
    }

    /// Adds a collection of which everything is written. Its file is brought
    /// to disk with those of others: a file system does that for many at once
    /// in little more time than for one.
    pub(crate) fn add(&mut self, written: WrittenCollection) -> Result<()> {
        self.manifest.collections.push(written.entry);
        self.unsynced.extend(written.files.into_iter().map(|file| (file.path, file.file)));
        if self.unsynced.len() >= MOST_UNSYNCED { self.sync_files() } else { Ok(()) }
    }

    fn sync_files(&mut self) -> Result<()> {
        let files = std::mem::take(&mut self.unsynced);
        let sync = |files: &[(PathBuf, File)]| {
            files.iter().try_for_each(|(path, file)| {
                file.sync_all().map_err(|error| io_error(WRITING, path, error))
            })
        };
        std::thread::scope(|scope| {
            let each = files.len().div_ceil(SYNCED_AT_ONCE).max(1);
            let threads: Vec<_> =
                files.chunks(each).map(|part| scope.spawn(move || sync(part))).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(synced) => synced,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// Writes the manifest, brings everything to disk, and gives the archive
    /// its name, which is returned.
    pub(crate) fn finish(mut self) -> Result<PathBuf> {
        self.sync_files()?;
        self.manifest.collections.sort_by(|a, b| a.name.cmp(&b.name));
        self.manifest.format_version = self.manifest.needed_format();
        let Some(folder) = self.folder.take() else {
            return Err(Error::new(ErrorKind::Invalid, WRITING, "the archive was never begun"));
        };
        let path = folder.path().join(MANIFEST_FILE);
        let text = self.manifest.to_text()?;
        let io = |error| io_error(WRITING, &path, error);
        let mut file = private_file(&path).map_err(io)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
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
        let stamp = self.manifest.created_at.to_string();
        let second = stamp.split('.').next().unwrap_or(&stamp).replace(['-', ':'], "");
        let (prefix, role) = match self.manifest.role {
            Role::Source => (MIGRATION_PREFIX, ""),
            Role::Target => (MIGRATION_PREFIX, "_target"),
            Role::Store => (STORE_PREFIX, ""),
        };
        let first = format!("{prefix}{second}Z{role}");
        let mut name = first.clone();
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
            name = format!("{first}_{number}");
        }
        Err(Error::new(ErrorKind::AlreadyExists, WRITING, "no name is free for the archive"))
    }
}

impl Drop for ArchiveWriter {
    /// Takes back what an unfinished archive left; folders that hold something
    /// by now stay.
    fn drop(&mut self) {
        drop(self.folder.take());
        for made in self.made.iter().rev() {
            let _ = fs::remove_dir(made);
        }
    }
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
