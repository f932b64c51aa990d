//! A file for what the target cannot hold: a line for each such entity, with
//! the rule that it breaks. It gets its name before the first write to the
//! target, and only if there is anything in it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use repo_core::{CollectionSchema, Error, ErrorKind, Record, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use super::lines;
use super::side::blocking;

const WRITING: &str = "write the quarantine file";

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    collection: Cow<'a, str>,
    id: Cow<'a, str>,
    /// The rule that it breaks.
    rule: Cow<'a, str>,
    /// The entity as `export` writes it.
    #[serde(borrow)]
    record: &'a RawValue,
}

/// A quarantine file that is being written.
#[derive(Debug)]
pub(super) struct Quarantine {
    place: PathBuf,
    file: Option<BufWriter<NamedTempFile>>,
}

impl Quarantine {
    /// For a file at `place`. Nothing is made before the first entry.
    ///
    /// # Errors
    /// `AlreadyExists` when something else than a quarantine file is there.
    pub(super) async fn at(place: &Path) -> Result<Self> {
        let place = place.to_owned();
        blocking(move || {
            if is_foreign(&place).map_err(|error| failed(&place, error))? {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    WRITING,
                    "something else than a quarantine file is there",
                )
                .with("file", place.display())
                .hint("name another file with --quarantine"));
            }
            Ok(Self { place, file: None })
        })
        .await
    }

    /// Adds entities with the rules that they break.
    pub(super) async fn add(
        mut self,
        schema: &CollectionSchema,
        entries: Vec<(Record, String)>,
    ) -> Result<Self> {
        if entries.is_empty() {
            return Ok(self);
        }
        let schema = schema.clone();
        blocking(move || {
            for (record, rule) in &entries {
                self.append(record, rule, &schema)?;
            }
            Ok(self)
        })
        .await
    }

    fn append(&mut self, record: &Record, rule: &str, schema: &CollectionSchema) -> Result<()> {
        let mut line = Vec::new();
        lines::write(record, schema, &mut line);
        let unwritable = |error: serde_json::Error| failed(&self.place, error.into());
        let text = String::from_utf8_lossy(&line);
        let record_text: &RawValue = serde_json::from_str(text.trim_end()).map_err(unwritable)?;
        let entry = Entry {
            collection: schema.collection.as_str().into(),
            id: record.id().as_str().into(),
            rule: rule.into(),
            record: record_text,
        };
        let mut line = serde_json::to_vec(&entry).map_err(unwritable)?;
        line.push(b'\n');
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = NamedTempFile::new_in(folder_of(&self.place));
                BufWriter::new(file.map_err(|error| failed(&self.place, error))?)
            }
        };
        let file = self.file.insert(file);
        file.write_all(&line).map_err(|error| failed(&self.place, error))
    }

    /// Brings the file to disk and gives it its name; `None` when there was
    /// nothing to write.
    pub(super) async fn finish(self) -> Result<Option<PathBuf>> {
        let Self { place, file } = self;
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
