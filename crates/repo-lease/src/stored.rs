//! What the store keeps of a lease.

use std::collections::BTreeMap;

use repo_core::strategy::OwnerId;
use repo_core::{Document, Entity, Error, ErrorKind, Result, Timestamp, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::holder::LeaseHolder;
use crate::mode::LeaseMode;
use crate::slot::Slot;

/// The record of the lease itself. Its version is the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fence {
    /// The scope.
    pub(crate) id: String,
    pub(crate) held: Held,
}

/// By whom it is held. One that nobody holds has no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Held {
    Exclusive(LeaseHolder),
    /// By those in the [`Roster`]; who joins them later does not change this record, since
    /// the writes of the others are protected by its version.
    Shared {
        since: Timestamp,
    },
}

impl Held {
    pub(crate) fn mode(&self) -> LeaseMode {
        match self {
            Self::Exclusive(_) => LeaseMode::Exclusive,
            Self::Shared { .. } => LeaseMode::Shared,
        }
    }
}

/// Who shares a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    pub(crate) id: String,
    pub(crate) slots: BTreeMap<Slot, LeaseHolder>,
}

/// The last renewal of the holder in one place. Only its version says that it was renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Renewal {
    pub(crate) id: String,
    pub(crate) owner: OwnerId,
    /// By the clock of the holder, for people.
    pub(crate) at: Timestamp,
}

/// What a record holds, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known<T> {
    pub(crate) version: Version,
    pub(crate) value: T,
}

impl<T: DeserializeOwned> Known<T> {
    /// # Errors
    /// `Corrupt` for a document that is none of ours.
    pub(crate) fn read(entity: &Entity) -> Result<Self> {
        let value = entity.document.deserialize().map_err(|source| {
            let why = "what the store keeps of the lease is damaged";
            Error::new(ErrorKind::Corrupt, "read a lease", why)
                .with("key", entity.key())
                .with("version", entity.version)
                .hint("release the lease by force: its holders are refused from then on")
                .caused_by(source)
        })?;
        Ok(Self { version: entity.version, value })
    }
}

pub(crate) fn document(value: &impl Serialize) -> Result<Document> {
    Document::from_serialize(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::holder::HolderName;
    use crate::ttl::LeaseTtl;

    fn holder() -> LeaseHolder {
        LeaseHolder {
            name: HolderName::new("a").unwrap(),
            since: Timestamp::parse("2026-03-01T08:00:00Z").unwrap(),
            ttl: LeaseTtl::new(Duration::from_secs(10)).unwrap(),
            owner: OwnerId::from_bytes([7; 16]),
        }
    }

    fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
        document(value).unwrap().deserialize().unwrap()
    }

    #[test]
    fn records_are_read_back() {
        let since = holder().since;
        for held in [Held::Exclusive(holder()), Held::Shared { since }] {
            let fence = Fence { id: "job".to_owned(), held };
            assert_eq!(back(&fence), fence);
        }
        let slots = Slot::all().map(|slot| (slot, holder())).collect();
        let roster = Roster { id: "roster/job".to_owned(), slots };
        assert_eq!(back(&roster), roster);
        let text = document(&roster).unwrap();
        assert!(text.as_str().contains(r#""31":{"name":"a""#), "{text}");
        assert!(text.as_str().contains(r#""ttl_ms":10000"#), "{text}");
    }

    #[test]
    fn a_record_of_others_is_refused() {
        for wrong in [
            r#"{"id":"roster/job","slots":{"32":{}}}"#,
            r#"{"id":"roster/job","slots":{"x":{}}}"#,
            r#"{"id":"roster/job"}"#,
        ] {
            let document = Document::parse(wrong).unwrap();
            assert!(document.deserialize::<Roster>().is_err(), "{wrong}");
        }
    }
}
