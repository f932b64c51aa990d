//! What an entry is made of.

use repo_core::{EntityId, Result};
use serde::Serialize;

use crate::checks;
use crate::hashing::text_digest;
use crate::model::{
    EntryKind, Fields, Json, OutsideLocation, Owner, Share, StoreName, derived_id, new_id,
};

/// An entry to be created.
#[derive(Debug, Clone, Serialize)]
pub struct NewEntry {
    /// Its id, for a creation that may be repeated; a new one without it.
    #[serde(skip)]
    pub id: Option<EntityId>,
    /// Names the request, for a creation that may be repeated where the client makes no ids:
    /// the same key of the same owner gives the same id. At most 1,000 bytes.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
    /// 1 to 1,000 bytes.
    pub name: String,
    /// At most 16 KiB.
    pub description: Option<String>,
    /// What is in it.
    pub content: NewContent,
    /// Whose it is.
    pub owner: Owner,
    /// The directory that it is in.
    pub parent: Option<EntityId>,
    /// The dataset that it is in.
    pub dataset: Option<EntityId>,
    /// The project that it is in.
    pub project: Option<EntityId>,
    /// What the client calls the file, at most 1,000 bytes.
    pub file_path: Option<String>,
    /// What a file is said to be, at most 1,000 bytes.
    pub content_type: Option<String>,
    /// At most 100, of 1 to 256 bytes.
    pub tags: Vec<String>,
    /// At most 64 KiB.
    pub metadata: Option<Json>,
    /// Who else may read it.
    pub share: Share,
    /// In which store of blobs a large text goes; the default one without it.
    #[serde(skip)]
    pub store: Option<StoreName>,
    /// What else came, at most 64 KiB.
    pub extra: Fields,
}

/// What is in a new entry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NewContent {
    /// This text, below 10 MiB. The entry is active at once.
    Text(String),
    /// A file, to be uploaded. The entry is pending.
    File,
    /// Several files as one, to be uploaded. The entry is pending.
    Collection,
    /// A directory.
    Directory,
    /// Something outside, on the allow-list.
    Outside(OutsideLocation),
}

impl NewEntry {
    /// An entry of which only this is known.
    #[must_use]
    pub fn new(name: impl Into<String>, owner: Owner, content: NewContent) -> Self {
        Self {
            id: None,
            idempotency_key: None,
            name: name.into(),
            description: None,
            content,
            owner,
            parent: None,
            dataset: None,
            project: None,
            file_path: None,
            content_type: None,
            tags: Vec::new(),
            metadata: None,
            share: Share::default(),
            store: None,
            extra: Fields::new(),
        }
    }

    pub(super) fn kind(&self) -> EntryKind {
        match &self.content {
            NewContent::Text(_) => EntryKind::Text,
            NewContent::File => EntryKind::File,
            NewContent::Collection => EntryKind::Collection,
            NewContent::Directory => EntryKind::Directory,
            NewContent::Outside(_) => EntryKind::Outside,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        checks::name(&self.name)?;
        checks::description(self.description.as_deref())?;
        checks::short("file_path", self.file_path.as_deref())?;
        checks::short("content_type", self.content_type.as_deref())?;
        checks::short("idempotency_key", self.idempotency_key.as_deref())?;
        checks::tags(&self.tags)?;
        checks::metadata(self.metadata.as_ref())?;
        checks::share(&self.share)?;
        checks::extra(&self.extra)?;
        // Ids in indexed fields have a limit in bytes, where an id counts characters.
        for id in [&self.parent, &self.dataset, &self.project].into_iter().flatten() {
            checks::short("id", Some(id.as_str()))?;
        }
        checks::short("owner", Some(self.owner.as_str()))
    }

    /// The id that it will have, and whether the request may have been made before.
    pub(super) fn chosen_id(&self) -> Result<(EntityId, bool)> {
        match (&self.id, &self.idempotency_key) {
            (Some(id), _) => Ok((id.clone(), true)),
            (None, Some(key)) => Ok((derived_id(self.owner.as_str(), key)?, true)),
            (None, None) => Ok((new_id()?, false)),
        }
    }

    /// What tells this request from others with the same id.
    pub(super) fn fingerprint(&self) -> Result<String> {
        // The text alone may be too large for one JSON value.
        let text = match &self.content {
            NewContent::Text(text) => text_digest(text),
            _ => String::new(),
        };
        let content = match &self.content {
            NewContent::Text(_) => NewContent::Text(text),
            other => other.clone(),
        };
        let described = Json::from_serialize(&Self { content, ..self.clone() })?;
        Ok(text_digest(&described.to_value().to_string()))
    }
}
