//! The archives that are made before the first write to the target.

use std::num::NonZeroUsize;
use std::path::Path;

use futures::TryStreamExt as _;
use repo_core::{CollectionSchema, EntityId, Error, ErrorKind, Result, Timestamp};

use super::archive::{Archive, ArchiveWriter, ArchivedCollection, CollectionWriter, Role};
use super::batch::{Look, looked_at};
use super::digest::Sums;
use super::plan::{Plan, PlannedCollection};
use super::progress::Progress;
use super::side::{Side, blocking};
use super::survey::{Pass, Survey, survey};

/// Begins an archive.
pub(super) async fn create(
    folder: &Path,
    role: Role,
    side: &Side,
    now: Timestamp,
) -> Result<ArchiveWriter> {
    let (folder, store) = (folder.to_owned(), side.location().to_owned());
    blocking(move || ArchiveWriter::create(&folder, role, &store, now)).await
}

/// Finishes an archive and opens it.
pub(super) async fn close(writer: ArchiveWriter) -> Result<Archive> {
    let path = blocking(move || writer.finish()).await?;
    Archive::open(&path).await
}

/// Begins the file of a collection.
async fn begin(
    writer: ArchiveWriter,
    schema: &CollectionSchema,
    floor: u64,
) -> Result<(ArchiveWriter, CollectionWriter)> {
    let schema = schema.clone();
    blocking(move || {
        let file = writer.begin(&schema, floor)?;
        Ok((writer, file))
    })
    .await
}

/// Surveys the source and archives it in the same pass. No archive when an
/// entity was found that the target cannot hold.
pub(super) async fn survey_into_archive(
    plan: &Plan,
    pass: Pass,
    folder: &Path,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<(Vec<Survey>, Option<Archive>)> {
    let mut writer = create(folder, Role::Source, &plan.source, now).await?;
    let mut surveys = Vec::new();
    for planned in &plan.collections {
        let (open, file) = begin(writer, &planned.schema, planned.source.floor).await?;
        writer = open;
        let (found, entry) = survey(plan, planned, pass, Some(file), progress).await?;
        entry.into_iter().for_each(|entry| writer.add(entry));
        surveys.push(found);
    }
    if surveys.iter().any(|survey| survey.offenders.count > 0) {
        return Ok((surveys, None));
    }
    Ok((surveys, Some(close(writer).await?)))
}

/// Archives the source in a pass of its own; the surveys then say what was
/// archived.
pub(super) async fn archive_source(
    plan: &Plan,
    surveys: &mut [Survey],
    batch_size: NonZeroUsize,
    folder: &Path,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Archive> {
    let mut writer = create(folder, Role::Source, &plan.source, now).await?;
    for (planned, survey) in plan.collections.iter().zip(surveys) {
        let (open, file) = begin(writer, &planned.schema, planned.source.floor).await?;
        writer = open;
        let mut sums = Sums::empty_like(&survey.sums);
        let entry =
            archive(&plan.source, &planned.schema, batch_size, &mut sums, file, progress).await?;
        survey.sums = sums;
        writer.add(entry);
    }
    close(writer).await
}

/// Archives what the target holds of the chosen collections.
pub(super) async fn archive_target(
    plan: &Plan,
    batch_size: NonZeroUsize,
    folder: &Path,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Archive> {
    let mut writer = create(folder, Role::Target, &plan.target, now).await?;
    let held = |planned: &&PlannedCollection| planned.target_holds;
    for planned in plan.collections.iter().filter(held) {
        let (open, file) = begin(writer, &planned.schema, planned.target_floor()).await?;
        writer = open;
        let mut sums = Sums::for_records(0);
        let entry =
            archive(&plan.target, &planned.schema, batch_size, &mut sums, file, progress).await?;
        writer.add(entry);
    }
    close(writer).await
}

/// Appends lines to the file of a collection.
pub(super) async fn append(
    mut writer: CollectionWriter,
    lines: Vec<u8>,
) -> Result<CollectionWriter> {
    blocking(move || {
        writer.append(&lines)?;
        Ok(writer)
    })
    .await
}

/// Finishes the file of a collection; the sums are of what it holds.
pub(super) async fn finish(writer: CollectionWriter, sums: &Sums) -> Result<ArchivedCollection> {
    let (records, tombstones) = (sums.records, sums.tombstones);
    let digest = sums.total().to_string();
    blocking(move || writer.finish(records, tombstones, digest)).await
}

/// Writes a collection of either side into an archive, and no more. The sums
/// are of what was written.
async fn archive(
    side: &Side,
    schema: &CollectionSchema,
    batch_size: NonZeroUsize,
    sums: &mut Sums,
    mut writer: CollectionWriter,
    progress: &dyn Progress,
) -> Result<ArchivedCollection> {
    let look = Look {
        schema: schema.clone(),
        max_entity_bytes: usize::MAX,
        lines: true,
        references: false,
    };
    let mut batches = looked_at(side, look, batch_size).await?;
    while let Some(batch) = batches.try_next().await? {
        if let Some((id, rule)) = batch.offenders.first() {
            return Err(cannot_be_archived(side, schema, id, rule));
        }
        batch.prints.iter().for_each(|print| sums.add(print));
        progress.advance(&schema.collection, batch.records.len() as u64);
        writer = append(writer, batch.lines).await?;
    }
    finish(writer, sums).await
}

/// A document that does not carry its id cannot be told by its line.
fn cannot_be_archived(side: &Side, schema: &CollectionSchema, id: &EntityId, rule: &str) -> Error {
    Error::new(ErrorKind::Invalid, "back up", "a document breaks a rule of its collection")
        .with("side", side.name())
        .with("store", side.location())
        .with("key", format!("{}/{id}", schema.collection))
        .with("rule", rule)
}
