//! Names for versions.

use std::fmt;
use std::num::NonZeroUsize;

use repo_core::strategy::{OlderVersion, SystemCollection, SystemItem, SystemWrite, id_hash};
use repo_core::{EntityId, Error, ErrorKind, Result, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::History;
use crate::prune_lease::check_no_prune;

const TAG: &str = "tag a version";
/// Tags that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(499);

/// The name of a tag: 1 to 64 letters, digits, `-`, `_` and `.` of ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagName(String);

impl TagName {
    /// Most bytes of a name.
    pub const MAX_BYTES: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// `Invalid` when it breaks the rule.
    pub fn new(name: &str) -> Result<Self> {
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if (1..=Self::MAX_BYTES).contains(&name.len()) && name.bytes().all(may_stand) {
            return Ok(Self(name.to_owned()));
        }
        let why = "the name of a tag is 1 to 64 letters, digits, `-`, `_` and `.` of ASCII";
        let shown: String = name.escape_debug().take(Self::MAX_BYTES).collect();
        Err(Error::new(ErrorKind::Invalid, TAG, why).with("tag", shown))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named version of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag {
    /// Its name, of which an entity has one.
    pub name: TagName,
    /// The entity.
    pub id: EntityId,
    /// The version.
    pub version: Version,
    /// When it was set.
    pub at: Timestamp,
    /// Why.
    pub note: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    name: String,
    id: String,
    version: u64,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl History {
    /// Names a version of an entity, and keeps it from retention until the tag is
    /// removed. The same name on the same version is no error.
    ///
    /// # Errors
    /// `AlreadyExists` when the entity has another version of this name; as
    /// [`at_version`](Self::at_version) for a version that is not there; `Invalid` for
    /// a note of more than 64 KiB; `Locked` while a [prune](Self::prune) of the
    /// collection runs.
    pub async fn tag(
        &self,
        id: &EntityId,
        version: Version,
        name: &TagName,
        note: Option<String>,
    ) -> Result<Tag> {
        self.at_version(id, version).await?;
        if let Some(found) = self.tag_named(id, name).await? {
            return if found.version == version { Ok(found) } else { Err(self.taken(&found)) };
        }
        let tag = Tag { name: name.clone(), id: id.clone(), version, at: self.clock.now(), note };
        let value = to_text(&tag)?;
        self.write_tag(&tag, None, Some(value.clone())).await?;
        // It may have been removed before the tag was there to keep it.
        match self.is_kept(id, version).await {
            Ok(()) => Ok(tag),
            Err(error) => {
                self.write_tag(&tag, Some(value), None).await?;
                Err(error)
            }
        }
    }

    /// Whether a version of which a tag is stored is kept for it.
    async fn is_kept(&self, id: &EntityId, version: Version) -> Result<()> {
        check_no_prune(self, TAG).await?;
        self.at_version(id, version).await.map(|_| ())
    }

    /// Removes a tag; the one that was there.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn untag(&self, id: &EntityId, name: &TagName) -> Result<Tag> {
        let tag = self.tag_named(id, name).await?.ok_or_else(|| self.no_tag(id, name))?;
        self.write_tag(&tag, Some(to_text(&tag)?), None).await?;
        Ok(tag)
    }

    /// The version that a tag names.
    ///
    /// # Errors
    /// `NotFound` where there is no such tag; as [`at_version`](Self::at_version).
    pub async fn at_tag(&self, id: &EntityId, name: &TagName) -> Result<OlderVersion> {
        let tag = self.tag_named(id, name).await?.ok_or_else(|| self.no_tag(id, name))?;
        self.at_version(id, tag.version).await
    }

    /// The tags of an entity, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tags(&self, id: &EntityId) -> Result<Vec<Tag>> {
        let mut tags = self.tags_of(&self.prefix(id)).await?;
        tags.retain(|tag| tag.id == *id);
        Ok(tags)
    }

    /// The tags of the collection, in no order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all_tags(&self) -> Result<Vec<Tag>> {
        self.tags_of(&format!("{}/", self.collection)).await
    }

    pub(crate) async fn remove_all_tags(&self) -> Result<()> {
        for tag in self.all_tags().await? {
            match self.write_tag(&tag, Some(to_text(&tag)?), None).await {
                // Somebody else removed it.
                Err(error) if error.kind() == ErrorKind::Locked => {}
                written => written?,
            }
        }
        Ok(())
    }

    async fn tag_named(&self, id: &EntityId, name: &TagName) -> Result<Option<Tag>> {
        let key = format!("{}{name}", self.prefix(id));
        let found = self.store.system_item(SystemCollection::Tags, &key).await?;
        found.map(|value| from_text(&key, &value)).transpose()
    }

    async fn tags_of(&self, prefix: &str) -> Result<Vec<Tag>> {
        let mut tags = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let found = self
                .store
                .system_items(SystemCollection::Tags, prefix, after.as_deref(), AT_ONCE)
                .await?;
            for SystemItem { key, value, .. } in &found {
                tags.push(from_text(key, value)?);
            }
            match found.last() {
                Some(last) if found.len() == AT_ONCE.get() => after = Some(last.key.clone()),
                _ => return Ok(tags),
            }
        }
    }

    async fn write_tag(
        &self,
        tag: &Tag,
        expected: Option<String>,
        value: Option<String>,
    ) -> Result<()> {
        let key = format!("{}{}", self.prefix(&tag.id), tag.name);
        let write = SystemWrite::new(SystemCollection::Tags, &key, expected, value);
        self.store.write_system_items(vec![write]).await
    }

    /// The beginning of the keys of the tags of an id. An id may be longer than a key.
    fn prefix(&self, id: &EntityId) -> String {
        format!("{}/{}/", self.collection, id_hash(id))
    }

    fn taken(&self, found: &Tag) -> Error {
        let why = "the tag names another version of the entity";
        Error::new(ErrorKind::AlreadyExists, TAG, why)
            .with("collection", &self.collection)
            .with("id", &found.id)
            .with("tag", &found.name)
            .with("version", found.version)
            .hint("choose another name, or remove that tag first")
    }

    fn no_tag(&self, id: &EntityId, name: &TagName) -> Error {
        self.not_found(id, "the entity has no such tag").with("tag", name)
    }
}

fn to_text(tag: &Tag) -> Result<String> {
    let stored = Stored {
        name: tag.name.to_string(),
        id: tag.id.to_string(),
        version: tag.version.get(),
        at: tag.at,
        note: tag.note.clone(),
    };
    serde_json::to_string(&stored).map_err(|source| {
        Error::new(ErrorKind::Invalid, TAG, "a tag cannot be written as JSON").caused_by(source)
    })
}

fn from_text(key: &str, text: &str) -> Result<Tag> {
    let damaged = |error: Error| {
        Error::new(ErrorKind::Corrupt, "read a tag", "what the store keeps of a tag is damaged")
            .with("key", key)
            .with("reason", &error)
            .caused_by(error)
    };
    let stored: Stored = serde_json::from_str(text).map_err(|source| {
        damaged(Error::new(ErrorKind::Invalid, "read a tag", "no JSON of a tag").caused_by(source))
    })?;
    let read = || {
        Ok(Tag {
            name: TagName::new(&stored.name)?,
            id: EntityId::new(&stored.id)?,
            version: Version::new(stored.version)?,
            at: stored.at,
            note: stored.note.clone(),
        })
    };
    read().map_err(damaged)
}
