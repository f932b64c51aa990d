//! The files as a [`ForeignStrategy`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures_util::future::ready;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use plain_json::errors;
use repo_core::strategy::{
    Capabilities, ForeignReader, ForeignStrategy, OpenOptions, OpenState, PhysicalIdentity,
    ReadFrom, Record, RecordStream, StateMark, did_you_mean, handle_closed, identity_of_files,
    suggestion_before,
};
use repo_core::{CollectionName, Consistency, EntityId, Error, ErrorKind, HealthCheck, Result};

use crate::batches::Batches;
use crate::load::load;
use crate::loaded::Loaded;
use crate::plan::FileRoute;
use crate::read::Reading;
use crate::words::words;

/// Most segments into which a scan is divided.
const MAX_SCAN_SEGMENTS: usize = 64;

/// What is opened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// What the identity of the store is compared with.
    pub(crate) system: &'static str,
    pub(crate) location: String,
    pub(crate) folder: PathBuf,
    pub(crate) routes: Vec<FileRoute>,
    pub(crate) options: OpenOptions,
}

/// Reads the files once, and opens them as a store.
pub(crate) async fn open(opening: Opening) -> Result<ForeignStrategy> {
    let on_unreadable = opening.options.on_unreadable();
    let capabilities = Capabilities::new(opening.options.max_entity_bytes)
        .with_durable(true)
        .with_multi_process(true)
        .with_max_scan_segments(MAX_SCAN_SEGMENTS)
        .with_parallel_scan(true);
    let location = opening.location.clone();
    let files = blocking("open", &location, move || Files::load(opening)).await?;
    Ok(ForeignStrategy::new(files, capabilities, on_unreadable))
}

/// Runs what blocks where it does not hold anybody up.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    location: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| {
        Error::new(ErrorKind::Unavailable, operation, "the work was interrupted")
            .with("store", location)
            .caused_by(source)
    })?
}

/// Files of another program.
#[derive(Debug)]
struct Files {
    system: &'static str,
    location: String,
    folder: PathBuf,
    words: String,
    versions: BTreeMap<CollectionName, u32>,
    open: Arc<OpenState>,
    loaded: RwLock<Option<Arc<Loaded>>>,
}

impl Files {
    fn load(opening: Opening) -> Result<Self> {
        let Opening { system, location, folder, routes, options } = opening;
        let loaded = load(&folder, routes, &options)?;
        let routes = loaded.routes.iter().flat_map(|route| route.root.all());
        let versions: BTreeMap<CollectionName, u32> = routes
            .filter(|route| loaded.collections.contains_key(&route.schema.collection))
            .map(|route| (route.schema.collection.clone(), route.schema.schema_version))
            .collect();
        Ok(Self {
            system,
            location,
            folder,
            words: words(&loaded),
            versions,
            open: Arc::default(),
            loaded: RwLock::new(Some(Arc::new(loaded))),
        })
    }

    fn loaded(&self, operation: &'static str) -> Result<Arc<Loaded>> {
        self.open.check(operation, &self.location)?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone().ok_or_else(|| handle_closed(operation, &self.location))
    }

    /// The same, if every file is still what was read.
    fn unchanged(&self, operation: &'static str) -> Result<Arc<Loaded>> {
        let loaded = self.loaded(operation)?;
        loaded.check_unchanged()?;
        Ok(loaded)
    }
}

#[async_trait]
impl ForeignReader for Files {
    fn location(&self) -> &str {
        &self.location
    }

    fn words(&self) -> &str {
        &self.words
    }

    fn collections(&self) -> BTreeMap<CollectionName, u32> {
        self.versions.clone()
    }

    fn unknown(&self, operation: &'static str, collection: &CollectionName) -> Error {
        let known = self.versions.keys().map(CollectionName::as_str);
        let meant = did_you_mean(collection.as_str(), known);
        let hint = "`source` in the x-repository block of a collection's schema says in which \
                    files its entities are";
        Error::new(ErrorKind::NotFound, operation, "no file holds entities of it")
            .with("collection", collection)
            .with("store", &self.location)
            .hint(suggestion_before(meant, hint))
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.location)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        const OPERATION: &str = "identify the store";
        let loaded = self.loaded(OPERATION)?;
        let (system, folder) = (self.system, self.folder.clone());
        blocking(OPERATION, &self.location, move || {
            let files = loaded.files.iter().map(|file| file.path.clone());
            identity_of_files(system, &folder, files)
                .map_err(|(path, error)| errors::io(OPERATION, &path, error))
                .map(Some)
        })
        .await
    }

    async fn batches(
        &self,
        operation: &'static str,
        collection: &CollectionName,
        from: ReadFrom,
    ) -> Result<RecordStream> {
        let loaded = self.loaded(operation)?;
        let batches = Batches::new(loaded, collection, from)
            .ok_or_else(|| self.unknown(operation, collection))??;
        let (open, location) = (Arc::clone(&self.open), self.location.clone());
        let stream = stream::try_unfold(batches, move |mut batches| {
            let (open, location) = (Arc::clone(&open), location.clone());
            async move {
                open.check(operation, &location)?;
                blocking(operation, &location, move || {
                    let batch = batches.next()?;
                    Ok(batch.map(|batch| (batch, batches)))
                })
                .await
            }
        });
        Ok(stream.try_filter(|batch| ready(!batch.is_empty())).boxed())
    }

    async fn get(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Record>> {
        let loaded = self.loaded("get")?;
        let (collection, ids) = (collection.clone(), ids.to_vec());
        blocking("get", &self.location, move || {
            loaded.check_unchanged()?;
            let Some(index) = loaded.collections.get(&collection) else { return Ok(Vec::new()) };
            let (mut numbers, mut absent) = (Vec::with_capacity(ids.len()), Vec::new());
            for id in ids {
                match index.find(id.as_str()) {
                    Some(number) => numbers.push(number),
                    None => absent.push(id),
                }
            }
            // One that can be read stands for its id, whatever else is called so.
            if let Some(error) = index.set_aside.one_of(&absent) {
                return Err(error);
            }
            // In the order in which they stand, each entry is read once.
            numbers.sort_unstable();
            numbers.dedup();
            let mut reading = Reading::new(&loaded);
            let records = numbers.into_iter();
            records.filter_map(|n| reading.record(&collection, index, n).transpose()).collect()
        })
        .await
    }

    async fn count(&self, collection: &CollectionName, _consistency: Consistency) -> Result<u64> {
        let loaded = self.unchanged("count")?;
        Ok(loaded.collections.get(collection).map_or(0, |index| index.live() as u64))
    }

    async fn state_mark(&self) -> Result<Option<StateMark>> {
        let loaded = self.unchanged("read the state of the store")?;
        let signatures: Vec<_> = loaded.files.iter().map(|file| file.signature).collect();
        Ok(Some(StateMark::new(format!("{signatures:?}"))))
    }

    async fn health(&self) -> Result<Vec<HealthCheck>> {
        let loaded = self.loaded("health")?;
        let (ok, detail) = match loaded.check_unchanged() {
            Ok(()) => (true, self.words.clone()),
            Err(error) => (false, error.to_string()),
        };
        Ok(vec![HealthCheck::new("files", ok, detail)])
    }

    async fn close(&self) {
        if self.open.close() {
            *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
