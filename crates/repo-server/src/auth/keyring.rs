//! The keys in the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    Clock, CollectionName, Document, EntityId, Error, ErrorKind, Filter, Key, Precondition, Query,
    Result,
};

use super::key::{ApiKey, KeyText, Scope};

/// The collection of the keys.
pub const COLLECTION: &str = repo_data::collections::API_KEYS;
/// How long a key that was read is taken to be as it was: so long may a revoked one be of use.
const FRESH: Duration = Duration::from_secs(2);
/// Keys that are remembered.
const REMEMBERED: usize = 1_024;

/// When a key was looked for, and what there was.
type Looked = (Instant, Option<Arc<ApiKey>>);

/// The keys in the store.
#[derive(Debug)]
pub struct KeyRing {
    store: Arc<dyn StorageStrategy>,
    clock: Arc<dyn Clock>,
    collection: CollectionName,
    read: Mutex<HashMap<EntityId, Looked>>,
    /// Once there were keys, they are asked for until the process ends, even when the last
    /// one is revoked: a server never becomes open by itself.
    needed: AtomicBool,
    looked: Mutex<Option<Instant>>,
}

impl KeyRing {
    /// The keys of this store.
    ///
    /// # Errors
    /// None that can happen: the name of the collection is one.
    pub fn new(store: Arc<dyn StorageStrategy>, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            store,
            clock,
            collection: CollectionName::new(COLLECTION)?,
            read: Mutex::default(),
            needed: AtomicBool::new(false),
            looked: Mutex::default(),
        })
    }

    /// Whether requests need a key: there is one, or there was one since the process began.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn needed(&self) -> Result<bool> {
        if self.needed.load(Ordering::Acquire) {
            return Ok(true);
        }
        let due = |looked: &Option<Instant>| looked.is_none_or(|at| at.elapsed() >= FRESH);
        if !due(&self.looked.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(false);
        }
        if self.any_valid().await? {
            self.needed.store(true, Ordering::Release);
            return Ok(true);
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(false)
    }

    /// Whether there is a key that is not revoked.
    async fn any_valid(&self) -> Result<bool> {
        let valid = Filter::parse(r#"{"revoked_at": null}"#)?;
        let query = Query::new(valid).limit(1)?.strong();
        Ok(!self.store.query(&self.collection, &query).await?.entities.is_empty())
    }

    /// Makes a key.
    ///
    /// # Errors
    /// `Invalid` for a name or owner of no or more than 255 bytes; those of the store.
    pub async fn create(
        &self,
        name: &str,
        owner: &str,
        scopes: BTreeSet<Scope>,
    ) -> Result<(ApiKey, KeyText)> {
        let fits =
            |text: &str| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
        if !fits(name) || !fits(owner) || scopes.is_empty() {
            let why = "a key has a name and an owner of 1 to 255 bytes without control characters, \
                       and a scope";
            return Err(Error::new(ErrorKind::Invalid, "make a key", why));
        }
        let text = KeyText::random()?;
        let key = ApiKey {
            id: text.id().to_string(),
            name: name.to_owned(),
            owner: owner.to_owned(),
            hash: text.hash().to_string(),
            scopes,
            created_at: self.clock.now(),
            revoked_at: None,
        };
        let at = Key::new(self.collection.clone(), text.id().clone());
        self.store.create(at, Document::from_serialize(&key)?).await?;
        Ok((key, text))
    }

    /// All keys, the oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self) -> Result<Vec<ApiKey>> {
        let mut query = Query::all().strong();
        let mut keys: Vec<ApiKey> = Vec::new();
        loop {
            let page = self.store.query(&self.collection, &query).await?;
            for entity in &page.entities {
                keys.push(entity.document.deserialize()?);
            }
            match page.next {
                Some(next) => query = query.after(next),
                None => break,
            }
        }
        // There are as many as people make by hand.
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    /// Makes a key useless. One that is useless already stays so.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where somebody else changes it; those of the store.
    pub async fn revoke(&self, id: &EntityId) -> Result<ApiKey> {
        let Some(entity) = self.store.get(&self.collection, id).await? else {
            return Err(Error::new(ErrorKind::NotFound, "revoke a key", "there is no such key")
                .with("id", id));
        };
        let mut key: ApiKey = entity.document.deserialize()?;
        if key.revoked_at.is_none() {
            key.revoked_at = Some(self.clock.now());
            let document = Document::from_serialize(&key)?;
            let precondition = Precondition::Version(entity.version);
            self.store.put(entity.key(), document, precondition).await?;
        }
        Ok(key)
    }

    /// The key that this text is; `None` for a wrong or a revoked one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn verify(&self, text: &KeyText) -> Result<Option<Arc<ApiKey>>> {
        Ok(self.valid(text.id()).await?.filter(|key| key.is(text)))
    }

    /// The key of an id, where it is not revoked.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn valid(&self, id: &EntityId) -> Result<Option<Arc<ApiKey>>> {
        {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, key)) = read.get(id)
                && at.elapsed() < FRESH
            {
                return Ok(key.clone());
            }
        }
        let begun = Instant::now();
        let found = self.store.get(&self.collection, id).await?;
        let key = found.map(|entity| entity.document.deserialize::<ApiKey>()).transpose()?;
        let key = key.filter(|key| key.revoked_at.is_none()).map(Arc::new);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= REMEMBERED {
            read.clear();
        }
        read.insert(id.clone(), (begun, key.clone()));
        Ok(key)
    }
}
