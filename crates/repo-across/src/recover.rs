//! Settling what others have left.

use repo_core::strategy::{Record, strong_reads};
use repo_core::{
    Cursor, Entity, EntityId, Error, Filter, Key, Precondition, Query, Result, Write, field,
};

use crate::across::Across;
use crate::keys::{INTENTS, MARKERS, collection};
use crate::plan::Seen;
use crate::refusals::names_preconditions;
use crate::settle::{Settled, Trail};
use crate::stored::{Intent, Known};

/// Records of one page: few, since an intent holds documents, and few enough for one commit of
/// any store.
pub(crate) const PAGE: usize = 40;

/// What [`Across::recover`] found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Commits of which both stores have their writes by now.
    pub completed: u64,
    /// Commits whose writes were taken back from the first store.
    pub compensated: u64,
    /// Commits that are an operator's, also those that were before; see [`Across::list`].
    pub needs_operator: u64,
    /// Commits that are as they were, because a store did not take part.
    pub pending: u64,
    /// Commits of the first store and another second one, left as they are.
    pub elsewhere: u64,
    /// Markers that nobody needed any more.
    pub markers_removed: u64,
    /// Why the first of those is pending that are.
    pub first_error: Option<Error>,
}

impl Recovered {
    fn failed(&mut self, error: Error) {
        self.pending += 1;
        self.first_error.get_or_insert(error);
    }
}

impl Across {
    /// Settles every commit in these two stores that has not ended, whoever began it. Call it
    /// when a program opens its stores, and from time to time while it runs. Several processes
    /// may do it at once, also beside commits under way: each step is conditional, and done
    /// once.
    ///
    /// One commit that cannot be settled does not keep the others: it is counted as pending.
    ///
    /// # Errors
    /// What a store reports that cannot be read, or written to where markers are removed; what
    /// was settled before that stays settled.
    pub async fn recover(&self) -> Result<Recovered> {
        strong_reads(self.recover_all()).await
    }

    async fn recover_all(&self) -> Result<Recovered> {
        self.hooks.alive()?;
        let mut recovered = Recovered::default();
        let (intents, mut after) = (collection(INTENTS)?, None);
        loop {
            let query = page_of(Filter::default(), after)?;
            let page = self.first.query(&intents, &query).await?;
            self.recover_page(&page.entities, &mut recovered).await?;
            match page.next {
                Some(cursor) => after = Some(cursor),
                None => break,
            }
        }
        self.sweep(&mut recovered).await?;
        Ok(recovered)
    }

    async fn recover_page(&self, entities: &[Entity], into: &mut Recovered) -> Result<()> {
        let mut intents: Vec<Known<Intent>> = Vec::with_capacity(entities.len());
        for entity in entities {
            match Known::read(entity) {
                Ok(intent) => intents.push(intent),
                Err(error) => into.failed(error),
            }
        }
        let markers = self.markers(&intents).await?;
        for (intent, marker) in intents.into_iter().zip(markers) {
            let id = intent.value.id;
            let settled = match marker {
                Ok(marker) => {
                    let seen = Seen { intent: Some(intent), marker };
                    self.settle(id, Some(seen), &mut Trail::default()).await
                }
                Err(error) => Err(error),
            };
            match settled {
                Ok(Settled::Completed) => into.completed += 1,
                Ok(Settled::Compensated) => into.compensated += 1,
                Ok(Settled::NeedsOperator) => into.needs_operator += 1,
                Ok(Settled::Elsewhere) => into.elsewhere += 1,
                // Somebody else has ended it and removed its marker.
                Ok(Settled::Unknown) => {}
                Err(error) => {
                    self.hooks.alive()?;
                    into.failed(error.with("intent", id));
                }
            }
        }
        Ok(())
    }

    /// Removes the markers that have no intent, once they are older than the grace: until then
    /// a committer may want to know how it ended, or is about to record its intent.
    async fn sweep(&self, into: &mut Recovered) -> Result<()> {
        let (markers, mut after) = (collection(MARKERS)?, None);
        let ours = field("coordinator").eq(self.first_id.to_string()).filter()?;
        let oldest = self.clock.now().saturating_sub(self.grace);
        loop {
            let query = page_of(ours.clone(), after)?;
            let page = self.second.query(&markers, &query).await?;
            let old = page.entities.into_iter().filter(|marker| marker.updated_at <= oldest);
            into.markers_removed += self.remove_unneeded(old.collect()).await?;
            match page.next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    /// Removes those of the markers that have no intent. They were read before the intents are:
    /// an intent that is not there now comes only from a committer that is still to write it,
    /// and then finds its reservation gone.
    async fn remove_unneeded(&self, markers: Vec<Entity>) -> Result<u64> {
        if markers.is_empty() {
            return Ok(0);
        }
        let ids: Vec<EntityId> = markers.iter().map(|marker| marker.id.clone()).collect();
        let intents = self.first.get_many(&collection(INTENTS)?, &ids).await?;
        let mut writes = Vec::new();
        for (marker, intent) in markers.into_iter().zip(intents) {
            if !intent.as_ref().is_some_and(Record::is_live) {
                let key = Key::new(marker.collection, marker.id);
                writes.push(Write::delete(key, Precondition::Version(marker.version)));
            }
        }
        if writes.is_empty() {
            return Ok(0);
        }
        match self.second.commit(writes).await {
            Ok(written) => Ok(written.len() as u64),
            // Somebody else removes them, too, or one has changed: the next run sees.
            Err(error) if names_preconditions(&error) || error.is_retryable() => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// A page of a collection, every acknowledged write seen.
pub(crate) fn page_of(filter: Filter, after: Option<Cursor>) -> Result<Query> {
    let query = Query::new(filter).limit(PAGE)?.strong();
    Ok(match after {
        Some(cursor) => query.after(cursor),
        None => query,
    })
}
