//! Who holds how much: counters that change in the commit of what they count.

use std::collections::BTreeMap;

use repo_core::strategy::StorageStrategy;
use repo_core::{Document, EntityId, Filter, Precondition, Result, Write, field};

use crate::hashing::text_digest;
use crate::model::{Owner, Scope, StoreName, Usage, UsageRecord};
use crate::paging::PageRequest;
use crate::records::{Tx, find_many, key};
use crate::service::DataService;

/// Counters of one name. Who writes at the same time takes different ones in turn.
const COUNTERS: usize = 16;

/// What a commit adds to the counters.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(Scope, String), Usage>);

/// What is counted, and by how much it changes.
type Counted = ((Scope, String), Usage);

/// Where something is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) dataset: Option<&'a EntityId>,
    pub(crate) store: Option<&'a StoreName>,
}

impl Tally {
    pub(crate) fn add(&mut self, place: Place<'_>, change: Usage) {
        self.count(Scope::Owner, place.owner.as_str(), change);
        if let Some(dataset) = place.dataset {
            self.count(Scope::Dataset, dataset.as_str(), change);
        }
        if let Some(store) = place.store {
            let change = Usage { entries: 0, datapoints: 0, ..change };
            self.count(Scope::Store, store.as_str(), change);
        }
    }

    fn count(&mut self, scope: Scope, name: &str, change: Usage) {
        let sum = self.0.entry((scope, name.to_owned())).or_default();
        *sum = sum.plus(change);
    }

    /// What is added for each owner.
    pub(crate) fn of_owners(&self) -> impl Iterator<Item = (&str, Usage)> {
        let of_owners = self.0.iter().filter(|((scope, _), _)| *scope == Scope::Owner);
        of_owners.map(|((_, name), change)| (name.as_str(), *change))
    }

    /// What is added to which counter of this turn.
    fn by_counter(self, turn: usize) -> (Vec<Counted>, Vec<String>) {
        let changes: Vec<_> =
            self.0.into_iter().filter(|(_, change)| *change != Usage::default()).collect();
        let ids = changes
            .iter()
            .map(|((scope, name), _)| counter(*scope, name, turn % COUNTERS))
            .collect();
        (changes, ids)
    }

    /// The writes that add to the counters of this turn, as they are now.
    pub(crate) async fn writes(
        self,
        store: &dyn StorageStrategy,
        turn: usize,
    ) -> Result<Vec<Write>> {
        let (changes, ids) = self.by_counter(turn);
        let keys: Vec<EntityId> = ids.iter().map(|id| EntityId::new(id)).collect::<Result<_>>()?;
        let found = find_many::<UsageRecord>(store, &keys).await?;
        let writes = changes.into_iter().zip(ids).zip(found);
        writes
            .map(|((((scope, name), change), id), found)| {
                let precondition = match &found {
                    Some(found) => Precondition::Version(found.version),
                    None => Precondition::Absent,
                };
                let usage = found.map(|found| found.value.usage).unwrap_or_default().plus(change);
                let key = key::<UsageRecord>(&id)?;
                let record = UsageRecord { id, scope, name, usage };
                Ok(Write::put(key, Document::from_serialize(&record)?, precondition))
            })
            .collect()
    }

    /// Adds to the counters of this turn.
    pub(crate) async fn write(self, tx: &mut Tx, turn: usize) -> Result<()> {
        let (changes, ids) = self.by_counter(turn);
        tx.read_ahead::<UsageRecord>(&ids).await?;
        for (((scope, name), change), id) in changes.into_iter().zip(ids) {
            let found = tx.find::<UsageRecord>(&id).await?;
            let before = found.map(|found| found.value.usage).unwrap_or_default();
            let usage = before.plus(change);
            tx.put(&UsageRecord { id, scope, name, usage })?;
        }
        Ok(())
    }
}

/// What something that becomes active adds.
pub(crate) fn added(bytes: u64, entries: i64, datapoints: i64) -> Usage {
    Usage { entries, datapoints, bytes: signed(bytes), condemned_bytes: 0 }
}

/// What something that is deleted and can be restored adds.
pub(crate) fn condemned(bytes: u64, entries: i64, datapoints: i64) -> Usage {
    let bytes = signed(bytes);
    Usage { entries: -entries, datapoints: -datapoints, bytes: -bytes, condemned_bytes: bytes }
}

/// What its restoring adds.
pub(crate) fn restored(bytes: u64, entries: i64, datapoints: i64) -> Usage {
    let bytes = signed(bytes);
    Usage { entries, datapoints, bytes, condemned_bytes: -bytes }
}

/// What its end adds.
pub(crate) fn removed(bytes: u64) -> Usage {
    Usage { condemned_bytes: -signed(bytes), ..Usage::default() }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn counter(scope: Scope, name: &str, number: usize) -> String {
    // Names may be as long as an id.
    format!("{scope}.{}.{number:02}", &text_digest(name)[..32])
}

/// The sum of all counters of a name, each of which the commit then checks.
pub(crate) async fn sum_in(tx: &mut Tx, scope: Scope, name: &str) -> Result<Usage> {
    let ids: Vec<String> = (0..COUNTERS).map(|number| counter(scope, name, number)).collect();
    tx.read_ahead::<UsageRecord>(&ids).await?;
    let mut sum = Usage::default();
    for id in &ids {
        if let Some(found) = tx.find::<UsageRecord>(id).await? {
            sum = sum.plus(found.value.usage);
        }
    }
    Ok(sum)
}

impl DataService {
    /// What an owner, a dataset or a store holds.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn usage(&self, scope: Scope, name: &str) -> Result<Usage> {
        let ids = (0..COUNTERS).map(|number| EntityId::new(&counter(scope, name, number)));
        let ids: Vec<EntityId> = ids.collect::<Result<_>>()?;
        let found = find_many::<UsageRecord>(&**self.strategy(), &ids).await?;
        let sums = found.into_iter().flatten().map(|found| found.value.usage);
        Ok(sums.fold(Usage::default(), Usage::plus))
    }

    /// What each owner, dataset or store holds, by name, page by page. The last name of a page
    /// may go on in the next one: add them up.
    ///
    /// # Errors
    /// `Invalid` for a cursor of another list.
    pub async fn list_usage(
        &self,
        scope: Scope,
        page: &PageRequest,
    ) -> Result<(Vec<(String, Usage)>, Option<String>)> {
        let filter: Filter = field("scope").eq(scope).filter()?;
        let page = self.page::<UsageRecord>(&page.query(filter)?.order_by("name")?).await?;
        let mut sums: Vec<(String, Usage)> = Vec::new();
        for counter in page.items {
            let UsageRecord { name, usage, .. } = counter.value;
            match sums.last_mut() {
                Some((last, sum)) if *last == name => *sum = sum.plus(usage),
                _ => sums.push((name, usage)),
            }
        }
        Ok((sums, page.next))
    }
}
