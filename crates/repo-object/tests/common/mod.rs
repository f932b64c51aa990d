//! The places that the tests use.
#![allow(dead_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use repo_blob::{BlobOptions, Credentials, NamedObjects};
use repo_core::strategy::OpenOptions;
use repo_core::{Key, Result};
use repo_object::{ObjectSettings, ObjectStrategy};
use repo_testkit::servers::address;
use repo_testkit::{Place, Store};
use tempfile::TempDir;

/// Objects of a store of their own, and the settings to open it with.
pub(crate) struct ObjectPlace {
    /// Those on a server are made when they are asked for: a client takes a while.
    objects: OnceLock<NamedObjects>,
    settings: ObjectSettings,
    _folder: Option<TempDir>,
}

impl ObjectPlace {
    /// In the memory of this process.
    pub(crate) fn in_memory(settings: ObjectSettings) -> Self {
        static PLACES: AtomicU64 = AtomicU64::new(1);
        let name = format!("memory:{}", PLACES.fetch_add(1, Ordering::Relaxed));
        let objects = NamedObjects::over(Arc::new(InMemory::new()), &name);
        Self { objects: OnceLock::from(objects), settings, _folder: None }
    }

    /// In a folder.
    pub(crate) fn in_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let objects = NamedObjects::in_folder(&path).unwrap();
        let location = format!("file://{}", path.display());
        let settings = ObjectSettings { location, ..ObjectSettings::default() };
        Self { objects: OnceLock::from(objects), settings, _folder: Some(folder) }
    }

    /// The objects themselves.
    pub(crate) fn objects(&self) -> &NamedObjects {
        self.objects.get_or_init(|| objects_on_s3(&self.settings))
    }

    /// What a program opens the store with.
    pub(crate) fn settings(&self) -> &ObjectSettings {
        &self.settings
    }

    /// Below a prefix of its own on the S3 server of `scripts/services`. It goes with the
    /// server.
    pub(crate) fn on_s3() -> Self {
        let settings = s3_settings(&format!("store-{:016x}", random()));
        Self { objects: OnceLock::new(), settings, _folder: None }
    }
}

fn objects_on_s3(settings: &ObjectSettings) -> NamedObjects {
    let credentials = Credentials::new(
        settings.access_key_id.clone().unwrap(),
        settings.secret_access_key.clone().unwrap(),
    );
    let options = BlobOptions {
        endpoint: settings.endpoint.as_deref().map(|text| text.parse().unwrap()),
        region: settings.region.clone(),
        credentials: Some(credentials),
        ..BlobOptions::default()
    };
    NamedObjects::open(&settings.location, &options).unwrap()
}

/// The settings of a store below a prefix on the S3 server of `scripts/services`.
pub(crate) fn s3_settings(prefix: &str) -> ObjectSettings {
    ObjectSettings {
        location: format!("s3://{}/{prefix}", address("REPO_TEST_S3_BUCKET")),
        endpoint: Some(address("REPO_TEST_S3_URL")),
        region: Some("us-east-1".to_owned()),
        access_key_id: Some(address("REPO_TEST_S3_ACCESS_KEY")),
        secret_access_key: Some(address("REPO_TEST_S3_SECRET_KEY")),
        ..ObjectSettings::default()
    }
}

/// A number that no other test has.
pub(crate) fn random() -> u64 {
    let id = repo_core::strategy::StoreId::random().unwrap().to_bytes();
    u64::from_le_bytes(*id.first_chunk().unwrap())
}

#[async_trait]
impl Place for ObjectPlace {
    async fn open(&self, options: OpenOptions) -> Result<Store> {
        let settings = self.settings.clone();
        let opened = if settings.location.is_empty() {
            ObjectStrategy::open_in(self.objects().clone(), settings, options).await?
        } else {
            ObjectStrategy::open(settings, options).await?
        };
        Ok(Arc::new(opened))
    }

    /// A byte of the id within the document, in every object that has the document.
    async fn spoil(&self, key: &Key) -> bool {
        let needles = ["id", "thing_id"].map(|name| format!("{{\"{name}\":\"{}\"", key.id));
        let names: Vec<_> = self.objects().objects().try_collect().await.unwrap();
        let mut spoiled = false;
        for object in names {
            let mut bytes = self.objects().read_all(&object.name).await.unwrap().unwrap().to_vec();
            for needle in needles.iter().map(String::as_bytes) {
                let found = bytes.windows(needle.len()).rposition(|window| window == needle);
                let Some(at) = found else { continue };
                bytes[at + needle.len() - 2] ^= 1;
                self.objects().replace(&object.name, Bytes::from(bytes.clone())).await.unwrap();
                spoiled = true;
            }
        }
        spoiled
    }
}
