//! Removing versions that nobody wants to keep.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::TryStreamExt as _;
use repo_core::strategy::{
    HistoryState, OlderState, OlderThan, Record, Retention, ScanOptions, VersionWrite, as_stored,
};
use repo_core::{Consistency, EntityId, Result, Timestamp, Version};

use crate::History;
use crate::prune_lease::PruneLease;
use crate::walk::Walk;

/// What [`History::prune`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// Versions that are gone, or of which is only known that they were there.
    pub removed: u64,
    /// Versions that a tag kept.
    pub tagged: u64,
    /// From when on the history answers now.
    pub state: HistoryState,
}

/// What may go of one record.
struct Cut {
    id: EntityId,
    /// Nobody needs what is older than this by its age.
    by_age: Option<Version>,
    /// Nobody wants what is older than this by its number.
    by_count: Option<Version>,
}

impl Cut {
    fn below(&self) -> Option<Version> {
        self.by_age.max(self.by_count)
    }
}

impl History {
    /// Removes what `retention` does not keep. By age: versions that were replaced
    /// longer ago, so the history answers for that time and not for the one before it.
    /// By count: all but the newest older versions of each record, of which a mark
    /// stays, so that nothing else is taken for what was valid. A tagged version
    /// stays. May be broken off and run again; others read and write meanwhile.
    ///
    /// # Errors
    /// `NotFound` where no history is kept; `Locked` while another prune of the
    /// collection runs, and while the store takes part in a live migration; those of the
    /// store.
    pub async fn prune(&self, retention: Retention) -> Result<Pruned> {
        self.state().await?;
        self.refuse_moving("prune versions").await?;
        let mut lease = PruneLease::take(self).await?;
        let pruned = self.prune_alone(retention, &mut lease).await;
        // After an error that one says more.
        let released = lease.release().await;
        pruned.and_then(|pruned| released.map(|()| pruned))
    }

    async fn prune_alone(
        &self,
        retention: Retention,
        lease: &mut PruneLease<'_>,
    ) -> Result<Pruned> {
        let state = self.state().await?;
        let horizon = retention
            .max_age_seconds
            .map(|age| self.clock.now().saturating_sub(Duration::from_secs(age)));
        if let Some(horizon) = horizon.filter(|horizon| *horizon > state.since) {
            // First, so that nobody is answered from what is half removed.
            let later = |kept: Option<HistoryState>| {
                let kept = kept?;
                let since = kept.since.max(horizon);
                Some(HistoryState::new(since).with_retention(kept.retention))
            };
            self.change(later).await?;
        }
        let state = self.state().await?;
        let tags = self.all_tags().await?;
        let tagged = tags.into_iter().map(|tag| (tag.id, tag.version)).collect();
        let options = ScanOptions::default().with_consistency(Consistency::Strong);
        let mut batches = as_stored(self.store.scan(&self.collection, options)).await?;
        let mut pruned = Pruned { removed: 0, tagged: 0, state };
        while let Some(batch) = batches.try_next().await? {
            let records = batch.into_records()?;
            let cuts = self.cuts(&records, horizon, retention).await?;
            self.remove(cuts, &tagged, lease, &mut pruned).await?;
        }
        Ok(pruned)
    }

    async fn cuts(
        &self,
        records: &[Record],
        horizon: Option<Timestamp>,
        retention: Retention,
    ) -> Result<Vec<Cut>> {
        let keep = retention.max_versions.map(|most| u64::from(most.get()));
        let mut walks = Vec::new();
        let mut of = Vec::new();
        for record in records.iter().filter(|record| record.version() > Version::FIRST) {
            let (id, version) = (record.id().clone(), record.version());
            of.push((OlderThan::new(id.clone(), version), walks.len()));
            let mut walk = horizon.map(Walk::new);
            if let Some(walk) = &mut walk {
                walk.see(record.clone().into());
            }
            walks.push((walk, 0_u64, Cut { id, by_age: None, by_count: None }));
        }
        self.walk_all(&mut of, |at, older| {
            let (walk, seen, cut) = &mut walks[at];
            *seen += 1;
            if keep == Some(*seen) {
                cut.by_count = Some(older.version);
            }
            if let Some(walk) = walk {
                walk.see(older);
            }
        })
        .await?;
        let cuts = walks.into_iter().map(|(walk, _, mut cut)| {
            cut.by_age = walk.and_then(|walk| walk.valid());
            cut
        });
        Ok(cuts.filter(|cut| cut.below().is_some()).collect())
    }

    async fn remove(
        &self,
        cuts: Vec<Cut>,
        tagged: &HashSet<(EntityId, Version)>,
        lease: &mut PruneLease<'_>,
        pruned: &mut Pruned,
    ) -> Result<()> {
        let mut of: Vec<(OlderThan, usize)> = cuts
            .iter()
            .enumerate()
            .filter_map(|(at, cut)| Some((OlderThan::new(cut.id.clone(), cut.below()?), at)))
            .collect();
        // Whether the version above is kept.
        let mut above_kept: Vec<bool> = vec![true; cuts.len()];
        let mut writes = Vec::new();
        self.walk_all(&mut of, |at, older| {
            if tagged.contains(&(older.id.clone(), older.version)) {
                pruned.tagged += 1;
                above_kept[at] = true;
                return;
            }
            let below_kept = std::mem::replace(&mut above_kept[at], false);
            let needed = cuts[at].by_age.is_none_or(|by_age| older.version >= by_age);
            // Below each version that stays one mark says that there was another, so
            // that nothing else is taken for what was valid.
            writes.push(match needed && below_kept {
                true if older.state == OlderState::Removed => return,
                true => VersionWrite::Clear(older.id, older.version),
                false => VersionWrite::Remove(older.id, older.version),
            });
        })
        .await?;
        for chunk in writes.chunks(VersionWrite::MOST) {
            lease.renew().await?;
            pruned.removed += chunk.len() as u64;
            self.store.write_versions(&self.collection, chunk.to_vec()).await?;
        }
        Ok(())
    }
}
