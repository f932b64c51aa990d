//! Names that cannot hold a wrong value: collections, ids, keys.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, ErrorKind};

/// Longest collection name, in bytes.
pub const MAX_COLLECTION_NAME_BYTES: usize = 48;
/// Longest id, in Unicode characters.
pub const MAX_ID_CHARS: usize = 255;

/// The name of a collection: `[a-z][a-z0-9_]{0,47}`.
///
/// ```
/// use repo_core::CollectionName;
///
/// assert!("machines".parse::<CollectionName>().is_ok());
/// assert!("Machines; DROP".parse::<CollectionName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionName(Arc<str>);

impl CollectionName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// `Invalid` when the name does not match `[a-z][a-z0-9_]{0,47}`.
    pub fn new(name: &str) -> Result<Self, Error> {
        let mut bytes = name.bytes();
        let starts_well = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let goes_on_well = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if starts_well && goes_on_well && name.len() <= MAX_COLLECTION_NAME_BYTES {
            return Ok(Self(name.into()));
        }
        Err(Error::new(
            ErrorKind::Invalid,
            "name a collection",
            "a collection name is a lower-case letter followed by at most 47 lower-case \
             letters, digits or underscores",
        )
        .with("name", format!("{name:?}")))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of an entity: 1–255 Unicode characters, none of them a control
/// character. Ids are ordered by their UTF-8 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(Arc<str>);

impl EntityId {
    /// Checks and keeps an id.
    ///
    /// # Errors
    /// `Invalid` when it is empty, longer than 255 characters, or holds a
    /// control character (Unicode category Cc).
    pub fn new(id: &str) -> Result<Self, Error> {
        // Most ids are plain ASCII, of which one look is enough.
        let is_plain = (1..=MAX_ID_CHARS).contains(&id.len())
            && id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain {
            return Ok(Self(id.into()));
        }
        let chars = id.chars().count();
        let broken = if chars == 0 {
            "an id is not empty"
        } else if chars > MAX_ID_CHARS {
            "an id has at most 255 characters"
        } else if id.chars().any(char::is_control) {
            "an id holds no control characters"
        } else {
            return Ok(Self(id.into()));
        };
        let shown: String = id.chars().take(64).collect();
        Err(Error::new(ErrorKind::Invalid, "name an entity", broken)
            .with("id", format!("{shown:?}")))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }
        impl TryFrom<&str> for $name {
            type Error = Error;
            fn try_from(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_type!(CollectionName);
text_type!(EntityId);

/// A collection and an id in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The collection.
    pub collection: CollectionName,
    /// The id within the collection.
    pub id: EntityId,
}

impl Key {
    /// Joins a collection and an id.
    #[must_use]
    pub fn new(collection: CollectionName, id: EntityId) -> Self {
        Self { collection, id }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}
