//! New datasets, and what is said of them.

use repo_core::{EntityId, Result, Version, field};
use serde::Serialize;

use crate::checks;
use crate::hashing::text_digest;
use crate::model::{Dataset, DatasetState, Fields, Json, Owner, Scope, derived_id, new_id};
use crate::paging::{PageOf, PageRequest};
use crate::records::{Tx, Versioned, expect, transact};
use crate::refusal::Refusal;
use crate::service::{DataService, fresh};

/// A dataset to be created.
#[derive(Debug, Clone, Serialize)]
pub struct NewDataset {
    /// Its id, for a creation that may be repeated; a new one without it.
    #[serde(skip)]
    pub id: Option<EntityId>,
    /// Names the request; see [`NewEntry`](crate::NewEntry).
    #[serde(skip)]
    pub idempotency_key: Option<String>,
    /// 1 to 1,000 bytes.
    pub name: String,
    /// At most 16 KiB.
    pub description: Option<String>,
    /// Whose it is.
    pub owner: Owner,
    /// At most 64 KiB.
    pub metadata: Option<Json>,
    /// What else came, at most 64 KiB.
    pub extra: Fields,
}

impl NewDataset {
    /// A dataset of which only this is known.
    #[must_use]
    pub fn new(name: impl Into<String>, owner: Owner) -> Self {
        Self {
            id: None,
            idempotency_key: None,
            name: name.into(),
            description: None,
            owner,
            metadata: None,
            extra: Fields::new(),
        }
    }

    fn check(&self) -> Result<()> {
        checks::name(&self.name)?;
        checks::description(self.description.as_deref())?;
        checks::short("idempotency_key", self.idempotency_key.as_deref())?;
        checks::short("owner", Some(self.owner.as_str()))?;
        checks::short("id", self.id.as_ref().map(EntityId::as_str))?;
        checks::metadata(self.metadata.as_ref())?;
        checks::extra(&self.extra)
    }
}

/// What is changed of a dataset; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct DatasetPatch {
    /// Its name.
    pub name: Option<String>,
    /// Its description, or that it has none.
    pub description: Option<Option<String>>,
    /// Its metadata, all of them, or that it has none.
    pub metadata: Option<Option<Json>>,
}

impl DataService {
    /// Creates a dataset. Made again with the same id, or the same key, the same request finds
    /// what it made.
    ///
    /// # Errors
    /// `Invalid` for texts out of bounds; `AlreadyExists` with the refusal `OtherContent` when
    /// the id is taken by another request.
    pub async fn create_dataset(&self, new: NewDataset) -> Result<Versioned<Dataset>> {
        new.check()?;
        let id = match (&new.id, &new.idempotency_key) {
            (Some(id), _) => id.clone(),
            (None, Some(key)) => derived_id(new.owner.as_str(), &format!("dataset\n{key}"))?,
            (None, None) => new_id()?,
        };
        let described = Json::from_serialize(&new)?.to_value().to_string();
        let now = self.now();
        let dataset = Dataset {
            id,
            name: new.name,
            description: new.description,
            owner: new.owner,
            state: DatasetState::Active,
            metadata: new.metadata,
            created_at: now,
            modified_at: now,
            deleted_at: None,
            due: None,
            holds: Vec::new(),
            fingerprint: text_digest(&described),
            extra: new.extra,
        };
        let (found, committed) = transact!(self, |tx| create_in(&mut tx, &dataset))?;
        committed.versioned(found)
    }

    /// A dataset, whatever its state.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn dataset(&self, id: &EntityId) -> Result<Versioned<Dataset>> {
        self.read(id).await
    }

    /// How many active entries a dataset has.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn dataset_entries(&self, id: &EntityId) -> Result<u64> {
        let entries = self.usage(Scope::Dataset, id.as_str()).await?.entries;
        Ok(u64::try_from(entries).unwrap_or(0))
    }

    /// A page of active datasets, the oldest first; of one owner, or of all.
    ///
    /// # Errors
    /// `Invalid` for a limit out of bounds, or a cursor of another list.
    pub async fn list_datasets(
        &self,
        owner: Option<&Owner>,
        page: &PageRequest,
    ) -> Result<PageOf<Dataset>> {
        let mut filter = field("state").eq(DatasetState::Active);
        if let Some(owner) = owner {
            filter = filter.and(field("owner").eq(owner));
        }
        self.page(&page.query(filter.filter()?)?.order_by("created_at")?).await
    }

    /// Changes what is said of a dataset.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for another version; `Invalid` for texts out of bounds; the
    /// refusal `Deleted`.
    pub async fn patch_dataset(
        &self,
        id: &EntityId,
        patch: &DatasetPatch,
        expected: Option<Version>,
    ) -> Result<Versioned<Dataset>> {
        patch.name.as_deref().map_or(Ok(()), checks::name)?;
        checks::description(patch.description.as_ref().and_then(Option::as_deref))?;
        checks::metadata(patch.metadata.as_ref().and_then(Option::as_ref))?;
        let (found, committed) =
            transact!(self, |tx| self.patch_dataset_in(&mut tx, id, patch, expected))?;
        committed.versioned(found)
    }

    async fn patch_dataset_in(
        &self,
        tx: &mut Tx,
        id: &EntityId,
        patch: &DatasetPatch,
        expected: Option<Version>,
    ) -> Result<Versioned<Dataset>> {
        let mut found = tx.get::<Dataset>(id.as_str()).await?;
        expect(&found, expected)?;
        let dataset = &mut found.value;
        if dataset.state != DatasetState::Active {
            return Err(Refusal::Deleted.error("change", "the dataset is deleted").with("id", id));
        }
        let before = dataset.clone();
        if let Some(name) = &patch.name {
            dataset.name.clone_from(name);
        }
        if let Some(description) = &patch.description {
            dataset.description.clone_from(description);
        }
        if let Some(metadata) = &patch.metadata {
            dataset.metadata.clone_from(metadata);
        }
        if *dataset != before {
            dataset.modified_at = self.now();
            tx.put(dataset)?;
        }
        Ok(found)
    }
}

async fn create_in(tx: &mut Tx, dataset: &Dataset) -> Result<Versioned<Dataset>> {
    match tx.find::<Dataset>(dataset.id.as_str()).await? {
        None => {
            tx.put(dataset)?;
            Ok(fresh(dataset.clone()))
        }
        Some(found) if found.value.fingerprint != dataset.fingerprint => Err(Refusal::OtherContent
            .error("create a dataset", "there is another dataset of this id")
            .with("id", &dataset.id)),
        Some(found) if found.value.state != DatasetState::Active => Err(Refusal::Deleted
            .error("create a dataset", "the dataset was created, and deleted since")
            .with("id", &dataset.id)),
        Some(found) => Ok(found),
    }
}
