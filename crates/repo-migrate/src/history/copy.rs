//! Writing histories to the target: first which are kept, then the records, which the
//! copier writes, then older versions and items.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt as _;
use futures::TryStreamExt as _;
use repo_core::strategy::{Applied, HistoryState, Record, StoreUpdate, SystemWrite, VersionWrite};
use repo_core::{Clock as _, CollectionName, EntityId, Result, SystemClock};

use crate::OnConflict;
use crate::check::source_checks::SourceCheck;
use crate::copy::copier::{Copier, Origin, SinceCheckpoint};
use crate::history::items::{ItemPairs, travelling};
use crate::history::reader::HistoryOrigin;
use crate::job::checkpoint::Copied;
use crate::past::{PastVersion, StoredVersion, stored_versions};
use crate::plan::{MigrationPlan, PlannedCollection};
use crate::report::Carried;

/// Makes the target keep the histories that the source keeps. What is written from now
/// on keeps what it replaces.
pub(crate) async fn begin(
    plan: &MigrationPlan,
    checks: &[SourceCheck],
) -> Result<BTreeMap<CollectionName, HistoryState>> {
    let mut kept = BTreeMap::new();
    for (planned, check) in plan.collections.iter().zip(checks) {
        let Some(history) = planned.history else { continue };
        let own_past = check.history.own_past;
        let wanted = history.wanted(planned.target_holds, own_past, SystemClock.now());
        let mut stored = plan.target.record().await?.history.get(planned.name()).copied();
        // What holds no record has no past either, and its history may begin earlier.
        if stored.is_some_and(|stored| stored.since > wanted.since) && !planned.target_holds {
            set(plan, planned, stored, None).await?;
            stored = None;
        }
        if stored != Some(wanted) {
            set(plan, planned, stored, Some(wanted)).await?;
        }
        kept.insert(planned.name().clone(), wanted);
    }
    Ok(kept)
}

async fn set(
    plan: &MigrationPlan,
    planned: &PlannedCollection,
    expected: Option<HistoryState>,
    history: Option<HistoryState>,
) -> Result<()> {
    let collection = planned.name().clone();
    plan.target.update(StoreUpdate::History { collection, expected, history }).await.map(drop)
}

impl Copier<'_> {
    /// Copies the older versions of the collections whose history is carried over. False
    /// when the run was asked to end before that was done.
    pub(crate) async fn copy_versions(&self) -> Result<bool> {
        for planned in self.plan.collections.iter().filter(|one| one.history.is_some()) {
            let mut copied = self.stands_at_versions(planned).await;
            if copied.versions_finished {
                continue;
            }
            let ended = self.versions_of(planned, &mut copied).await;
            copied.versions_finished = matches!(ended, Ok(true));
            self.note(planned.name(), copied).await;
            let saved = self.lease.save(|_| ()).await;
            if !ended? {
                return Ok(false);
            }
            saved?;
        }
        Ok(true)
    }

    async fn stands_at_versions(&self, planned: &PlannedCollection) -> Copied {
        let kept = self.lease.copied(planned.name()).await;
        match self.origin {
            Origin::Archive(_) => kept,
            // It has no order that could be relied on.
            Origin::Source => Copied {
                versions: Carried::default(),
                version_lines: 0,
                versions_finished: false,
                ..kept
            },
        }
    }

    fn versions_origin(&self) -> HistoryOrigin {
        match self.origin {
            Origin::Archive(archive) => HistoryOrigin::Archive(archive.clone()),
            Origin::Source => self.plan.history_origin(),
        }
    }

    async fn versions_of(&self, planned: &PlannedCollection, copied: &mut Copied) -> Result<bool> {
        let name = planned.name();
        let done = copied.version_lines;
        let pages = self.versions_origin().all(name, done, self.batch_size()).await?;
        let mut written = pages
            .take_until(self.progress.stopped())
            .map_ok(|page| self.versions_page(planned, page))
            .try_buffered(self.throttle.workers());
        let mut since = SinceCheckpoint::now();
        while let Some((page, lines)) = written.try_next().await? {
            since.records += lines;
            copied.versions.add(&page);
            copied.version_lines += lines;
            self.progress.advance(name, page.read);
            if since.is_due(self.batch_size()) {
                since = SinceCheckpoint::now();
                self.save(name, *copied).await?;
            }
        }
        drop(written);
        Ok(!self.progress.is_stopped())
    }

    /// Writes a page of versions, and who wrote them. Safe to repeat.
    async fn versions_page(
        &self,
        planned: &PlannedCollection,
        page: Vec<PastVersion>,
    ) -> Result<(Carried, u64)> {
        let lines = page.len() as u64;
        let read = page.iter().filter(|one| one.state.is_some()).count() as u64;
        let mut counts = Carried { read, ..Carried::default() };
        let stored = self.stored(planned, &page).await?;
        let (older, heads): (Vec<_>, Vec<_>) =
            page.into_iter().partition(|one| one.state.is_some());
        let older = self.of_records_there(older, &stored);
        let adds = older.iter().filter_map(PastVersion::to_older).map(VersionWrite::Add);
        let answers = self.write_past(planned, adds.collect()).await?;
        // Who wrote a version is only said of the version that it was.
        let mut named: Vec<PastVersion> = Vec::new();
        for (one, answer) in older.into_iter().zip(answers) {
            match answer {
                Applied::Applied => counts.applied += 1,
                Applied::Equal => counts.equal += 1,
                Applied::Older | Applied::Diverged => continue,
            }
            named.push(one);
        }
        counts.left = counts.read - counts.applied - counts.equal;
        named.extend(heads.into_iter().filter(|head| {
            let there = stored.get(&head.id);
            there.is_some_and(|it| (it.version, it.updated_at) == (head.version, head.updated_at))
        }));
        let attribute =
            |one: PastVersion| Some(VersionWrite::Attribute(one.id, one.version, one.by?));
        self.write_past(planned, named.into_iter().filter_map(attribute).collect()).await?;
        Ok((counts, lines))
    }

    async fn write_past(
        &self,
        planned: &PlannedCollection,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let write = || self.plan.target.write_versions(planned.name(), writes.clone());
        self.throttle.batch(writes.len(), write).await
    }

    /// Which versions the target has stored of those in a page that are asked about:
    /// those of which it is known who wrote them, and all where some may be in quarantine.
    async fn stored(
        &self,
        planned: &PlannedCollection,
        page: &[PastVersion],
    ) -> Result<HashMap<EntityId, StoredVersion>> {
        let all = self.options.quarantine.is_some();
        let asked = page.iter().filter(|one| all || one.state.is_none());
        let mut ids: Vec<EntityId> = asked.map(|one| one.id.clone()).collect();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let held = self.plan.target.get_many(planned.name(), &ids).await?;
        let held: Vec<Record> = held.into_iter().flatten().collect();
        Ok(stored_versions(&held).into_iter().map(|one| (one.id.clone(), one)).collect())
    }

    /// Versions of what is in quarantine have no record in the target.
    fn of_records_there(
        &self,
        mut page: Vec<PastVersion>,
        stored: &HashMap<EntityId, StoredVersion>,
    ) -> Vec<PastVersion> {
        if self.options.quarantine.is_some() {
            page.retain(|version| stored.contains_key(&version.id));
        }
        page
    }

    /// Copies the items that belong to the collections.
    pub(crate) async fn copy_items(&self) -> Result<()> {
        for planned in self.plan.collections.iter().filter(|one| one.items > 0) {
            self.items_of(planned).await?;
        }
        Ok(())
    }

    async fn items_of(&self, planned: &PlannedCollection) -> Result<()> {
        let target = HistoryOrigin::Store(self.plan.target.clone());
        let replaces = self.options.on_conflict == OnConflict::Overwrite;
        for of in travelling() {
            let mut pairs = ItemPairs::of(&self.versions_origin(), &target, of, planned.name());
            let mut writes = Vec::new();
            while let Some(pair) = pairs.next().await? {
                let (Some(ours), theirs) = pair else { continue };
                let theirs = theirs.map(|item| item.value);
                if theirs.as_ref() == Some(&ours.value) || (theirs.is_some() && !replaces) {
                    continue;
                }
                writes.push(SystemWrite::new(of, ours.key, theirs, Some(ours.value)));
                if writes.len() == SystemWrite::MAX_AT_ONCE {
                    self.write_items(std::mem::take(&mut writes)).await?;
                }
            }
            self.write_items(writes).await?;
        }
        Ok(())
    }

    async fn write_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        let write = || self.plan.target.write_system_items(writes.clone());
        self.throttle.batch(writes.len(), write).await
    }
}
