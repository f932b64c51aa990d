//! A lease as it stands in the store.

use std::collections::BTreeMap;

use repo_core::strategy::{OwnerId, Record, StorageStrategy, StorageStrategyExt as _};
use repo_core::{EntityId, Key, Result, Version};
use serde::de::DeserializeOwned;

use crate::holder::LeaseHolder;
use crate::keys::Keys;
use crate::slot::Slot;
use crate::stored::{Fence, Held, Known, Renewal, Roster};

/// What was read of a lease. The records may be of different moments; whoever acts on them
/// does it on the condition that each still has the version that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// `None`: nobody holds it.
    pub(crate) fence: Option<Known<Fence>>,
    pub(crate) roster: Option<Known<Roster>>,
    pub(crate) renewals: BTreeMap<Slot, Known<Renewal>>,
}

impl State {
    /// Reads it, by one request where nobody holds the lease, two for an exclusive holder,
    /// three for shared ones.
    pub(crate) async fn read(store: &dyn StorageStrategy, keys: &Keys) -> Result<Self> {
        let fence: Option<Known<Fence>> = read_one(store, &keys.fence).await?;
        let roster = match &fence {
            Some(Known { value: Fence { held: Held::Shared { .. }, .. }, .. }) => {
                read_one(store, &keys.roster).await?
            }
            _ => None,
        };
        let mut state = Self { fence, roster, renewals: BTreeMap::new() };
        let slots: Vec<Slot> = state.holders().map(|(slot, _)| slot).collect();
        state.renewals = read_renewals(store, keys, &slots).await?;
        Ok(state)
    }

    /// Who holds it, with the place of each.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (Slot, &LeaseHolder)> {
        let held = self.fence.as_ref().map(|fence| &fence.value.held);
        let alone = match held {
            Some(Held::Exclusive(holder)) => Some((Slot::FIRST, holder)),
            _ => None,
        };
        let shared = match held {
            Some(Held::Shared { .. }) => self.roster.as_ref(),
            _ => None,
        };
        let shared = shared.into_iter().flat_map(|roster| &roster.value.slots);
        alone.into_iter().chain(shared.map(|(slot, holder)| (*slot, holder)))
    }

    /// The version of the last renewal in a place; `None` where there is no record.
    pub(crate) fn renewed(&self, slot: Slot) -> Option<Version> {
        self.renewals.get(&slot).map(|renewal| renewal.version)
    }

    /// The place of an owner that holds it, with the token and the version of its last
    /// renewal.
    pub(crate) fn place_of(&self, owner: OwnerId) -> Option<(Slot, Version, Version)> {
        let token = self.fence.as_ref()?.version;
        let (slot, _) = self.holders().find(|(_, holder)| holder.owner == owner)?;
        let renewal = self.renewals.get(&slot).filter(|renewal| renewal.value.owner == owner)?;
        Some((slot, token, renewal.version))
    }
}

async fn read_one<T: DeserializeOwned>(
    store: &dyn StorageStrategy,
    key: &Key,
) -> Result<Option<Known<T>>> {
    let entity = store.get(&key.collection, &key.id).await?;
    entity.as_ref().map(Known::read).transpose()
}

/// The last renewal in each of the places that has a record.
async fn read_renewals(
    store: &dyn StorageStrategy,
    keys: &Keys,
    slots: &[Slot],
) -> Result<BTreeMap<Slot, Known<Renewal>>> {
    if slots.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = slots.iter().map(|slot| Ok(keys.renewal(*slot)?.id));
    let ids: Vec<EntityId> = ids.collect::<Result<_>>()?;
    let records = store.get_many(&keys.roster.collection, &ids).await?;
    let mut renewals = BTreeMap::new();
    for (slot, record) in slots.iter().zip(records) {
        if let Some(entity) = record.and_then(Record::into_live) {
            renewals.insert(*slot, Known::read(&entity)?);
        }
    }
    Ok(renewals)
}
