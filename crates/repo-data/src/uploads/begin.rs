//! The beginning and the giving up of an upload.

use repo_blob::{MAX_PARTS, Md5, Sha256};
use repo_core::{EntityId, Error, ErrorKind, Result};

use crate::blobs::NewBlob;
use crate::hooks::Step;
use crate::model::{
    BlobRecord, Content, Entry, EntryStatus, Holder, HolderKind, StoreName, UploadId, UploadKind,
    UploadRecord, UploadState,
};
use crate::records::{Tx, Versioned, missing, transact};
use crate::refusal::Refusal;
use crate::service::{DataService, fresh};
use crate::uploads::end::end_in;
use crate::uploads::piece::UploadProgress;

/// An upload to be begun.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// The entry, which is pending.
    pub entry: EntityId,
    /// How the bytes come.
    pub kind: UploadKind,
    /// How many bytes come in all, when that is known.
    pub total: Option<u64>,
    /// What the whole has to be, when that is known.
    pub sha256: Option<Sha256>,
    /// What the whole has to be, when that is known.
    pub md5: Option<Md5>,
    /// The digests of the parts, in their order, where they are announced; 10,000 at most.
    pub part_hashes: Vec<Md5>,
    /// In which store of blobs; the default one without it.
    pub store: Option<StoreName>,
}

impl NewUpload {
    /// An upload of which nothing more is known.
    #[must_use]
    pub fn new(entry: EntityId, kind: UploadKind) -> Self {
        let part_hashes = Vec::new();
        Self { entry, kind, total: None, sha256: None, md5: None, part_hashes, store: None }
    }
}

impl DataService {
    /// Begins an upload of the bytes of a pending entry.
    ///
    /// # Errors
    /// `NotFound`; the refusal `WrongState` for an entry that awaits no bytes; `LimitExceeded`
    /// for too many bytes or parts, and beyond the quota of the owner; `Unsupported` for ranges
    /// and pieces without a spool.
    pub async fn begin_upload(&self, new: &NewUpload) -> Result<Versioned<UploadRecord>> {
        if new.kind != UploadKind::Parts {
            self.spool()?;
        }
        self.check_total(new.total)?;
        if new.part_hashes.len() > usize::from(MAX_PARTS) {
            return Err(Error::new(ErrorKind::LimitExceeded, "upload", "there are too many parts")
                .with("most", MAX_PARTS));
        }
        let entry = self.read::<Entry>(&new.entry).await?.value;
        check_pending(&entry)?;
        self.check_quota(&entry.owner, new.total.unwrap_or(0), 0).await?;
        let blob = self.new_blob(NewBlob {
            owner: entry.owner.clone(),
            holder: Holder { kind: HolderKind::Entry, id: entry.id },
            store: new.store.clone(),
            content_type: entry.content_type,
        })?;
        let upload = record_of(new, &blob);
        let ((), committed) = transact!(self, |tx| begin_in(&mut tx, &blob, &upload))?;
        self.step(Step::UploadRecorded)?;
        match new.kind {
            UploadKind::Parts => self.begin_session(&blob, &upload.id).await,
            UploadKind::Gcs | UploadKind::Tus => committed.versioned(fresh(upload)),
        }
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// `NotFound`; the refusal `Expired`.
    pub async fn upload(&self, id: &UploadId) -> Result<UploadProgress> {
        Ok(UploadProgress::of(&self.live_upload(id).await?))
    }

    /// Gives an upload up: its bytes are left to the sweeper. What is complete and activated
    /// stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn abort_upload(&self, id: &UploadId) -> Result<()> {
        let now = self.now();
        transact!(self, |tx| abort_in(&mut tx, id, now)).map(|_| ())
    }

    /// An upload that has not expired.
    pub(super) async fn live_upload(&self, id: &UploadId) -> Result<Versioned<UploadRecord>> {
        let id = EntityId::new(&id.to_string())?;
        // The receipt of a part has another shape, and no such id.
        let found = self.find::<UploadRecord>(&id).await?;
        let found = found.ok_or_else(|| missing::<UploadRecord>(id.as_str()))?;
        if found.value.due <= self.now() && found.value.state == UploadState::Receiving {
            return Err(Refusal::Expired
                .error("upload", "the upload was left alone for too long")
                .with("upload", id)
                .with("expired_at", found.value.due));
        }
        Ok(found)
    }

    /// `LimitExceeded` for more bytes than a blob may have.
    pub(super) fn check_total(&self, total: Option<u64>) -> Result<()> {
        let most = self.options().max_blob_bytes;
        if total.is_some_and(|total| total > most) {
            let why = "the upload is larger than a blob may be";
            return Err(Error::new(ErrorKind::LimitExceeded, "upload", why).with("most", most));
        }
        Ok(())
    }
}

fn record_of(new: &NewUpload, blob: &BlobRecord) -> UploadRecord {
    UploadRecord {
        id: blob.id,
        kind: new.kind,
        entry: new.entry.clone(),
        owner: blob.owner.clone(),
        state: UploadState::Receiving,
        total: new.total,
        offset: 0,
        sha256: new.sha256,
        md5: new.md5,
        session: None,
        part_hashes: new.part_hashes.iter().map(ToString::to_string).collect(),
        digest: None,
        created_at: blob.created_at,
        due: blob.expires_at.unwrap_or(blob.created_at),
    }
}

async fn begin_in(tx: &mut Tx, blob: &BlobRecord, upload: &UploadRecord) -> Result<()> {
    let mut entry = tx.get::<Entry>(upload.entry.as_str()).await?.value;
    check_pending(&entry)?;
    entry.upload = Some(upload.id);
    entry.due = Some(upload.due);
    tx.put(&entry)?;
    tx.put(blob)?;
    tx.put(upload)
}

/// `WrongState` unless bytes are awaited.
pub(super) fn check_pending(entry: &Entry) -> Result<()> {
    let awaits = matches!(entry.content, Content::Awaited { .. });
    if entry.status == EntryStatus::Pending && awaits {
        return Ok(());
    }
    Err(Refusal::WrongState
        .error("upload", "the entry awaits no bytes")
        .with("entry", &entry.id)
        .with("status", format!("{:?}", entry.status)))
}

async fn abort_in(tx: &mut Tx, id: &UploadId, now: repo_core::Timestamp) -> Result<()> {
    let upload = tx.get::<UploadRecord>(&id.to_string()).await?.value;
    let condemned = end_in(tx, id, now).await?;
    let Some(found) = tx.find::<Entry>(upload.entry.as_str()).await?.filter(|_| condemned) else {
        return Ok(());
    };
    let mut entry = found.value;
    let is_staged = entry.content.blob().is_some_and(|blob| blob.key == *id);
    if entry.status == EntryStatus::Pending && (is_staged || entry.upload == Some(*id)) {
        if is_staged {
            entry.content = Content::Awaited { staged: None };
        }
        entry.upload = entry.upload.filter(|upload| upload != id);
        tx.put(&entry)?;
    }
    Ok(())
}
