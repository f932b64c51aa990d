//! Where a reader of the feed stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::strategy::StoreId;
use crate::{Error, ErrorKind, Result};

pub(super) const OPERATION: &str = "read the change feed";

/// A place in the change feed of one store: right after a change, or before the
/// first one.
///
/// Opaque to readers: it is kept as text and handed back. It belongs to the store
/// that gave it, and to one [generation](crate::strategy::Capture::generation) of its capture. It
/// survives restarts of the program and of the store.
///
/// A feed has one shard or several. The changes of a key are all in one shard, in
/// the order of their versions; nothing is said of the order between shards.
///
/// ```
/// use repo_core::strategy::FeedPosition;
///
/// let text = "0123456789abcdef0123456789abcdef-3-17";
/// let position: FeedPosition = text.parse().unwrap();
/// assert_eq!(position.to_string(), text);
/// assert!("17".parse::<FeedPosition>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FeedPosition {
    store: StoreId,
    generation: u64,
    shards: Vec<u64>,
}

impl FeedPosition {
    /// For strategies: how far a reader is in each shard.
    #[must_use]
    pub fn new(store: StoreId, generation: u64, shards: Vec<u64>) -> Self {
        Self { store, generation, shards }
    }

    /// How far the reader is in each shard.
    #[must_use]
    pub fn shards(&self) -> &[u64] {
        &self.shards
    }

    /// The generation of the capture that it belongs to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The store that gave it.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// How far both readers are: what lies before either is needed no more. `None` for
    /// positions of different stores or generations.
    #[must_use]
    pub fn earliest(&self, other: &Self) -> Option<Self> {
        let same = (self.store, self.generation, self.shards.len())
            == (other.store, other.generation, other.shards.len());
        same.then(|| {
            let both = self.shards.iter().zip(&other.shards);
            Self { shards: both.map(|(own, other)| *own.min(other)).collect(), ..self.clone() }
        })
    }

    /// Whether everything up to `other` lies behind it. Never so for a position of
    /// another store or generation.
    #[must_use]
    pub fn reaches(&self, other: &Self) -> bool {
        (self.store, self.generation, self.shards.len())
            == (other.store, other.generation, other.shards.len())
            && self.shards.iter().zip(&other.shards).all(|(own, other)| own >= other)
    }
}

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-", self.store, self.generation)?;
        for (at, shard) in self.shards.iter().enumerate() {
            write!(f, "{}{shard}", if at == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

impl FromStr for FeedPosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let why = "this is no position of a change feed";
            Error::new(ErrorKind::Invalid, OPERATION, why)
                .with("position", text.chars().take(80).collect::<String>())
                .hint("a position is kept as the feed gave it")
        })
    }
}

fn parse(text: &str) -> Option<FeedPosition> {
    let (store, rest) = text.split_once('-')?;
    let (generation, shards) = rest.split_once('-')?;
    let position = FeedPosition {
        store: store.parse().ok()?,
        generation: generation.parse().ok()?,
        shards: shards.split('.').map(|shard| shard.parse().ok()).collect::<Option<_>>()?,
    };
    // One place has one text: `+7` and `007` are none.
    (position.to_string() == text).then_some(position)
}

impl TryFrom<String> for FeedPosition {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<FeedPosition> for String {
    fn from(position: FeedPosition) -> Self {
        position.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(generation: u64, shards: &[u64]) -> FeedPosition {
        FeedPosition::new(StoreId::from_bytes([7; 16]), generation, shards.to_vec())
    }

    #[test]
    fn one_position_has_one_text() {
        let text = position(3, &[17, 0, 5]).to_string();
        assert_eq!(text.parse::<FeedPosition>().unwrap(), position(3, &[17, 0, 5]));
        let id = StoreId::from_bytes([7; 16]);
        for other in ["", "17", "x-1-2", "-1-2"].map(str::to_owned).into_iter().chain(
            ["", "-1", "-1-", "-1-2.", "-1-+2", "-01-2", "-1-2.x", "-1-18446744073709551616"]
                .map(|rest| format!("{id}{rest}")),
        ) {
            let error = other.parse::<FeedPosition>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{other}");
        }
    }

    #[test]
    fn a_position_reaches_what_lies_behind_it_in_every_shard() {
        let here = position(1, &[4, 4]);
        assert!(here.reaches(&here) && here.reaches(&position(1, &[4, 3])));
        assert!(!here.reaches(&position(1, &[3, 5])));
        assert!(!here.reaches(&position(2, &[1, 1])) && !here.reaches(&position(1, &[1])));
        assert_eq!(here.earliest(&position(1, &[3, 5])), Some(position(1, &[3, 4])));
        assert_eq!(here.earliest(&position(2, &[3, 5])), None);
    }
}
