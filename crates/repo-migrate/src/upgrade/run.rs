//! An upgrade in place, phase by phase.

use std::sync::Arc;

use futures::{FutureExt as _, TryStreamExt as _};
use repo_core::strategy::not_prepared;
use repo_core::{
    Clock as _, CollectionName, CollectionSchema, Error, ErrorKind, Result, Schemas, SystemClock,
    Timestamp, UpgradePath,
};
use repo_layers::DocumentValidator;

use crate::archive::Archive;
use crate::back_up::{self, BackupOptions};
use crate::check::batch::{BatchChecks, checked_batches};
use crate::job::checkpoint::ArchiveRef;
use crate::job::in_place::InPlace;
use crate::job::lease::Lease;
use crate::plan::refusals;
use crate::progress::{Phase, Progress};
use crate::report::Listed;
use crate::store_reference::StoreReference;
use crate::upgrade::UpgradeOptions;
use crate::upgrade::created;
use crate::upgrade::mark::{self, FoundUpgrade};
use crate::upgrade::path::Upgrading;
use crate::upgrade::report::{Counts, UpgradeOutcome, UpgradeReport};
use crate::upgrade::writer::{With, Writer};
use crate::verify::report::Depth;

/// A run, and what it has found so far.
pub(crate) struct UpgradeRun<'a> {
    side: StoreReference,
    schemas: &'a Schemas,
    schema: CollectionSchema,
    options: &'a UpgradeOptions,
    progress: &'a dyn Progress,
    started_at: Timestamp,
    archive: Option<Archive>,
    resumed_after: Option<u64>,
    warnings: Vec<String>,
}

/// What there is to do.
struct UpgradePlan {
    path: Arc<UpgradePath>,
    validator: Arc<DocumentValidator>,
    /// An unfinished run that is resumed.
    found: Option<FoundUpgrade>,
}

impl<'a> UpgradeRun<'a> {
    pub(crate) fn new(
        side: StoreReference,
        schemas: &'a Schemas,
        options: &'a UpgradeOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            side,
            schemas,
            schema: schemas.get(&options.collection),
            options,
            progress,
            started_at: SystemClock.now(),
            archive: None,
            resumed_after: None,
            warnings: Vec::new(),
        }
    }

    fn name(&self) -> &CollectionName {
        &self.options.collection
    }

    pub(crate) async fn all(mut self) -> Result<UpgradeReport> {
        let plan = self.plan().await?;
        let versions = plan.path.versions();
        if plan.path.is_empty() && plan.found.is_none() {
            return Ok(self.report(UpgradeOutcome::Current, versions, None));
        }
        if self.options.dry_run && plan.found.is_some() {
            let in_place = plan.found.map(|found| found.in_place);
            self.warn("an unfinished run was found: it would be resumed".to_owned());
            return Ok(self.report(UpgradeOutcome::DryRun, versions, in_place));
        }
        let mut checked = Counts::default();
        if plan.found.is_none() {
            let Some(counts) = self.or_stop(self.check(&plan)).await? else {
                return Ok(self.report(UpgradeOutcome::Interrupted, versions, None));
            };
            checked = counts;
        }
        if self.options.dry_run {
            let mut report = self.report(UpgradeOutcome::DryRun, versions, None);
            report.counts = checked;
            return Ok(report);
        }
        let lease = self.hold(&plan).await?;
        let ended = self.write(&plan, &lease).await;
        self.end(lease, versions, ended).await
    }

    /// Looks at the store, and refuses what cannot end well.
    async fn plan(&self) -> Result<UpgradePlan> {
        let (name, to, declared) = (self.name(), self.options.to, self.schema.schema_version);
        let err = |kind, why: &str| {
            self.side.err(Error::new(kind, "upgrade", why)).with("collection", name).with("to", to)
        };
        if self.side.capabilities().read_only && !self.options.dry_run {
            return Err(err(ErrorKind::Unsupported, "the store is open for reading only"));
        }
        if to > declared {
            return Err(err(ErrorKind::ConfigInvalid, "the schema does not reach that version")
                .with("declared", declared)
                .hint("name a version up to the declared one, or raise schemaVersion"));
        }
        let record = self.side.record().await?;
        let prepared = self.side.collections().await?;
        let Some(state) = prepared.get(name).copied() else {
            return Err(not_prepared("upgrade", name, self.side.location(), prepared.keys()));
        };
        let found = mark::find(record.job, self.options, &self.side, self.started_at)?;
        let from = found.as_ref().map_or(state.schema_version, |found| found.in_place.from);
        let Some(path) = self.schema.upgrade_path(from, to) else {
            return Err(err(ErrorKind::Unsupported, "no upgrade leads to that version")
                .with("found", from)
                .with("declared", declared)
                .hint("declare one: `upgrades` in the schema file"));
        };
        if let Some(found) = &found
            && found.checkpoint.upgrades.get(name) != Some(&path.fingerprint())
        {
            let why = "other upgrades are declared now than when the unfinished run began";
            return Err(err(ErrorKind::ConfigInvalid, why)
                .hint("resume with the schema file that it began with"));
        }
        // A schema describes the documents of its own version only.
        let described = if to == declared { self.schema.clone() } else { self.undescribed() };
        let validator = Arc::new(DocumentValidator::new(&described)?);
        Ok(UpgradePlan { path: Arc::new(path), validator, found })
    }

    fn undescribed(&self) -> CollectionSchema {
        CollectionSchema { json_schema: None, ..self.schema.clone() }
    }

    fn look(&self, plan: &UpgradePlan) -> BatchChecks {
        BatchChecks {
            schema: self.schema.clone(),
            max_entity_bytes: self.side.capabilities().max_entity_bytes,
            lines: false,
            references: false,
            depth: Depth::Complete,
            upgrade: Some(Arc::clone(&plan.path)),
            validator: Some(Arc::clone(&plan.validator)),
        }
    }

    /// Upgrades every document, and keeps none of it.
    async fn check(&self, plan: &UpgradePlan) -> Result<Counts> {
        let live = self.side.count(self.name()).await?;
        self.progress.phase(Phase::Check, Some(live));
        let (mut counts, mut offenders) = (Counts::default(), Listed::default());
        let batch_size = self.options.batch_size;
        let mut batches = checked_batches(&self.side, self.look(plan), batch_size).await?;
        while let Some(batch) = batches.try_next().await? {
            counts.records += batch.records.len() as u64;
            counts.tombstones += batch.records.iter().filter(|one| !one.is_live()).count() as u64;
            for left_out in batch.left_out() {
                offenders.push(&left_out.to_string());
            }
            self.progress.advance(self.name(), batch.records.len() as u64);
        }
        refusals::not_upgradable(&self.side, self.name(), offenders)?;
        counts.upgraded = counts.records - counts.tombstones;
        Ok(counts)
    }

    /// Sets the mark, or takes over the one that is there.
    async fn hold(&mut self, plan: &UpgradePlan) -> Result<Lease> {
        let (from, to) = (plan.path.from(), plan.path.to());
        let job = mark::job_of(&self.side, self.name(), from, to)?;
        let (stored, checkpoint) = match &plan.found {
            Some(found) => {
                let done = found.in_place.done;
                self.resumed_after = Some(done);
                self.warn(format!(
                    "an unfinished run was found and is resumed after {done} records{}",
                    found.taken
                ));
                (Some(found.stored.clone()), found.checkpoint.clone())
            }
            None => (None, mark::new(&self.side, &plan.path, self.name(), self.started_at)),
        };
        Lease::take(&self.side, job, stored, checkpoint).await
    }

    /// Archives, writes, and records the new version. What was created by
    /// others meanwhile; none when it was asked to end.
    async fn write(&mut self, plan: &UpgradePlan, lease: &Lease) -> Result<Option<Listed>> {
        let Some(archive) = self.or_stop(self.archived(lease)).await? else { return Ok(None) };
        self.archive = Some(archive.clone());
        self.progress.phase(Phase::Upgrade, Some(archive.manifest().records()));
        let with = With {
            side: &self.side,
            schema: &self.schema,
            path: &plan.path,
            validator: &plan.validator,
            archive: &archive,
            lease,
            options: self.options,
            progress: self.progress,
        };
        if !Writer::new(with).await?.all().await? {
            return Ok(None);
        }
        self.progress.phase(Phase::Verify, Some(archive.manifest().records()));
        let work = created::find(&self.side, self.name(), &archive, self.progress);
        let Some(created) = self.or_stop(work).await? else { return Ok(None) };
        // The last write: from here on the documents count as upgraded.
        let schema_version = self.options.to;
        let schema = CollectionSchema { schema_version, ..self.schema.clone() };
        self.side.prepare(&[schema]).await?;
        Ok(Some(created))
    }

    /// The archive of the collection as it was: the one that the mark names,
    /// or a new one, named by the mark before anything is written.
    async fn archived(&self, lease: &Lease) -> Result<Archive> {
        if let Some(kept) = lease.checkpoint().await.archive {
            let archive = kept.open().await.map_err(|error| {
                error.hint(
                    "the archive shows which entities are upgraded: put it back where it was, \
                     and give the same command again",
                )
            })?;
            self.progress.phase(Phase::BackupCheck, Some(archive.manifest().records()));
            archive.read_back(&Upgrading::new(), self.progress).await?;
            return Ok(archive);
        }
        let options = BackupOptions {
            without_history: false,
            collections: Some(vec![self.name().clone()]),
            folder: self.options.backup.clone(),
            compression: self.options.compression,
            batch_size: self.options.batch_size,
        };
        let archive = back_up::make(&self.side, self.schemas, &options, self.progress).await?;
        lease
            .save(|checkpoint| {
                checkpoint.archive = Some(ArchiveRef::to(&archive));
                if let Some(in_place) = &mut checkpoint.in_place {
                    in_place.of = archive.manifest().records();
                }
            })
            .await?;
        Ok(archive)
    }

    /// Takes the mark off, or gives it back for the same call to resume.
    async fn end(
        self,
        lease: Lease,
        versions: Vec<u32>,
        ended: Result<Option<Listed>>,
    ) -> Result<UpgradeReport> {
        let checkpoint = lease.checkpoint().await;
        // Without an archive nothing was written, and nothing is to be gone
        // on with.
        let done = matches!(ended, Ok(Some(_))) || checkpoint.archive.is_none();
        let closed = if done { lease.finish().await } else { lease.give_back().await };
        let created = match ended {
            Ok(created) => created,
            Err(error) => return Err(self.explain(error)),
        };
        if done {
            closed?;
        } else if let Err(error) = closed {
            tracing::warn!(%error, "the lock of the upgrade could not be given back");
        }
        let in_place = checkpoint.in_place;
        let Some(created) = created else {
            return Ok(self.report(UpgradeOutcome::Interrupted, versions, in_place));
        };
        let mut report = self.report(UpgradeOutcome::Upgraded, versions, in_place);
        if report.left.count + created.count > 0 {
            report.outcome = UpgradeOutcome::Partly;
        }
        report.created = created;
        Ok(report)
    }

    fn explain(&self, error: Error) -> Error {
        let Some(archive) = &self.archive else { return error };
        let error = error.with("backup", archive.path().display());
        match error.hint_text() {
            Some(_) => error,
            None => error.hint("what was written stays; the same command resumes from there"),
        }
    }

    fn warn(&mut self, text: String) {
        self.progress.warning(&text);
        self.warnings.push(text);
    }

    /// Does some work, or leaves it when the run is to end: then `None`.
    async fn or_stop<T>(&self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        if self.progress.stopped().now_or_never().is_some() {
            return Ok(None);
        }
        tokio::select! {
            biased;
            () = self.progress.stopped() => Ok(None),
            done = work => done.map(Some),
        }
    }

    fn report(
        &self,
        outcome: UpgradeOutcome,
        versions: Vec<u32>,
        in_place: Option<InPlace>,
    ) -> UpgradeReport {
        UpgradeReport {
            outcome,
            store: self.side.location().to_owned(),
            collection: self.name().clone(),
            versions,
            started_at: self.started_at,
            finished_at: SystemClock.now(),
            resumed_after: self.resumed_after,
            counts: in_place.as_ref().map(|it| it.counts).unwrap_or_default(),
            left: in_place.map(|it| it.left).unwrap_or_default(),
            created: Listed::default(),
            backup: self.archive.as_ref().map(|archive| archive.path().to_owned()),
            warnings: self.warnings.clone(),
        }
    }
}
