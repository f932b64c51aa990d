//! The sweeper: removes what was left half done, and what is deleted when its time is over.
//!
//! It needs no list of a store of blobs: every object has a record, and every record that needs
//! something says when. Several sweepers may work at once, and while everything else does:
//! each step is a commit with the versions that were read.

use futures_util::future::join_all;
use repo_blob::{BlobKey, PageLimit};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Query, Result, field};

use crate::blobs::condemn_pending;
use crate::collections;
use crate::hooks::Step;
use crate::model::{
    BlobRecord, BlobState, Datapoint, DatapointStatus, Entry, EntryStatus, HolderKind, PartRecord,
    UploadRecord, UploadState,
};
use crate::records::{Tx, find_many, transact};
use crate::service::DataService;

/// Records that are read at once.
const PAGE: usize = 200;
/// Records that are worked on at once.
const AT_ONCE: usize = 8;
/// Receipts of parts that are removed in one commit.
const PARTS: usize = 25;
/// Most errors that a report has.
const MOST_ERRORS: usize = 8;

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Things done, by what they were, in the order of the work.
    pub done: Vec<(SweepTask, u64)>,
    /// Files of the spool without an upload.
    pub spool_files: u64,
    /// Files that killed processes left in the stores of blobs.
    pub leftovers: u64,
    /// Things that could not be done; the next sweep tries them again.
    pub failed: u64,
    /// The first errors of those, 8 at most.
    pub errors: Vec<String>,
}

impl SweepReport {
    /// How often a task was done.
    #[must_use]
    pub fn count(&self, task: SweepTask) -> u64 {
        self.done.iter().filter(|(done, _)| *done == task).map(|(_, count)| count).sum()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.done.iter().all(|(_, count)| *count == 0)
            && self.spool_files + self.leftovers + self.failed == 0
    }
}

/// What a sweeper does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SweepTask {
    /// An upload was left alone for too long, or was given up.
    EndUpload,
    /// A pending entry was left alone for too long.
    ExpireEntry,
    /// The deletion of a dataset goes on.
    ResumeDeleting,
    /// The restoring of a dataset goes on.
    ResumeRestoring,
    /// The time of a deleted entry is over.
    PurgeEntry,
    /// The time of a deleted datapoint is over.
    PurgeDatapoint,
    /// The time of a deleted dataset is over, and it is empty.
    PurgeDataset,
    /// A pending blob was left alone for too long.
    ExpireBlob,
    /// Nothing needs a condemned blob.
    GiveUpBlob,
    /// The bytes of a blob are deleted; the second time its record, too.
    EmptyBlob,
}

impl SweepTask {
    /// In the order in which one makes work for the next.
    const ALL: [Self; 10] = [
        Self::EndUpload,
        Self::ExpireEntry,
        Self::ResumeDeleting,
        Self::ResumeRestoring,
        Self::PurgeEntry,
        Self::PurgeDatapoint,
        Self::PurgeDataset,
        Self::ExpireBlob,
        Self::GiveUpBlob,
        Self::EmptyBlob,
    ];

    /// Where its work is: collection, field, values, and whether it has to be due.
    fn place(self) -> (&'static str, &'static str, &'static [&'static str], bool) {
        match self {
            Self::EndUpload => (collections::UPLOADS, "state", &["receiving", "complete"], true),
            Self::ExpireEntry => (collections::ENTRIES, "status", &["pending"], true),
            Self::PurgeEntry => (collections::ENTRIES, "status", &["deleted"], true),
            Self::PurgeDatapoint => (collections::DATAPOINTS, "status", &["deleted"], true),
            Self::ResumeDeleting => (collections::DATASETS, "state", &["deleting"], false),
            Self::ResumeRestoring => (collections::DATASETS, "state", &["restoring"], false),
            Self::PurgeDataset => (collections::DATASETS, "state", &["deleted"], true),
            Self::ExpireBlob => (collections::BLOBS, "state", &["pending"], true),
            Self::GiveUpBlob => (collections::BLOBS, "state", &["condemned"], true),
            Self::EmptyBlob => (collections::BLOBS, "state", &["deleting"], true),
        }
    }
}

impl DataService {
    /// Does all that is due, and says what. What fails is reported, and does not stop the rest.
    /// Call it from time to time, an hour apart or less.
    ///
    /// # Errors
    /// `Closed`, and those of listing what is due.
    pub async fn sweep(&self) -> Result<SweepReport> {
        let mut report = SweepReport::default();
        for task in SweepTask::ALL {
            let (_, _, values, _) = task.place();
            let mut count = 0;
            for value in values {
                count += self.sweep_all(task, value, &mut report).await?;
            }
            report.done.push((task, count));
        }
        let removed = self.sweep_spool().await;
        report.spool_files = note(&mut report, removed)?.unwrap_or(0);
        let untouched = self.options().pending_expiry + self.options().longest_request;
        for (name, _) in self.blob_stores().iter() {
            let removed = self.blob_store(name)?.remove_leftovers(untouched).await;
            report.leftovers += note(&mut report, removed)?.unwrap_or(0);
        }
        Ok(report)
    }

    async fn sweep_all(
        &self,
        task: SweepTask,
        value: &str,
        report: &mut SweepReport,
    ) -> Result<u64> {
        let (collection, state, _, due) = task.place();
        let collection = CollectionName::new(collection)?;
        let mut which = field(state).eq(value);
        if due {
            which = which.and(field("due").le(self.now()));
        }
        let first = Query::new(which.filter()?).order_by("due")?.limit(PAGE)?;
        let (mut next, mut count) = (Some(first.clone()), 0);
        while let Some(query) = next {
            let page = self.strategy().query(&collection, &query).await?;
            for some in page.entities.chunks(AT_ONCE) {
                let work = some.iter().map(|entity| self.sweep_one(task, &entity.id));
                for done in join_all(work).await {
                    count += u64::from(note(report, done)?.unwrap_or(false));
                }
            }
            next = page.next.map(|cursor| first.clone().after(cursor));
        }
        Ok(count)
    }

    async fn sweep_one(&self, task: SweepTask, id: &EntityId) -> Result<bool> {
        match task {
            SweepTask::EndUpload => self.end_upload(id).await,
            SweepTask::ExpireEntry => self.expire_entry(id).await,
            SweepTask::ResumeDeleting => self.resume_deleting(id).await.map(|()| true),
            SweepTask::ResumeRestoring => self.resume_restoring(id).await.map(|()| true),
            SweepTask::PurgeEntry => self.purge_entry(id).await,
            SweepTask::PurgeDatapoint => self.purge_datapoint(id).await,
            SweepTask::PurgeDataset => self.purge_dataset(id).await,
            SweepTask::ExpireBlob => Ok(transact!(self, |tx| self.expire_blob(&mut tx, id))?.0),
            SweepTask::GiveUpBlob => self.give_up_blob(id).await,
            SweepTask::EmptyBlob => self.empty_blob(id).await,
        }
    }

    /// Ends an upload: its blob first, its record last, so that a crash between finds it again.
    async fn end_upload(&self, id: &EntityId) -> Result<bool> {
        let key: BlobKey = id.as_str().parse()?;
        let spool = self.options().spool.is_some().then(|| self.spool()).transpose()?;
        // Bytes that arrive at this moment would be counted in a file that is gone. The upload ends
        // with the next sweep.
        let alone = spool.map(|spool| spool.try_lock(&key));
        if matches!(alone, Some(None)) {
            return Ok(false);
        }
        let (over, _) = transact!(self, |tx| self.end_upload_in(&mut tx, id))?;
        if !over {
            return Ok(false);
        }
        if let Some(spool) = spool {
            spool.remove(&key).await?;
        }
        let query = Query::new(field("upload").eq(id).filter()?).limit(PARTS)?;
        loop {
            let page = self.page::<PartRecord>(&query).await?;
            if page.items.is_empty() {
                break;
            }
            let parts: Vec<String> = page.items.into_iter().map(|part| part.value.id).collect();
            transact!(self, |tx| remove_parts(&mut tx, &parts)).map(|_| ())?;
        }
        transact!(self, |tx| self.drop_upload(&mut tx, id)).map(|_| ())?;
        Ok(true)
    }

    async fn end_upload_in(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let Some(found) = tx.find::<UploadRecord>(id.as_str()).await? else { return Ok(false) };
        let (upload, now) = (found.value, self.now());
        if upload.due > now {
            return Ok(false);
        }
        // What is complete is staged: its entry has it, and expires by itself.
        if upload.state == UploadState::Receiving {
            condemn_pending(tx, &upload.id, now).await?;
        }
        Ok(true)
    }

    async fn drop_upload(&self, tx: &mut Tx, id: &EntityId) -> Result<()> {
        let found = tx.find::<UploadRecord>(id.as_str()).await?;
        if found.is_some_and(|found| found.value.due <= self.now()) {
            tx.delete::<UploadRecord>(id.as_str())?;
        }
        Ok(())
    }

    async fn expire_blob(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let Some(found) = tx.find::<BlobRecord>(id.as_str()).await? else { return Ok(false) };
        let now = self.now();
        if found.value.due.is_none_or(|due| due > now) {
            return Ok(false);
        }
        condemn_pending(tx, &found.value.id, now).await
    }

    async fn give_up_blob(&self, id: &EntityId) -> Result<bool> {
        let given_up = transact!(self, |tx| self.give_up_blob_in(&mut tx, id))?.0;
        if given_up {
            self.step(Step::MarkedDeleting)?;
        }
        Ok(given_up)
    }

    async fn give_up_blob_in(&self, tx: &mut Tx, id: &EntityId) -> Result<bool> {
        let Some(found) = tx.find::<BlobRecord>(id.as_str()).await? else { return Ok(false) };
        let (mut blob, now) = (found.value, self.now());
        let over = blob.due.is_some_and(|due| due <= now);
        // What is deleted and can be restored goes with its record, unless there is a hold.
        if blob.state != BlobState::Condemned || !over || waits_for_holder(tx, &blob).await? {
            return Ok(false);
        }
        blob.begin_deleting(now);
        tx.put(&blob)?;
        Ok(true)
    }

    /// Deletes the bytes of a blob. The record stays until nobody can write any more who began
    /// before the blob was condemned; then they are deleted once more, and the record is.
    async fn empty_blob(&self, id: &EntityId) -> Result<bool> {
        let Some(found) = self.find::<BlobRecord>(id).await? else { return Ok(false) };
        let (blob, now) = (found.value, self.now());
        if blob.state != BlobState::Deleting || blob.due.is_none_or(|due| due > now) {
            return Ok(false);
        }
        let store = self.blob_store(&blob.store)?;
        if let Some(session) = &blob.session {
            store.abort_parts(session).await?;
        }
        store.delete(&blob.id).await?;
        self.step(if blob.emptied { Step::BytesDeletedAgain } else { Step::BytesDeleted })?;
        Ok(transact!(self, |tx| self.emptied(&mut tx, id, blob.emptied))?.0)
    }

    async fn emptied(&self, tx: &mut Tx, id: &EntityId, again: bool) -> Result<bool> {
        let Some(found) = tx.find::<BlobRecord>(id.as_str()).await? else { return Ok(false) };
        let mut blob = found.value;
        if blob.state != BlobState::Deleting || blob.emptied != again {
            return Ok(false);
        }
        if again {
            tx.delete::<BlobRecord>(id.as_str())?;
        } else {
            blob.set_emptied(self.now(), self.options().longest_request);
            tx.put(&blob)?;
        }
        Ok(true)
    }

    /// Removes files of the spool whose uploads are gone. An upload is recorded before its file
    /// is made, so one without a record has ended.
    async fn sweep_spool(&self) -> Result<u64> {
        if self.options().spool.is_none() {
            return Ok(0);
        }
        let spool = self.spool()?;
        let mut removed = 0;
        for keys in spool.keys().await?.chunks(PageLimit::MAX.get()) {
            let ids = keys.iter().map(|key| EntityId::new(&key.to_string()));
            let ids: Vec<EntityId> = ids.collect::<Result<_>>()?;
            let found = find_many::<UploadRecord>(&**self.strategy(), &ids).await?;
            for (key, found) in keys.iter().zip(found) {
                let ended = found.is_none_or(|found| found.value.state == UploadState::Complete);
                if let Some(_alone) = ended.then(|| spool.try_lock(key)).flatten() {
                    spool.remove(key).await?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// Whether what refers to a blob is deleted and still there: the blob goes with it.
async fn waits_for_holder(tx: &mut Tx, blob: &BlobRecord) -> Result<bool> {
    let id = blob.holder.id.as_str();
    Ok(match blob.holder.kind {
        HolderKind::Entry => tx.find::<Entry>(id).await?.is_some_and(|found| {
            let entry = found.value;
            entry.status == EntryStatus::Deleted
                && entry.content.blob().is_some_and(|content| content.key == blob.id)
        }),
        HolderKind::Datapoint => tx.find::<Datapoint>(id).await?.is_some_and(|found| {
            let datapoint = found.value;
            datapoint.status == DatapointStatus::Deleted
                && datapoint.blob().is_some_and(|content| content.key == blob.id)
        }),
    })
}

async fn remove_parts(tx: &mut Tx, parts: &[String]) -> Result<()> {
    parts.iter().try_for_each(|part| tx.delete::<PartRecord>(part))
}

/// Counts a failure, except that of a service that is closed.
fn note<T>(report: &mut SweepReport, done: Result<T>) -> Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == ErrorKind::Closed => Err(error),
        Err(error) => {
            report.failed += 1;
            if report.errors.len() < MOST_ERRORS {
                report.errors.push(described(&error));
            }
            Ok(None)
        }
    }
}

fn described(error: &Error) -> String {
    error.to_string()
}
