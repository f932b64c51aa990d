//! What a run will do with the older versions of a collection, and with its items:
//! compared with what the target keeps, before anything is written.

use std::collections::{HashSet, VecDeque};

use repo_core::strategy::{Record, SystemCollection};
use repo_core::{EntityId, Result};

use crate::OnConflict;
use crate::check::decide::{Decision, decide};
use crate::history::items::{ItemPairs, travelling};
use crate::history::pairs::{VersionPair, VersionPairs};
use crate::history::reader::{BatchVersions, HistoryOrigin, HistoryReader, StorePages};
use crate::past::{PastVersion, stored_versions};
use crate::plan::{MigrationPlan, PlannedCollection};
use crate::report::{Carried, Listed};
use crate::store_reference::StoreReference;
use crate::verify::digest::{Deltas, Fingerprint, bucket_of};
use crate::verify::report::Depth;

/// The largest entity that a side holds, in bytes.
fn limit(side: &StoreReference) -> usize {
    side.capabilities().max_entity_bytes
}

/// What was found of the history of one collection.
#[derive(Debug, Default)]
pub(crate) struct HistoryCheck {
    /// Older versions. Not counted where the target holds nothing that they could meet.
    pub(crate) versions: Carried,
    pub(crate) items: Carried,
    /// What is in the way of a run that must meet nothing else.
    pub(crate) conflicts: Listed,
    /// What stays as the target has it.
    pub(crate) left: Listed,
    /// Versions that the target cannot hold.
    pub(crate) offenders: Listed,
    /// Whether the target held what the source does not know of.
    pub(crate) own_past: bool,
    /// Whether it is to be written who wrote a version that the target has.
    pub(crate) attributes: bool,
    /// Whether an item of the target is going to change.
    pub(crate) replaces_items: bool,
    /// By how much the target's versions are meant to differ from the source's.
    pub(crate) deltas: Deltas,
}

/// A pass over the history of one collection, beside that over its records.
pub(crate) struct HistoryChecker<'a> {
    plan: &'a MigrationPlan,
    planned: &'a PlannedCollection,
    on_conflict: OnConflict,
    reader: HistoryReader,
}

impl<'a> HistoryChecker<'a> {
    /// Begins, where there is something to find out.
    pub(crate) fn begin(
        plan: &'a MigrationPlan,
        planned: &'a PlannedCollection,
        on_conflict: OnConflict,
        counts_all: bool,
    ) -> Result<Option<Self>> {
        let may_be_too_large = limit(&plan.target) < limit(&plan.source);
        let looks = planned.target_holds || counts_all || may_be_too_large;
        if planned.history.is_none() || !looks {
            return Ok(None);
        }
        let reader = HistoryReader::begin(&plan.history_origin(), planned.name())?;
        Ok(Some(Self { plan, planned, on_conflict, reader }))
    }

    /// Looks at the past of a batch, given what the target holds under its ids; `left_out`
    /// does not get there.
    pub(crate) async fn batch(
        &mut self,
        records: &[Record],
        stored: &[Option<Record>],
        left_out: &HashSet<&EntityId>,
        found: &mut HistoryCheck,
    ) -> Result<()> {
        let mut fates = Fates::default();
        for (record, stored) in records.iter().zip(stored) {
            let left_out = left_out.contains(record.id());
            fates.add(self, record, stored.as_ref(), left_out)?;
        }
        found.own_past |= fates.own_past;
        let held: Vec<Record> = stored.iter().flatten().cloned().collect();
        let target = target_pages(self.plan, self.planned, &held);
        let source = self.reader.of(stored_versions(records), |_| true);
        let ids = records.iter().map(Record::id);
        let replaced = std::mem::take(&mut fates.replaced);
        let mut pairs = VersionPairs::of(ids, Some(source), target, replaced);
        while let Some(pair) = pairs.next().await? {
            found.see(self.plan, self.planned, &fates, pair);
        }
        Ok(())
    }
}

/// What becomes of the records of a batch.
#[derive(Default)]
struct Fates {
    /// What the run replaces, which the target keeps.
    replaced: VecDeque<PastVersion>,
    /// Those that do not get there, and are not there.
    gone: HashSet<EntityId>,
    /// Those of which the target has the source's version afterwards.
    carried: HashSet<EntityId>,
    own_past: bool,
}

impl Fates {
    fn add(
        &mut self,
        checker: &HistoryChecker<'_>,
        record: &Record,
        stored: Option<&Record>,
        left_out: bool,
    ) -> Result<()> {
        if left_out {
            self.gone.extend(stored.is_none().then(|| record.id().clone()));
            return Ok(());
        }
        let decision = decide(record, stored, checker.on_conflict, checker.plan.depth)?;
        if let (Decision::Replace(_) | Decision::Raise(_), Some(stored)) = (&decision, stored) {
            self.replaced.push_back(PastVersion::older(stored.clone().into(), None));
        }
        let same_time = stored.is_some_and(|stored| stored.updated_at() == record.updated_at());
        let carried = match decision {
            Decision::Add(_) | Decision::Replace(_) => true,
            Decision::Equal => same_time,
            Decision::Raise(_) | Decision::Older | Decision::Diverged => {
                self.own_past = true;
                false
            }
        };
        self.carried.extend(carried.then(|| record.id().clone()));
        Ok(())
    }
}

/// What the target keeps of the past of these records.
fn target_pages(
    plan: &MigrationPlan,
    planned: &PlannedCollection,
    of: &[Record],
) -> Option<BatchVersions<'static>> {
    planned.history.as_ref()?.target?;
    let pages = StorePages::of(&plan.target, planned.name(), stored_versions(of));
    Some(BatchVersions::Store(pages))
}

/// What becomes of a version that both sides know, or one of them.
enum Meeting {
    /// It is written, or who wrote it is.
    Applied,
    /// Both say the same.
    Equal,
    /// The target stays as it is, and differs: on purpose.
    Left,
    /// So it does, and the two contradict each other.
    Contradiction,
    /// Only the target knows of it.
    OnlyThere,
}

fn meeting(fates: &Fates, ours: Option<&PastVersion>, theirs: Option<&PastVersion>) -> Meeting {
    let (ours, theirs) = match (ours, theirs) {
        (None, _) => return Meeting::OnlyThere,
        (Some(ours), None) if ours.state.is_none() && !fates.carried.contains(&ours.id) => {
            return Meeting::Left;
        }
        (Some(ours), None) if fates.gone.contains(&ours.id) => return Meeting::Left,
        (Some(_), None) => return Meeting::Applied,
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    match ours.same_content(theirs) {
        true if ours.by == theirs.by => Meeting::Equal,
        true if theirs.by.is_none() => Meeting::Applied,
        true => Meeting::Left,
        // What retention removed on one of them is no contradiction, nor is it where one
        // of them says only who wrote it.
        false if ours.is_removed() || theirs.is_removed() => Meeting::Left,
        false if ours.state.is_none() || theirs.state.is_none() => Meeting::Left,
        false => Meeting::Contradiction,
    }
}

impl HistoryCheck {
    fn see(
        &mut self,
        plan: &MigrationPlan,
        planned: &PlannedCollection,
        fates: &Fates,
        (ours, theirs): VersionPair,
    ) {
        let meeting = meeting(fates, ours.as_ref(), theirs.as_ref());
        let Some(one) = ours.as_ref().or(theirs.as_ref()) else { return };
        let is_older = one.state.is_some();
        if !matches!(meeting, Meeting::Applied | Meeting::Equal) {
            let print = |version: &PastVersion| {
                Fingerprint::of_version(Depth::Complete, planned.name(), version)
            };
            let (ours, theirs) = (ours.as_ref().map(print), theirs.as_ref().map(print));
            self.deltas.expect(bucket_of(&one.id), ours.as_ref(), theirs.as_ref());
        }
        self.own_past |= match meeting {
            Meeting::OnlyThere => is_older,
            Meeting::Contradiction => true,
            Meeting::Applied | Meeting::Equal | Meeting::Left => false,
        };
        match meeting {
            Meeting::Applied if theirs.is_none() && one.bytes() > limit(&plan.target) => {
                self.offenders.push(&format!("{} (version {})", one.id, one.version));
            }
            Meeting::Contradiction => self.contradict(one),
            _ => {}
        }
        self.count(&meeting, is_older, theirs.as_ref());
    }

    fn count(&mut self, meeting: &Meeting, is_older: bool, theirs: Option<&PastVersion>) {
        // Only who wrote it is to be written.
        let named = matches!(meeting, Meeting::Applied) && (!is_older || theirs.is_some());
        self.attributes |= named;
        if !is_older {
            return;
        }
        match meeting {
            Meeting::OnlyThere => return,
            Meeting::Applied if !named => self.versions.applied += 1,
            Meeting::Applied | Meeting::Equal => self.versions.equal += 1,
            Meeting::Left | Meeting::Contradiction => self.versions.left += 1,
        }
        self.versions.read += 1;
    }

    /// Both sides say something else of one version.
    fn contradict(&mut self, ours: &PastVersion) {
        let name = format!("{} (version {})", ours.id, ours.version);
        self.left.push(&name);
        self.conflicts.push(&format!(
            "{} (version {} was something else in the target)",
            ours.id, ours.version
        ));
    }

    /// What only the target holds keeps its past.
    pub(crate) async fn only_in_target(
        &mut self,
        plan: &MigrationPlan,
        planned: &PlannedCollection,
        records: &[Record],
    ) -> Result<()> {
        if planned.history.is_none() || records.is_empty() {
            return Ok(());
        }
        self.own_past = true;
        let Some(mut pages) = target_pages(plan, planned, records) else {
            return Ok(());
        };
        while let Some(page) = pages.next().await? {
            for version in page {
                let print = Fingerprint::of_version(Depth::Complete, planned.name(), &version);
                self.deltas.expect(bucket_of(&version.id), None, Some(&print));
            }
        }
        Ok(())
    }

    /// Compares the items of both sides.
    pub(crate) async fn compare_items(
        &mut self,
        plan: &MigrationPlan,
        planned: &PlannedCollection,
        on_conflict: OnConflict,
    ) -> Result<()> {
        if planned.items == 0 {
            return Ok(());
        }
        let target = HistoryOrigin::Store(plan.target.clone());
        for of in travelling() {
            let mut pairs = ItemPairs::of(&plan.history_origin(), &target, of, planned.name());
            while let Some(pair) = pairs.next().await? {
                let (Some(ours), theirs) = pair else { continue };
                self.items.read += 1;
                match theirs {
                    None => self.items.applied += 1,
                    Some(theirs) if theirs.value == ours.value => self.items.equal += 1,
                    Some(_) => self.meet_item(of, &ours.key, on_conflict),
                }
            }
        }
        Ok(())
    }

    fn meet_item(&mut self, of: SystemCollection, key: &str, on_conflict: OnConflict) {
        self.conflicts.push(&format!("{of} {key} (something else in the target)"));
        if on_conflict == OnConflict::Overwrite {
            self.items.applied += 1;
            self.replaces_items = true;
        } else {
            self.items.left += 1;
            self.left.push(&format!("{of} {key}"));
        }
    }
}
