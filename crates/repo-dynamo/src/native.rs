//! Where a page without an order ended: in a scan behind an id, in an index
//! behind a place.

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::{EntityId, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::indexing::IndexPlace;
use crate::item::{Item, key, text};
use crate::layout::{Index, Layout};

/// A position as its cursor holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Native {
    /// In the order of a scan.
    #[serde(rename = "s")]
    Scan(EntityId),
    /// In the order of an index: by its two strings.
    #[serde(rename = "i")]
    Index {
        /// The index.
        #[serde(rename = "n")]
        name: String,
        /// The partition key.
        #[serde(rename = "h")]
        hash: String,
        /// The sort key.
        #[serde(rename = "r")]
        range: String,
        /// The key of the table.
        #[serde(rename = "k")]
        id: EntityId,
    },
}

impl Native {
    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let position: Self = serde_json::from_str(text).map_err(|_| not_a_position())?;
        match &position {
            Self::Index { hash, range, .. } if hash.is_empty() || range.is_empty() => {
                Err(not_a_position())
            }
            Self::Index { hash, range, .. } if hash.len() > 2_048 || range.len() > 1_024 => {
                Err(not_a_position())
            }
            _ => Ok(position),
        }
    }

    /// The text for a cursor.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The position behind an entity in an index.
    pub(crate) fn behind(index: &Index, place: IndexPlace, id: &EntityId) -> Self {
        let IndexPlace { hash, range } = place;
        Self::Index { name: index.name.clone(), hash, range, id: id.clone() }
    }
}

/// The key after which a scan resumes.
pub(crate) fn scan_start(layout: &Layout, id: &EntityId) -> Item {
    key(layout, id)
}

/// The key after which a query of an index resumes.
pub(crate) fn index_start(
    layout: &Layout,
    index: &Index,
    place: &IndexPlace,
    id: &EntityId,
) -> Item {
    let attribute = |text_of: &str| -> AttributeValue { text(text_of) };
    let mut start = key(layout, id);
    start.insert(index.hash.clone(), attribute(&place.hash));
    start.insert(index.range.clone(), attribute(&place.range));
    start
}

pub(crate) fn not_a_position() -> Error {
    Error::new(ErrorKind::Invalid, "query", "the cursor names no place in this store")
        .hint("repeat the query without a cursor")
}
