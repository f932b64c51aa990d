//! Archives of stores: those that are made before the first write to the
//! target, and those that somebody asked for.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use repo_core::strategy::{StorageStrategy, SystemCollection, SystemItem};
use repo_core::{
    Clock as _, CollectionName, CollectionSchema, EntityId, Error, ErrorKind, Result, Schemas,
    SystemClock, Timestamp, UpgradePath,
};

use crate::archive::filling::{add, add_items, append, append_versions, begin, close, finish};
use crate::archive::{Archive, ArchiveWriter, CollectionWriter, Role, WrittenCollection};
use crate::blobs::archived::{BlobBackup, add_blobs};
use crate::blobs::named::names_blobs;
use crate::blobs::record;
use crate::check::batch::{BatchChecks, checked_batches};
use crate::check::source_checks::{CheckOptions, SourceCheck, SourceChecker};
use crate::copy::quarantine::{LeftOut, Quarantine};
use crate::history::items::all_of;
use crate::history::reader::StorePages;
use crate::job::unfinished::refuse_mixed;
use crate::options::CompressionLevel;
use crate::past::StoredVersion;
use crate::plan::space;
use crate::plan::{self, MigrationPlan, PlannedCollection};
use crate::progress::{Phase, Progress};
use crate::remedy::Remedy;
use crate::store_reference::{StoreReference, blocking};
use crate::verify::digest::Sums;
use crate::verify::report::Depth;

/// Where and how an archive is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArchiveOptions<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) now: Timestamp,
    pub(crate) compression: CompressionLevel,
    pub(crate) batch_size: NonZeroUsize,
    /// Whether an entity that cannot be archived is left out: it is in
    /// quarantine.
    pub(crate) leaves_out: bool,
}

impl ArchiveOptions<'_> {
    /// Begins an archive.
    async fn create(self, role: Role, side: &StoreReference) -> Result<ArchiveWriter> {
        let (folder, store) = (self.folder.to_owned(), side.location().to_owned());
        let (now, compression) = (self.now, self.compression);
        blocking(move || ArchiveWriter::create(&folder, role, &store, now, compression)).await
    }
}

/// How a store is to be backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupOptions {
    /// Which collections; `None` means every collection of the store.
    pub collections: Option<Vec<CollectionName>>,
    /// The folder in which the archive gets a folder of its own.
    pub folder: PathBuf,
    /// How hard it is compressed.
    pub compression: CompressionLevel,
    /// Records read at a time.
    pub batch_size: NonZeroUsize,
    /// Whether older versions, tags and what else belongs to them are left out.
    pub without_history: bool,
}

impl BackupOptions {
    /// Everything that a store holds, into this folder.
    #[must_use]
    pub fn whole(folder: PathBuf, batch_size: NonZeroUsize) -> Self {
        let compression = CompressionLevel::default();
        Self { collections: None, folder, compression, batch_size, without_history: false }
    }
}

/// Writes everything that a store holds into an archive and reads that back.
/// The store is only read. `schemas` is what the archive keeps of the
/// collections' declarations.
///
/// # Errors
/// `ConfigInvalid` for an unknown collection; `LimitExceeded` when the disk has
/// no room; `Invalid` when a document breaks a rule of its collection;
/// `Corrupt` when the archive does not read back; what the store refuses.
pub async fn back_up(
    store: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<Archive> {
    let side = StoreReference::only(store);
    let asked = options.collections.as_deref();
    refuse_mixed(&side, |name| asked.is_none_or(|names| names.contains(name))).await?;
    make(&side, schemas, options, progress).await
}

/// As [`back_up`], but records that a store which was opened to
/// [read past them](repo_core::strategy::OnUnreadable) cannot read go to `aside`.
///
/// # Errors
/// As [`back_up`], and what the file system refuses.
pub async fn back_up_what_can_be_read(
    store: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &BackupOptions,
    aside: Quarantine,
    progress: &dyn Progress,
) -> Result<(Archive, Quarantine)> {
    let side = StoreReference::only(store);
    let asked = options.collections.as_deref();
    refuse_mixed(&side, |name| asked.is_none_or(|names| names.contains(name))).await?;
    let mut aside = Some(aside);
    let archive =
        Box::pin(make_past(&side, schemas, options, (&mut aside, None), progress)).await?;
    let gone = || Error::new(ErrorKind::Unavailable, "back up", "the quarantine file was lost");
    Ok((archive, aside.ok_or_else(gone)?))
}

/// Writes everything that a store holds into an archive and reads that back.
pub(crate) async fn make(
    side: &StoreReference,
    schemas: &Schemas,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<Archive> {
    Box::pin(make_past(side, schemas, options, (&mut None, None), progress)).await
}

/// As [`back_up`], with the blobs that the records of the collection `blobs` are about: their
/// bytes, or their digests. Each is read and compared with its record.
///
/// # Errors
/// Those of `back_up`. `Corrupt` when a blob is missing or differs, with its key;
/// `ConfigInvalid` where a record names a blob store that is not given; `NotFound` where the
/// store has no collection `blobs`. There is no archive then.
#[cfg(feature = "blobs")]
pub async fn back_up_with_blobs(
    store: &Arc<dyn StorageStrategy>,
    schemas: &Schemas,
    options: &BackupOptions,
    blobs: &BlobBackup,
    progress: &dyn Progress,
) -> Result<Archive> {
    let side = StoreReference::only(store);
    let asked = options.collections.as_deref();
    let name = record::collection()?;
    if asked.is_some_and(|names| !names.contains(&name)) {
        let message = "blobs are to be backed up, and the collection of their records is not";
        return Err(Error::new(ErrorKind::ConfigInvalid, "back up", message)
            .with("collection", name)
            .hint("name the collection blobs as well, or leave the blobs out"));
    }
    refuse_mixed(&side, |name| asked.is_none_or(|names| names.contains(name))).await?;
    Box::pin(make_past(&side, schemas, options, (&mut None, Some(blobs)), progress)).await
}

async fn make_past(
    side: &StoreReference,
    schemas: &Schemas,
    options: &BackupOptions,
    (aside, blobs): (&mut Option<Quarantine>, Option<&BlobBackup>),
    progress: &dyn Progress,
) -> Result<Archive> {
    let held = side.collections().await?;
    let names = plan::choose(side, &held, options.collections.as_deref(), "back up")?;
    let (mut total, mut needed) = (0, 0_u64);
    for name in &names {
        let live = side.count(name).await?;
        total += live;
        needed = needed.saturating_add(space::estimate(side, &schemas.get(name), live).await?);
    }
    space::check(&options.folder, needed).await?;
    progress.phase(Phase::Backup, Some(total));
    let BackupOptions { folder, compression, batch_size, .. } = options;
    let (now, compression, batch_size) = (SystemClock.now(), *compression, *batch_size);
    let making = ArchiveOptions { folder, now, compression, batch_size, leaves_out: false };
    let mut writer = making.create(Role::Store, side).await?;
    let mut histories = side.record().await?.history;
    histories.retain(|_, _| !options.without_history);
    for name in &names {
        let state = held.get(name).copied().unwrap_or_default();
        let schema = CollectionSchema { schema_version: state.schema_version, ..schemas.get(name) };
        let history = histories.get(name).copied();
        let (open, file) = begin(writer, &schema, state.floor, history).await?;
        writer = open;
        let mut sums = Sums::new();
        let whole = (None, Depth::Complete);
        let to = ArchiveSink { file, aside: &mut *aside, with_history: history.is_some() };
        let archived = archive(side, &schema, whole, making, &mut sums, to, progress);
        writer = add(writer, archived.await?).await?;
    }
    if !options.without_history {
        writer = add_items(writer, all_of(side, &names)).await?;
    }
    writer = match blobs {
        Some(blobs) => Box::pin(add_blobs(writer, side, blobs, progress)).await?,
        None => writer,
    };
    let is_blobs = |name: &CollectionName| name.as_str() == record::COLLECTION;
    if blobs.is_none() && names.iter().any(is_blobs) && names_blobs(side).await? {
        progress.warning(
            "records of the collection blobs name blobs, and the archive holds none of them",
        );
    }
    let archive = close(writer).await?;
    progress.phase(Phase::BackupCheck, Some(archive.manifest().records()));
    archive.verify(progress).await?;
    Ok(archive)
}

/// Checks the source and archives it in the same pass. No archive when an
/// entity was found that the target cannot hold.
pub(crate) async fn check_into_archive(
    plan: &MigrationPlan,
    pass: CheckOptions,
    making: ArchiveOptions<'_>,
    quarantine: &mut Option<Quarantine>,
    progress: &dyn Progress,
) -> Result<(Vec<SourceCheck>, Option<Archive>)> {
    let mut writer = making.create(Role::Source, &plan.source).await?;
    let mut checks = Vec::new();
    for planned in &plan.collections {
        let (schema, floor) = (planned.source_schema(), planned.source.floor);
        let history = planned.history.map(|history| history.source);
        let (open, file) = begin(writer, &schema, floor, history).await?;
        writer = open;
        let mut checker = SourceChecker::begin(plan, planned, pass, true).await?;
        let (mut file, mut sums) = (Some(file), Sums::new());
        let mut versions = Sums::new();
        while let Some(batch) = checker.next().await? {
            batch.archived().for_each(|print| sums.add(print));
            progress.advance(planned.name(), batch.records.len() as u64);
            batch.set_aside(quarantine, &planned.schema).await?;
            if let Some(open) = file.take().filter(|_| checker.is_movable()) {
                let of = batch.archived_ids();
                let open = append(open, batch.lines).await?;
                file = Some(match history {
                    Some(_) => add_past(&plan.source, &schema, of, open, &mut versions).await?,
                    None => open,
                });
            }
        }
        if let Some(file) = file {
            writer = add(writer, finish(file, &sums, &versions).await?).await?;
        }
        checks.push(checker.finish().await?);
    }
    let refused = checks.iter().any(|check| {
        check.history.offenders.count > 0 || (!pass.quarantine && check.offenders.count > 0)
    });
    if refused {
        return Ok((checks, None));
    }
    writer = add_items(writer, planned_items(plan, &plan.source)).await?;
    Ok((checks, Some(close(writer).await?)))
}

/// Archives the source in a pass of its own; the checks then say what was
/// archived, unless something was left out.
pub(crate) async fn archive_source(
    plan: &MigrationPlan,
    checks: &mut [SourceCheck],
    making: ArchiveOptions<'_>,
    progress: &dyn Progress,
) -> Result<Archive> {
    let mut writer = making.create(Role::Source, &plan.source).await?;
    for (planned, check) in plan.collections.iter().zip(checks) {
        let schema = planned.source_schema();
        let history = planned.history.map(|history| history.source);
        let (open, file) = begin(writer, &schema, planned.source.floor, history).await?;
        writer = open;
        let mut sums = Sums::new();
        let compared = (planned.upgrade.clone(), plan.depth);
        let to = ArchiveSink { file, aside: &mut None, with_history: history.is_some() };
        let entry =
            archive(&plan.source, &schema, compared, making, &mut sums, to, progress).await?;
        if !making.leaves_out {
            check.sums = sums;
        }
        writer = add(writer, entry).await?;
    }
    writer = add_items(writer, planned_items(plan, &plan.source)).await?;
    close(writer).await
}

/// The items of the collections that are moved.
fn planned_items(
    plan: &MigrationPlan,
    side: &StoreReference,
) -> BoxStream<'static, Result<Vec<(SystemCollection, SystemItem)>>> {
    let with_items = plan.collections.iter().filter(|planned| planned.items > 0);
    all_of(side, &with_items.map(|planned| planned.name().clone()).collect::<Vec<_>>())
}

/// Archives what the target holds of the chosen collections.
pub(crate) async fn archive_target(
    plan: &MigrationPlan,
    making: ArchiveOptions<'_>,
    progress: &dyn Progress,
) -> Result<Archive> {
    let mut writer = making.create(Role::Target, &plan.target).await?;
    let held = |planned: &&PlannedCollection| planned.target_holds;
    for planned in plan.collections.iter().filter(held) {
        let history = planned.history.and_then(|history| history.target);
        let floor = planned.target_floor();
        let (open, file) = begin(writer, &planned.schema, floor, history).await?;
        writer = open;
        let mut sums = Sums::new();
        let whole = (None, Depth::Complete);
        let to = ArchiveSink { file, aside: &mut None, with_history: history.is_some() };
        let archived =
            archive(&plan.target, &planned.schema, whole, making, &mut sums, to, progress);
        let entry = archived.await?;
        writer = add(writer, entry).await?;
    }
    writer = add_items(writer, planned_items(plan, &plan.target)).await?;
    close(writer).await
}

/// Where the records of a collection go.
struct ArchiveSink<'a> {
    file: CollectionWriter,
    /// Whether older versions go there too.
    with_history: bool,
    /// Those that cannot be read.
    aside: &'a mut Option<Quarantine>,
}

/// Writes a collection of either side into an archive, and no more. The sums
/// are of what is compared of it, upgraded where it is to be.
async fn archive(
    side: &StoreReference,
    schema: &CollectionSchema,
    (upgrade, depth): (Option<Arc<UpgradePath>>, Depth),
    making: ArchiveOptions<'_>,
    sums: &mut Sums,
    ArchiveSink { file: mut writer, aside, with_history }: ArchiveSink<'_>,
    progress: &dyn Progress,
) -> Result<WrittenCollection> {
    let look = BatchChecks {
        schema: schema.clone(),
        max_entity_bytes: usize::MAX,
        lines: true,
        references: false,
        depth,
        upgrade,
        validator: None,
    };
    let (mut written, mut versions) = (Sums::new(), Sums::new());
    let mut batches = checked_batches(side, look, making.batch_size).await?;
    while let Some(batch) = batches.try_next().await? {
        if let Some(first) = batch.unreadable.first() {
            match aside.take() {
                Some(open) => *aside = Some(open.add(schema, batch.unreadable.clone()).await?),
                None if making.leaves_out => {}
                None => return Err(unreadable(side, schema, first)),
            }
        }
        let prints = batch.prints.iter().zip(batch.archived_prints());
        for (at, (record, (print, as_read))) in batch.records.iter().zip(prints).enumerate() {
            let unarchivable = batch.offenders.iter().find(|one| one.at == at && !one.archivable);
            match unarchivable {
                None => {
                    sums.add(print);
                    written.add(as_read);
                }
                Some(_) if making.leaves_out => {}
                Some(one) => return Err(cannot_be_archived(side, schema, record.id(), &one.rule)),
            }
        }
        progress.advance(&schema.collection, batch.records.len() as u64);
        let of = batch.archived_ids();
        writer = append(writer, batch.lines).await?;
        if with_history {
            writer = add_past(side, schema, of, writer, &mut versions).await?;
        }
    }
    finish(writer, &written, &versions).await
}

/// Writes what the records of a batch were before.
async fn add_past(
    side: &StoreReference,
    schema: &CollectionSchema,
    of: Vec<StoredVersion>,
    mut writer: CollectionWriter,
    sums: &mut Sums,
) -> Result<CollectionWriter> {
    let name = &schema.collection;
    let mut pages = StorePages::of(side, name, of);
    while let Some(page) = pages.next().await? {
        writer = append_versions(writer, name, page, sums).await?;
    }
    Ok(writer)
}

/// What cannot be read can be in no archive.
fn unreadable(side: &StoreReference, schema: &CollectionSchema, left_out: &LeftOut) -> Error {
    let error = Error::new(ErrorKind::Corrupt, "back up", "a stored record cannot be read")
        .with("key", format!("{}/{}", schema.collection, left_out.id()))
        .with("reason", &left_out.reason);
    side.err(error).remedy(Remedy::RepairOrQuarantine)
}

/// A document that does not carry its id is not complete in its line.
fn cannot_be_archived(
    side: &StoreReference,
    schema: &CollectionSchema,
    id: &EntityId,
    rule: &str,
) -> Error {
    let error =
        Error::new(ErrorKind::Invalid, "back up", "a document breaks a rule of its collection")
            .with("key", format!("{}/{id}", schema.collection))
            .with("rule", rule);
    side.err(error)
}
