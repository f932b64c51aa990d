//! What is to be moved, and everything that can be known without reading the
//! records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use repo_core::strategy::{
    CollectionState, JobFingerprint, JobId, JobKind, Record, UnfinishedJob, did_you_mean,
};
use repo_core::{
    CollectionName, CollectionSchema, Error, ErrorKind, Result, Schemas, Timestamp, UpgradePath,
};

use crate::MigrationOptions;
use crate::archive::Archive;
use crate::cleanup::mark;
use crate::history::planned::{Histories, PlannedHistory};
use crate::history::reader::HistoryOrigin;
use crate::job::unfinished::refuse_mixed;
use crate::job::unfinished::{self, FoundMigration};
use crate::plan::sameness::Evidence;
use crate::plan::space;
use crate::remedy::Remedy;
use crate::store_reference::StoreReference;
use crate::upgrade::path::{self, Upgrading};
use crate::verify::digest::Fingerprint;
use crate::verify::report::Depth;

/// What a run is for. Both do the same; they differ in words, and an archive
/// is not asked for what it cannot find quickly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// From a store into another.
    Migrate,
    /// From an archive into a store.
    Restore,
}

impl Purpose {
    /// The operation, in errors.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Restore => "restore",
        }
    }
}

/// A migration that may begin.
#[derive(Debug)]
pub(crate) struct MigrationPlan {
    pub(crate) purpose: Purpose,
    pub(crate) source: StoreReference,
    pub(crate) target: StoreReference,
    /// By name.
    pub(crate) collections: Vec<PlannedCollection>,
    /// Everything that is prepared in the source, chosen or not.
    pub(crate) source_collections: BTreeMap<CollectionName, CollectionState>,
    /// What is compared of each record.
    pub(crate) depth: Depth,
    /// Tells this plan from others.
    pub(crate) fingerprint: JobFingerprint,
    /// The collections that were named; none when all were meant.
    pub(crate) named: Option<BTreeSet<CollectionName>>,
    /// An unfinished migration on the target that this run may take.
    pub(crate) found: Option<FoundMigration>,
    /// Whether that is a run of this plan: the target may hold parts of it.
    pub(crate) unfinished: bool,
    pub(crate) warnings: Vec<String>,
    /// Whether both sides are known to be two stores.
    pub(crate) evidence: Evidence,
    /// The archive that is restored.
    pub(crate) restored: Option<Archive>,
}

/// One collection of a plan.
#[derive(Debug, Clone)]
pub(crate) struct PlannedCollection {
    pub(crate) schema: CollectionSchema,
    pub(crate) source: CollectionState,
    /// `None` when the target has yet to prepare it.
    pub(crate) target: Option<CollectionState>,
    /// Whether the target holds a record of it.
    pub(crate) target_holds: bool,
    /// Live entities in the source, as it counts them.
    pub(crate) live: u64,
    /// How the source's documents become those of the declared schema version;
    /// none when they are.
    pub(crate) upgrade: Option<Arc<UpgradePath>>,
    /// The history that is carried over; none where the source keeps none, and where it
    /// is left behind.
    pub(crate) history: Option<PlannedHistory>,
    /// How many of the engine's own items are carried over.
    pub(crate) items: u64,
}

impl PlannedCollection {
    pub(crate) fn name(&self) -> &CollectionName {
        &self.schema.collection
    }

    /// The schema as the source's documents have it, for archives of them.
    pub(crate) fn source_schema(&self) -> CollectionSchema {
        CollectionSchema { schema_version: self.source.schema_version, ..self.schema.clone() }
    }

    /// Whether the target has yet to keep its history as it is to be kept.
    pub(crate) fn begins_history(&self, own_past: bool, now: Timestamp) -> bool {
        self.history.is_some_and(|history| {
            history.target != Some(history.wanted(self.target_holds, own_past, now))
        })
    }

    pub(crate) fn target_floor(&self) -> u64 {
        self.target.map_or(0, |state| state.floor)
    }
}

impl MigrationPlan {
    /// The job that the target keeps while it is under way.
    pub(crate) fn job(&self) -> JobId {
        JobId::new(JobKind::Migration, self.fingerprint.clone())
    }

    /// Looks at both sides, and refuses what cannot end well.
    pub(crate) async fn make(
        purpose: Purpose,
        (source, target, restored): (StoreReference, StoreReference, Option<Archive>),
        schemas: &Schemas,
        options: &MigrationOptions,
        now: Timestamp,
    ) -> Result<Self> {
        let evidence = Evidence::read(&source, &target).await?;
        evidence.refuse_same(&source, &target, purpose.operation())?;
        check_target(&target, options.dry_run, purpose.operation())?;
        if options.clean_up {
            evidence.refuse_replica(&source, purpose.operation())?;
        }
        let named: Option<BTreeSet<_>> =
            options.collections.as_ref().map(|names| names.iter().cloned().collect());
        let fingerprint = unfinished::plan_of(&source, &target, named.as_ref())?;
        let cleaned = |job: &UnfinishedJob| job.kind() == JobKind::CleanUp;
        if let Some(stored) = source.record().await?.job.filter(cleaned) {
            return Err(mark::unfinished(&source, &stored));
        }
        let stored = target.record().await?.job;
        let found = unfinished::find(&fingerprint, stored, options.restart, &target, now)?;
        let source_collections = source.collections().await?;
        let meant = |name: &CollectionName| named.as_ref().is_none_or(|all| all.contains(name));
        refuse_mixed(&source, meant).await?;
        let asked = options.collections.as_deref();
        let chosen = choose(&source, &source_collections, asked, purpose.operation())?;
        let mut warnings = warnings(&source, found.as_ref()).await?;
        let carried = Histories::of(&source, &target, restored.as_ref(), &chosen, options).await?;
        warnings.extend(carried.warnings());
        if options.clean_up {
            carried.refuse_clean_up(&source, purpose.operation())?;
        }
        if !options.without_history {
            carried.check(&source, &target, purpose.operation()).await?;
        }
        warnings.extend(end_loads(&target, schemas, &chosen, options.dry_run).await?);
        let target_collections = target.collections().await?;
        let mut plan = Self {
            purpose,
            warnings,
            depth: Depth::Complete.without_versions(source.invents_versions().await?),
            source,
            target,
            collections: Vec::new(),
            source_collections,
            fingerprint,
            evidence,
            named,
            unfinished: found.as_ref().is_some_and(|found| found.same_plan),
            found,
            restored,
        };
        for name in chosen {
            let schema = schemas.get(&name);
            let state = target_collections.get(&name).copied();
            let mut planned = plan.look_at(schema, state).await?;
            if !options.without_history {
                (planned.history, planned.items) = carried.planned(&name);
            }
            plan.collections.push(planned);
        }
        Ok(plan)
    }

    /// Whether anything is to be carried over beside the records.
    pub(crate) fn carries_history(&self) -> bool {
        self.collections.iter().any(|planned| planned.history.is_some() || planned.items > 0)
    }

    /// Where the history of the source is read.
    pub(crate) fn history_origin(&self) -> HistoryOrigin {
        HistoryOrigin::of(self.restored.as_ref(), &self.source)
    }

    async fn look_at(
        &self,
        schema: CollectionSchema,
        target: Option<CollectionState>,
    ) -> Result<PlannedCollection> {
        let name = &schema.collection;
        let source = self.source_collections.get(name).copied().unwrap_or_default();
        let target_holds = match target {
            Some(_) => self.target.holds_records(name).await?,
            None => false,
        };
        let live = self.source.count(name).await?;
        let upgrade = path::way(&schema, &self.source, source.schema_version)?;
        if let Some(state) = target {
            check_target_version(&schema, &self.target, state.schema_version, target_holds)?;
        }
        let (history, items) = (None, 0);
        Ok(PlannedCollection {
            schema,
            source,
            target,
            target_holds,
            live,
            upgrade,
            history,
            items,
        })
    }

    /// Checks that the disk of `folder` has room for the archive of the
    /// source, and, where `target_too`, for the target's.
    ///
    /// # Errors
    /// `LimitExceeded` when it has not, as far as can be estimated.
    pub(crate) async fn check_space(&self, folder: &Path, target_too: bool) -> Result<()> {
        let mut needed = 0_u64;
        for planned in &self.collections {
            let estimate = space::estimate(&self.source, &planned.schema, planned.live).await?;
            needed = needed.saturating_add(estimate);
            if planned.target_holds && target_too {
                let live = self.target.count(planned.name()).await?;
                let estimate = space::estimate(&self.target, &planned.schema, live).await?;
                needed = needed.saturating_add(estimate);
            }
        }
        space::check(folder, needed).await
    }

    /// What a record adds to the sums that are compared; `None` where it does
    /// not count.
    pub(crate) fn print(&self, record: &Record) -> Option<Fingerprint> {
        self.depth.counts(record).then(|| Fingerprint::to(self.depth, record))
    }

    /// The collections whose documents are upgraded.
    pub(crate) fn upgrading(&self) -> Upgrading {
        let way =
            |planned: &PlannedCollection| Some((planned.name().clone(), planned.upgrade.clone()?));
        self.collections.iter().filter_map(way).collect()
    }

    /// The chosen collections as the target is to have them.
    pub(crate) fn schemas(&self) -> Vec<CollectionSchema> {
        self.collections.iter().map(|planned| planned.schema.clone()).collect()
    }

    /// Live entities in the chosen collections of the source.
    pub(crate) fn live_total(&self) -> u64 {
        self.collections.iter().map(|planned| planned.live).sum()
    }

    /// Whether nothing in the target can be in the way.
    pub(crate) fn target_is_empty(&self) -> bool {
        self.collections.iter().all(|planned| !planned.target_holds)
    }
}

fn check_target(target: &StoreReference, dry_run: bool, operation: &'static str) -> Result<()> {
    if let Some(words) = target.foreign() {
        return Err(Error::new(ErrorKind::Foreign, operation, format!("the target is {words}"))
            .with("side", "target")
            .with("store", target.location())
            .hint("they can only be a source; name another target"));
    }
    if target.capabilities().read_only && !dry_run {
        return Err(Error::new(
            ErrorKind::Unsupported,
            operation,
            "the target is open for reading only",
        )
        .with("side", "target")
        .with("store", target.location()));
    }
    Ok(())
}

/// Ends the loads of the chosen collections that an earlier run left open:
/// what the target holds can be read only then. A dry run says so instead.
async fn end_loads(
    target: &StoreReference,
    schemas: &Schemas,
    chosen: &[CollectionName],
    dry_run: bool,
) -> Result<Vec<String>> {
    let loading = target.record().await?.loading;
    let mut warnings = Vec::new();
    for (name, state) in loading.into_iter().filter(|(name, _)| chosen.contains(name)) {
        if dry_run {
            warnings.push(format!(
                "a load of {name} into the target was begun and has not ended: what it brought \
                 is not counted here"
            ));
            continue;
        }
        // As its records are: the run itself decides about their version.
        let schema_version = state.schema_version;
        let schema = CollectionSchema { schema_version, ..schemas.get(&name) };
        target.prepare(std::slice::from_ref(&schema)).await?;
    }
    Ok(warnings)
}

async fn warnings(source: &StoreReference, found: Option<&FoundMigration>) -> Result<Vec<String>> {
    let mut warnings: Vec<String> = found.map(|found| found.warning.clone()).into_iter().collect();
    warnings.extend(source.foreign().map(|words| format!("the source is {words}")));
    let record = source.record().await?;
    if record.job.is_some() {
        warnings.push(
            "the source is itself the target of an unfinished migration: it may lack records"
                .to_owned(),
        );
    }
    Ok(warnings)
}

/// The names that were asked for, or all; each once, in order.
pub(crate) fn choose(
    source: &StoreReference,
    held: &BTreeMap<CollectionName, CollectionState>,
    asked: Option<&[CollectionName]>,
    operation: &'static str,
) -> Result<Vec<CollectionName>> {
    let refuse = |kind, why: &str| source.err(Error::new(kind, operation, why));
    let Some(asked) = asked else {
        if held.is_empty() {
            return Err(refuse(ErrorKind::NotFound, "the store holds no collection"));
        }
        return Ok(held.keys().cloned().collect());
    };
    if asked.is_empty() {
        return Err(refuse(ErrorKind::ConfigInvalid, "no collection was named"));
    }
    if let Some(unknown) = asked.iter().find(|name| !held.contains_key(*name)) {
        return Err(unknown_collection(
            refuse(ErrorKind::ConfigInvalid, "the store holds no such collection"),
            unknown,
            held.keys(),
        ));
    }
    let mut names = asked.to_vec();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Names an unknown collection and the known one that is most like it.
pub(crate) fn unknown_collection<'a>(
    error: Error,
    unknown: &CollectionName,
    known: impl Iterator<Item = &'a CollectionName>,
) -> Error {
    let error = error.with("collection", unknown);
    match did_you_mean(unknown.as_str(), known.map(CollectionName::as_str)) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Documents of another shape would stand beside those that arrive. A store
/// without records may be behind: it is brought up to date.
fn check_target_version(
    schema: &CollectionSchema,
    side: &StoreReference,
    found: u32,
    holds_records: bool,
) -> Result<()> {
    let declared = schema.schema_version;
    if found == declared || (found < declared && !holds_records) {
        return Ok(());
    }
    let error = path::other_version(schema, side, found);
    Err(match schema.upgrade_path(found, declared) {
        Some(_) => error
            .remedy(Remedy::UpgradeFirst { collection: schema.collection.clone(), to: declared }),
        None => error.hint("migrate with the schema files that the store was made with"),
    })
}
