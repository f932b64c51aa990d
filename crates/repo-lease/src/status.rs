//! Leases as an operator sees them.

use repo_core::strategy::Record;
use repo_core::{
    CollectionName, Cursor, EntityId, ErrorKind, Precondition, Query, Result, Version, Write,
};

use crate::holder::LeaseHolder;
use crate::keys::{Keys, LEASE_STATE, LEASES};
use crate::leases::Leases;
use crate::mode::LeaseMode;
use crate::scope::LeaseScope;
use crate::slot::Slot;
use crate::state::State;
use crate::stored::{Fence, Held, Known, Roster};

/// Leases of one page.
const PAGE: usize = 100;

/// A lease that somebody holds, or held and did not give back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseStatus {
    /// What it is for.
    pub scope: LeaseScope,
    /// How it is held.
    pub mode: LeaseMode,
    /// The token of those who hold it.
    pub token: Version,
    /// Who holds it: one, or up to [`MAX_SHARED_HOLDERS`](crate::MAX_SHARED_HOLDERS). Whether
    /// they are still at work is seen by looking twice, as an acquirer does.
    pub holders: Vec<LeaseHolder>,
}

/// A page of leases.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeasePage {
    /// At most 100, in the store's own order.
    pub leases: Vec<LeaseStatus>,
    /// Where the next page begins; `None` after the last one. A page may be followed by an
    /// empty one.
    pub next: Option<Cursor>,
}

impl Leases {
    /// How a lease stands; `None` when nobody holds it.
    ///
    /// # Errors
    /// `Corrupt` for a record that is damaged; what the store reports.
    pub async fn status(&self, scope: &LeaseScope) -> Result<Option<LeaseStatus>> {
        let state = State::read(&*self.store, &Keys::new(scope)?).await?;
        Ok(state.fence.as_ref().map(|fence| LeaseStatus {
            scope: scope.clone(),
            mode: fence.value.held.mode(),
            token: fence.version,
            holders: state.holders().map(|(_, holder)| holder.clone()).collect(),
        }))
    }

    /// A page of the leases that are held, by two requests at most: the first one, or the one
    /// after a page before.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn list(&self, after: Option<Cursor>) -> Result<LeasePage> {
        let query = Query::all().limit(PAGE)?.strong();
        let query = match after {
            Some(cursor) => query.after(cursor),
            None => query,
        };
        let page = self.store.query(&CollectionName::new(LEASES)?, &query).await?;
        let mut leases = Vec::with_capacity(page.entities.len());
        let mut rosters = Vec::new();
        for entity in &page.entities {
            let scope = LeaseScope::new(entity.id.as_str());
            let scope = scope.map_err(|error| error.into_kind(ErrorKind::Corrupt))?;
            let fence: Known<Fence> = Known::read(entity)?;
            let mode = fence.value.held.mode();
            let holders = match fence.value.held {
                Held::Exclusive(holder) => vec![holder],
                Held::Shared { .. } => {
                    rosters.push((leases.len(), Keys::new(&scope)?.roster.id));
                    Vec::new()
                }
            };
            leases.push(LeaseStatus { scope, mode, token: fence.version, holders });
        }
        self.add_shared(&mut leases, &rosters).await?;
        Ok(LeasePage { leases, next: page.next })
    }

    /// Adds those who share leases; beside each place the id of its roster.
    async fn add_shared(
        &self,
        leases: &mut [LeaseStatus],
        rosters: &[(usize, EntityId)],
    ) -> Result<()> {
        if rosters.is_empty() {
            return Ok(());
        }
        let ids: Vec<EntityId> = rosters.iter().map(|(_, id)| id.clone()).collect();
        let records = self.store.get_many(&CollectionName::new(LEASE_STATE)?, &ids).await?;
        for ((at, _), record) in rosters.iter().zip(records) {
            let entity = record.and_then(Record::into_live);
            if let (Some(entity), Some(lease)) = (entity, leases.get_mut(*at)) {
                let roster: Known<Roster> = Known::read(&entity)?;
                lease.holders = roster.value.slots.into_values().collect();
            }
        }
        Ok(())
    }

    /// Takes a lease away from all who hold it, so that others can acquire it at once. Their
    /// commits with the guard are refused from then on. Also for records that are damaged.
    ///
    /// The token is that of the holders that are meant, from [`status`](Self::status); of a
    /// damaged one it is the version of its record in [`LEASES`](crate::LEASES). A later
    /// holder is left alone.
    ///
    /// # Errors
    /// `NotFound` when nobody holds it, `Conflict` when others hold it by now; what the store
    /// reports.
    pub async fn force_release(&self, scope: &LeaseScope, token: Version) -> Result<()> {
        let keys = Keys::new(scope)?;
        let mut writes = vec![
            Write::delete(keys.fence.clone(), Precondition::Version(token)),
            Write::delete(keys.roster.clone(), Precondition::Any),
        ];
        for slot in Slot::all() {
            writes.push(Write::delete(keys.renewal(slot)?, Precondition::Any));
        }
        let released = self.store.commit(writes).await;
        released.map(drop).map_err(|error| error.with("lease", scope))
    }
}
