//! One pass over a collection of the source: every record is checked against
//! the target's limits and compared with what the target holds, and its
//! references are looked up. The caller takes the batches on.

use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use repo_core::strategy::{Record, Segment};
use repo_core::{EntityId, Result};

use crate::OnConflict;
use crate::check::batch::{BatchChecks, CheckedBatch, checked_batches};
use crate::check::decide::{Decision, decide};
use crate::history::check::{HistoryCheck, HistoryChecker};
use crate::plan::references::ReferenceCheck;
use crate::plan::{MigrationPlan, PlannedCollection};
use crate::report::{Counts, DanglingReferences, Listed, MAX_NAMED};
use crate::store_reference::HeldRecord;
use crate::verify::digest::{Deltas, Fingerprint, IdCounts, Sums, bucket_of};

/// What a pass over one collection found.
#[derive(Debug)]
pub(crate) struct SourceCheck {
    /// What a run does, or would do.
    pub(crate) counts: Counts,
    pub(crate) replaced: u64,
    pub(crate) raised: u64,
    pub(crate) only_in_target: Listed,
    pub(crate) left_differing: Listed,
    /// Records of the target that are in the way of a run that must meet none.
    pub(crate) conflicts: Listed,
    /// Whether looking for them ended early: there were enough to refuse.
    pub(crate) cut_short: bool,
    /// Entities that the target cannot hold, with the rule that they break.
    pub(crate) offenders: Listed,
    pub(crate) dangling: Vec<DanglingReferences>,
    /// Entities that no archive can hold.
    pub(crate) unarchivable: u64,
    /// Records that the source cannot read.
    pub(crate) unreadable: u64,
    /// The source's records as the target is to hold them.
    pub(crate) sums: Sums,
    /// By how much the target is meant to differ from them.
    pub(crate) deltas: Deltas,
    /// The same of what they were before.
    pub(crate) history: HistoryCheck,
}

/// How a pass is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckOptions {
    pub(crate) batch_size: NonZeroUsize,
    pub(crate) on_conflict: OnConflict,
    /// Whether references are looked up.
    pub(crate) references: bool,
    /// Whether what the target cannot hold is left out.
    pub(crate) quarantine: bool,
    /// Whether older versions are counted also where nothing else needs that.
    pub(crate) counts_versions: bool,
}

impl SourceCheck {
    fn new() -> Self {
        Self {
            counts: Counts::default(),
            replaced: 0,
            raised: 0,
            only_in_target: Listed::default(),
            left_differing: Listed::default(),
            conflicts: Listed::default(),
            cut_short: false,
            offenders: Listed::default(),
            dangling: Vec::new(),
            unarchivable: 0,
            unreadable: 0,
            sums: Sums::new(),
            deltas: Deltas::default(),
            history: HistoryCheck::default(),
        }
    }

    /// What is known of an archive that was checked before, into a target
    /// that held nothing.
    pub(crate) fn of_archive(sums: Sums) -> Self {
        let mut check = Self::new();
        check.counts.read = sums.records;
        check.counts.tombstones = sums.tombstones;
        check.counts.applied = sums.records;
        check.sums = sums;
        check
    }

    fn sort(&mut self) {
        let lists = [
            &mut self.only_in_target,
            &mut self.left_differing,
            &mut self.conflicts,
            &mut self.offenders,
            &mut self.history.left,
            &mut self.history.conflicts,
            &mut self.history.offenders,
        ];
        lists.into_iter().for_each(Listed::sort);
    }

    /// Whether the target lacks nothing.
    pub(crate) fn nothing_to_write(&self) -> bool {
        let past = self.history.versions.applied + self.history.items.applied;
        self.counts.applied + past == 0 && !self.history.attributes
    }

    /// Whether a run leaves something differing on purpose. A version that was
    /// raised above the source's differs from it, where that has one.
    pub(crate) fn leaves_differences(&self, plan: &MigrationPlan) -> bool {
        let raised = if plan.depth.has_versions() { self.raised } else { 0 };
        let left = self.counts.older + self.counts.diverged + self.only_in_target.count;
        left + self.counts.quarantined + raised + self.history.left.count > 0
    }
}

/// One pass over a collection of the source, batch after batch.
pub(crate) struct SourceChecker<'a> {
    plan: &'a MigrationPlan,
    planned: &'a PlannedCollection,
    options: CheckOptions,
    found: SourceCheck,
    /// What the target holds of the ids that were read.
    met: IdCounts,
    references: ReferenceCheck,
    history: Option<HistoryChecker<'a>>,
    batches: BoxStream<'static, Result<CheckedBatch>>,
}

impl<'a> SourceChecker<'a> {
    /// Begins to read. Batches carry the `lines` of their records where these
    /// are to be archived.
    pub(crate) async fn begin(
        plan: &'a MigrationPlan,
        planned: &'a PlannedCollection,
        options: CheckOptions,
        lines: bool,
    ) -> Result<Self> {
        let references = ReferenceCheck::new(
            &planned.schema,
            |name| plan.source_collections.contains_key(name),
            |name| plan.named.as_ref().is_none_or(|named| named.contains(name)),
        );
        let checks = BatchChecks {
            schema: planned.schema.clone(),
            max_entity_bytes: plan.target.capabilities().max_entity_bytes,
            lines,
            references: options.references,
            depth: plan.depth,
            upgrade: planned.upgrade.clone(),
            validator: None,
        };
        let batches = checked_batches(&plan.source, checks, options.batch_size).await?;
        let (found, met) = (SourceCheck::new(), IdCounts::new());
        let counts_versions = options.counts_versions || options.quarantine;
        let history = HistoryChecker::begin(plan, planned, options.on_conflict, counts_versions)?;
        Ok(Self { plan, planned, options, found, met, references, history, batches })
    }

    /// The next batch, checked and counted.
    pub(crate) async fn next(&mut self) -> Result<Option<CheckedBatch>> {
        let Some(batch) = self.batches.try_next().await? else { return Ok(None) };
        let (plan, planned) = (self.plan, self.planned);
        self.found.count(&batch);
        let stored = self.found.stored(plan, planned, &batch, &mut self.met).await?;
        self.found.decide_all(plan, self.options, &batch, &stored)?;
        if let Some(history) = &mut self.history {
            let left_out = batch.offending_ids().filter(|_| self.options.quarantine).collect();
            history.batch(&batch.records, &stored, &left_out, &mut self.found.history).await?;
        }
        self.references.check(&plan.source, &batch.references).await?;
        Ok(Some(batch))
    }

    /// Whether a run may still move what was read so far.
    pub(crate) fn is_movable(&self) -> bool {
        self.found.history.offenders.count == 0
            && (self.options.quarantine || self.found.offenders.count == 0)
    }

    /// What was found, after the last batch.
    pub(crate) async fn finish(self) -> Result<SourceCheck> {
        let Self { plan, planned, options, mut found, met, references, .. } = self;
        found.dangling = references.finish();
        if planned.target_holds {
            found.find_only_in_target(plan, planned, options, &met).await?;
        }
        found.history.compare_items(plan, planned, options.on_conflict).await?;
        found.sort();
        Ok(found)
    }
}

impl SourceCheck {
    /// Counts a batch.
    fn count(&mut self, batch: &CheckedBatch) {
        for (record, print) in batch.records.iter().zip(&batch.prints) {
            self.sums.add(print);
            self.counts.read += 1;
            self.counts.tombstones += u64::from(!record.is_live());
        }
        for offender in &batch.offenders {
            if let Some(record) = batch.records.get(offender.at) {
                self.offenders.push(&format!("{} ({})", record.id(), offender.rule));
            }
            self.unarchivable += u64::from(!offender.archivable);
        }
        let unreadable = batch.unreadable.len() as u64;
        self.counts.read += unreadable;
        self.counts.quarantined += unreadable;
        self.unreadable += unreadable;
        batch.unreadable.iter().for_each(|left_out| self.offenders.push(&left_out.to_string()));
    }

    /// What the target holds under the ids of a batch.
    async fn stored(
        &self,
        plan: &MigrationPlan,
        planned: &PlannedCollection,
        batch: &CheckedBatch,
        met: &mut IdCounts,
    ) -> Result<Vec<Option<Record>>> {
        if !planned.target_holds {
            return Ok(vec![None; batch.records.len()]);
        }
        let ids: Vec<EntityId> = batch.records.iter().map(|record| record.id().clone()).collect();
        let stored = plan.target.get_many(planned.name(), &ids).await?;
        for record in stored.iter().flatten().filter(|record| plan.depth.counts(record)) {
            met.add(bucket_of(record.id()));
        }
        Ok(stored)
    }

    fn decide_all(
        &mut self,
        plan: &MigrationPlan,
        pass: CheckOptions,
        batch: &CheckedBatch,
        stored: &[Option<Record>],
    ) -> Result<()> {
        let all = batch.records.iter().zip(&batch.prints).zip(stored).enumerate();
        for (at, ((record, print), stored)) in all {
            if pass.quarantine && batch.offenders.iter().any(|offender| offender.at == at) {
                self.counts.quarantined += 1;
                let bucket = bucket_of(record.id());
                let stays = stored.as_ref().and_then(|record| plan.print(record));
                self.deltas.expect(bucket, Some(print), stays.as_ref());
            } else {
                self.decide(plan, pass, record, print, stored.as_ref())?;
            }
        }
        Ok(())
    }

    fn decide(
        &mut self,
        plan: &MigrationPlan,
        pass: CheckOptions,
        record: &Record,
        print: &Fingerprint,
        stored: Option<&Record>,
    ) -> Result<()> {
        let id = record.id();
        let bucket = bucket_of(id);
        match decide(record, stored, pass.on_conflict, plan.depth)? {
            Decision::Equal => self.counts.equal += 1,
            Decision::Add(_) => self.counts.applied += 1,
            Decision::Replace(_) => {
                self.counts.applied += 1;
                self.replaced += 1;
                // A run of this plan that was killed may have left it so.
                if !plan.unfinished {
                    self.conflict(plan, record, stored);
                }
            }
            Decision::Raise(raised) => {
                self.counts.applied += 1;
                self.replaced += 1;
                self.raised += 1;
                self.deltas.expect(bucket, Some(print), plan.print(&raised).as_ref());
            }
            decision @ (Decision::Older | Decision::Diverged) => {
                let older = decision == Decision::Older;
                self.counts.older += u64::from(older);
                self.counts.diverged += u64::from(!older);
                self.conflict(plan, record, stored);
                // A run of this plan that was killed may have raised it.
                let same = stored.is_some_and(|stored| record.same_but_for_version(stored));
                if !(plan.unfinished && same && pass.on_conflict == OnConflict::Overwrite) {
                    self.left_differing.push(id.as_str());
                }
                let stays = stored.and_then(|stored| plan.print(stored));
                self.deltas.expect(bucket, Some(print), stays.as_ref());
            }
        }
        Ok(())
    }

    fn conflict(&mut self, plan: &MigrationPlan, record: &Record, stored: Option<&Record>) {
        let Some(stored) = stored else { return };
        let (ours, theirs) = (record.version(), stored.version());
        let how = if !plan.depth.has_versions() {
            format!("another document than version {theirs} in the target")
        } else if ours == theirs {
            format!("version {ours} on both sides, with other content")
        } else {
            format!("version {ours} in the source, {theirs} in the target")
        };
        self.conflicts.push(&format!("{} ({how})", record.id()));
    }

    /// Finds what only the target holds. Of each bucket of ids it is known how
    /// many of the source's the target holds; where the target holds more, the
    /// source is asked for each of them.
    async fn find_only_in_target(
        &mut self,
        plan: &MigrationPlan,
        planned: &PlannedCollection,
        pass: CheckOptions,
        met: &IdCounts,
    ) -> Result<()> {
        let mut held = IdCounts::new();
        let mut scan = plan.target.scan(planned.name(), Segment::ALL, pass.batch_size).await?;
        while let Some(records) = scan.try_next().await? {
            let counted = records.iter().filter(|record| plan.depth.counts(record));
            counted.for_each(|record| held.add(bucket_of(record.id())));
        }
        if held == *met {
            return Ok(());
        }
        let mut scan = plan.target.scan(planned.name(), Segment::ALL, pass.batch_size).await?;
        while let Some(mut records) = scan.try_next().await? {
            records.retain(|record| {
                plan.depth.counts(record) && held.differs_at(met, bucket_of(record.id()))
            });
            self.ask_source(plan, planned, &records).await?;
            if pass.on_conflict == OnConflict::Fail && self.conflicts.count >= MAX_NAMED as u64 {
                self.cut_short = true;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn ask_source(
        &mut self,
        plan: &MigrationPlan,
        planned: &PlannedCollection,
        records: &[Record],
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let ids: Vec<EntityId> = records.iter().map(|record| record.id().clone()).collect();
        let held = plan.source.held(planned.name(), &ids).await?;
        let alone = records.iter().zip(&held);
        let alone: Vec<Record> = alone
            .filter(|(_, held)| !matches!(held, HeldRecord::Record(_)))
            .map(|(record, _)| record.clone())
            .collect();
        self.history.only_in_target(plan, planned, &alone).await?;
        for (record, held) in records.iter().zip(held) {
            if held == HeldRecord::Unreadable {
                // It is in quarantine, and what the target holds stays.
                let bucket = bucket_of(record.id());
                self.deltas.expect(bucket, None, plan.print(record).as_ref());
            }
            if held == HeldRecord::Nothing {
                self.only_in_target.push(record.id().as_str());
                self.conflicts.push(&format!("{} (only in the target)", record.id()));
                let bucket = bucket_of(record.id());
                self.deltas.expect(bucket, None, plan.print(record).as_ref());
            }
        }
        Ok(())
    }
}
