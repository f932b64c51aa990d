//! Where the records of a lease are.

use repo_core::{CollectionName, CollectionSchema, EntityId, Key, Result};

use crate::scope::LeaseScope;
use crate::slot::Slot;

/// The collection of the leases themselves, one record for each scope that is held. The id is
/// the scope; the version is the token. It changes when a lease is acquired and when it is
/// given back, and never when it is renewed.
pub const LEASES: &str = "engine_leases";
/// The collection of what stands beside the leases: renewals, and who shares one.
pub const LEASE_STATE: &str = "engine_lease_state";

/// The schemas of both collections, to be opened or prepared with others.
///
/// # Errors
/// None in practice: the names are constant.
pub fn schemas() -> Result<Vec<CollectionSchema>> {
    let undeclared = |name| Ok(CollectionSchema::undeclared(CollectionName::new(name)?));
    [LEASES, LEASE_STATE].into_iter().map(undeclared).collect()
}

/// The keys of one lease.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    scope: LeaseScope,
    /// Of the lease itself.
    pub(crate) fence: Key,
    /// Of who shares it.
    pub(crate) roster: Key,
}

impl Keys {
    pub(crate) fn new(scope: &LeaseScope) -> Result<Self> {
        let roster = EntityId::new(&format!("roster/{scope}"))?;
        Ok(Self {
            scope: scope.clone(),
            fence: Key::new(CollectionName::new(LEASES)?, scope.id()),
            roster: Key::new(CollectionName::new(LEASE_STATE)?, roster),
        })
    }

    pub(crate) fn scope(&self) -> &LeaseScope {
        &self.scope
    }

    /// Of the renewals of the holder in a place.
    pub(crate) fn renewal(&self, slot: Slot) -> Result<Key> {
        let id = EntityId::new(&format!("renewal/{slot}/{}", self.scope))?;
        Ok(Key::new(self.roster.collection.clone(), id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_scope_has_keys() {
        let scope = LeaseScope::new(&"x".repeat(LeaseScope::MAX_BYTES)).unwrap();
        let keys = Keys::new(&scope).unwrap();
        assert_eq!(keys.fence.id.as_str(), scope.as_str());
        let renewals: Vec<Key> = Slot::all().map(|slot| keys.renewal(slot).unwrap()).collect();
        assert!(renewals[31].id.as_str().starts_with("renewal/31/x"));
        assert_eq!(schemas().unwrap().len(), 2);
    }
}
