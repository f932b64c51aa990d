//! Opaque cursors: where the next page of one query starts.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::strategy::SortKey;
use crate::{EntityId, Error, ErrorKind, Result, Timestamp};

/// Where a page ended, bound to the query that gave it. Its text is opaque
/// and safe in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) query: String,
    pub(crate) position: Position,
    pub(crate) moment: Option<Timestamp>,
}

/// The last thing that a page held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// In an ordered query: the value's place and the id.
    Ordered {
        /// The place of the value.
        key: SortKey,
        /// The id.
        id: EntityId,
    },
    /// In a query without an order: what the store continues from.
    Native(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    q: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    k: Option<String>,
    p: String,
    /// In microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    m: Option<i64>,
}

impl Cursor {
    /// For layers: the same for a query whose filter speaks of this moment. The pages after it
    /// have to ask the same, whenever they are read.
    #[must_use]
    pub fn at_moment(mut self, moment: Timestamp) -> Self {
        self.moment = Some(moment);
        self
    }

    /// For layers: the moment that was given to [`at_moment`](Self::at_moment).
    #[must_use]
    pub fn moment(&self) -> Option<Timestamp> {
        self.moment
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// `Invalid` when the text is not a cursor.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = || invalid("not a cursor");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let encoded: Encoded = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let position = match encoded.k {
            None => Position::Native(encoded.p),
            Some(key) => Position::Ordered {
                key: SortKey::from_bytes(URL_SAFE_NO_PAD.decode(key).map_err(|_| malformed())?),
                id: EntityId::new(&encoded.p).map_err(|_| malformed())?,
            },
        };
        let moment = encoded.m.map(Timestamp::from_micros).transpose().map_err(|_| malformed())?;
        Ok(Self { query: encoded.q, position, moment })
    }
}

pub(crate) fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, "query", message)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (k, p) = match &self.position {
            Position::Native(text) => (None, text.clone()),
            Position::Ordered { key, id } => {
                (Some(URL_SAFE_NO_PAD.encode(key.as_bytes())), id.to_string())
            }
        };
        let m = self.moment.map(Timestamp::as_micros);
        let encoded = Encoded { q: self.query.clone(), k, p, m };
        let json = serde_json::to_vec(&encoded).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}
