//! What every store keeps about itself, from its first layout on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::strategy::StoreId;
use crate::{CollectionName, Error, ErrorKind, Result};

/// The store's own record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreRecord {
    /// Version of the physical layout; each strategy counts its own, from 1.
    /// 0 for what another program laid out.
    pub layout_version: u32,
    /// By which the store is known, however it is named. Made by `prepare`;
    /// `None` before that, for an older layout, and for what another program
    /// laid out.
    pub id: Option<StoreId>,
    /// Raised when writers have to be fenced off; 0 at first.
    pub epoch: u64,
    /// Each prepared collection.
    pub collections: BTreeMap<CollectionName, CollectionState>,
    /// A migration into this store that has not finished.
    pub migration: Option<MigrationState>,
    /// Collections that another handle fills since its
    /// [`prepare_for_load`](crate::strategy::StorageStrategy::prepare_for_load), or
    /// filled when it was killed: nobody else can use them. `prepare` by any
    /// handle ends a load that was broken off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loading: BTreeMap<CollectionName, CollectionState>,
}

/// What the store keeps of one prepared collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CollectionState {
    /// `schemaVersion` of the schema that prepared it; 1 without a schema.
    pub schema_version: u32,
    /// The highest version that a purge removed; 0 at first. An id without a
    /// record starts one above it.
    pub floor: u64,
}

/// An unfinished migration, kept with its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationState {
    /// Fingerprint of the plan: the same plan resumes, another is refused.
    pub plan: String,
    /// What the tool needs to go on, as JSON text without secrets.
    pub progress: String,
}

impl MigrationState {
    /// What the plan of a clean-up begins with: it removes from a store what a
    /// migration has brought elsewhere.
    pub const CLEAN_UP: &str = "clean-up:";

    /// What the plan of a mark begins with, by which a run finds out whether
    /// two handles are on one store. Nothing is unfinished for it; one that a
    /// killed run left is written over by the next.
    pub const MARK: &str = "mark:";

    /// Whether it is a mark of that kind.
    #[must_use]
    pub fn is_mark(&self) -> bool {
        self.plan.starts_with(Self::MARK)
    }

    /// Whether the store is being emptied, not filled.
    #[must_use]
    pub fn is_clean_up(&self) -> bool {
        self.plan.starts_with(Self::CLEAN_UP)
    }
}

/// A change to the store's own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUpdate {
    /// Raises the floor of a collection; a lower value changes nothing.
    RaiseFloor {
        /// The collection, which is prepared.
        collection: CollectionName,
        /// The new floor.
        floor: u64,
    },
    /// Sets or clears the migration state, if the plan stored now is
    /// `expected` (`None`: no migration). Otherwise `Locked`.
    Migration {
        /// The plan that the caller believes is stored.
        expected: Option<String>,
        /// What to store instead.
        state: Option<MigrationState>,
    },
    /// Gives a copy of a store an id of its own, if the id stored now is
    /// `expected` and nothing in the store is unfinished. Otherwise `Locked`.
    Id {
        /// The id that the caller believes is stored.
        expected: StoreId,
        /// What to store instead.
        id: StoreId,
    },
}

/// Checks the condition of [`StoreUpdate::Migration`]: that the stored plan is
/// the expected one. Who expects none may write over a mark.
///
/// # Errors
/// `Locked` otherwise.
pub fn check_migration(stored: Option<&MigrationState>, expected: Option<&str>) -> Result<()> {
    let stored = stored.map(|state| state.plan.as_str());
    let is_mark = stored.is_some_and(|plan| plan.starts_with(MigrationState::MARK));
    if stored == expected || (expected.is_none() && is_mark) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Locked,
        "update the store's record",
        "the migration kept in this store is another one",
    )
    .with("stored", stored.unwrap_or("none"))
    .with("expected", expected.unwrap_or("none")))
}

/// Checks the condition of [`StoreUpdate::Id`]: that the stored id is the
/// expected one, and that no migration or clean-up of the store is unfinished.
///
/// # Errors
/// `Locked` otherwise.
pub fn check_new_id(
    stored: Option<StoreId>,
    migration: Option<&MigrationState>,
    expected: StoreId,
) -> Result<()> {
    let refuse = |why| Error::new(ErrorKind::Locked, "give the store a new id", why);
    if migration.is_some_and(|migration| !migration.is_mark()) {
        return Err(refuse("a migration or a clean-up of this store is unfinished")
            .hint("finish it first: run it again"));
    }
    if stored == Some(expected) {
        return Ok(());
    }
    let stored = stored.map_or_else(|| "none".to_owned(), |id| id.to_string());
    Err(refuse("the store has another id by now").with("stored", stored).with("expected", expected))
}

/// Checks that tombstones may be purged: not while a migration into the store
/// is unfinished, for they may be what keeps deleted entities away. A clean-up
/// is no hindrance: it purges the tombstones that it makes.
///
/// # Errors
/// `Locked` otherwise.
pub fn check_purge(stored: Option<&MigrationState>, collection: &CollectionName) -> Result<()> {
    if stored.is_none_or(|stored| stored.is_clean_up() || stored.is_mark()) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Locked, "purge", "a migration into this store is unfinished")
        .with("collection", collection)
        .hint("finish the migration first: run it again"))
}
