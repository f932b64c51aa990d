//! Counts what queries ask for, without the values.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use repo_core::{
    CollectionName, Error, ErrorKind, Page, Plan, Query, QueryShape, RecordedQueries, Result,
};

use crate::{Inner, Layer};

/// Most shapes that are counted until the store is closed.
const MOST_SHAPES: usize = 1_000;

const OPERATION: &str = "record queries";

/// Counts pages of queries by the [shape](QueryShape) of what they ask for, and appends the
/// counts to a file when the store is closed: each shape as a line of JSON, a
/// [`RecordedQueries`]. `repoctl advise --indexes` reads it.
///
/// No value is recorded, and no query that asks nothing of a field. At most 1,000 shapes are
/// counted; what has another shape by then is left out. A process that is killed records
/// nothing. Several processes may append to one file.
///
/// Closing fails when the file cannot be written: as `NotFound` without its folder,
/// `PermissionDenied`, else `Unexpected`. The store is closed all the same.
///
/// ```
/// use std::sync::Arc;
///
/// use repo_core::strategy::{OpenOptions, StorageStrategy as _};
/// use repo_core::{CollectionSchema, Filter, MemoryStrategy, Query};
/// use repo_layers::{Layer as _, RecordLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let file = dir.path().join("queries.ndjson");
/// let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// let store = RecordLayer::new(&file).around(store);
/// let hosts = CollectionSchema::undeclared("hosts".parse()?);
/// store.prepare(std::slice::from_ref(&hosts)).await?;
/// store.query(&hosts.collection, &Query::new(Filter::parse(r#"{"owner": "ada"}"#)?)).await?;
/// store.close().await?;
/// let recorded = std::fs::read_to_string(&file).unwrap();
/// assert!(recorded.contains(r#""equal":["owner"]"#) && !recorded.contains("ada"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RecordLayer {
    file: PathBuf,
    shapes: Mutex<BTreeMap<QueryShape, Counts>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    pages: u64,
    scans: u64,
    returned: u64,
}

impl RecordLayer {
    /// Appends to `file`; it is made when there is something to append.
    #[must_use]
    pub fn new(file: impl AsRef<Path>) -> Self {
        Self { file: file.as_ref().to_owned(), shapes: Mutex::default() }
    }

    fn shapes(&self) -> MutexGuard<'_, BTreeMap<QueryShape, Counts>> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, collection: &CollectionName, query: &Query, page: &Page) {
        let shape = QueryShape::of(collection, query);
        if shape.equal.is_empty() && shape.compared.is_empty() {
            return;
        }
        let mut shapes = self.shapes();
        if shapes.len() >= MOST_SHAPES && !shapes.contains_key(&shape) {
            return;
        }
        let counts = shapes.entry(shape).or_default();
        counts.pages += 1;
        counts.scans += u64::from(page.plan == Plan::Scan);
        counts.returned += page.entities.len() as u64;
    }

    /// Appends what was counted, and counts anew.
    fn append(&self) -> Result<()> {
        let shapes = std::mem::take(&mut *self.shapes());
        if shapes.is_empty() {
            return Ok(());
        }
        let mut lines = String::new();
        for (shape, Counts { pages, scans, returned }) in shapes {
            let recorded = RecordedQueries { shape, pages, scans, returned };
            let line = serde_json::to_string(&recorded).map_err(|source| {
                Error::new(ErrorKind::Unexpected, OPERATION, "a shape cannot be written as JSON")
                    .caused_by(source)
            })?;
            lines.push_str(&line);
            lines.push('\n');
        }
        // In one piece, so that lines of several processes do not mix.
        let opened = OpenOptions::new().create(true).append(true).open(&self.file);
        opened
            .and_then(|mut file| file.write_all(lines.as_bytes()))
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, OPERATION, "what queries asked for cannot be written to the file")
            .with("file", self.file.display())
            .with("reason", &source)
            .hint("name a file in a folder that is there and may be written")
            .caused_by(source)
    }
}

impl Layer for RecordLayer {
    async fn query(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        query: &Query,
    ) -> Result<Page> {
        let page = inner.query(collection, query).await?;
        self.note(collection, query, &page);
        Ok(page)
    }

    async fn close(&self, inner: &Inner) -> Result<()> {
        let closed = inner.close().await;
        let appended = self.append();
        closed.and(appended)
    }
}
