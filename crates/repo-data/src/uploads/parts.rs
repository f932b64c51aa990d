//! Uploads in numbered parts, straight into the store of blobs.

use std::collections::BTreeSet;

use repo_blob::{
    BlobDigest, ByteRange, ByteStream, Expected, MAX_PART_BYTES, Md5, PartNumber, PartReceipt,
    PartSession,
};
use repo_core::{EntityId, Error, ErrorKind, Result};

use crate::hashing::digest_of;
use crate::hooks::Step;
use crate::model::{
    BlobRecord, BlobState, PartRecord, UploadId, UploadKind, UploadRecord, UploadState,
};
use crate::records::{Tx, Versioned, find_many, missing, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::uploads::piece::UploadProgress;

/// Receipts that are read at once.
const PAGE: usize = 500;

impl DataService {
    /// Begins the session with the store of blobs, and records it.
    pub(super) async fn begin_session(
        &self,
        blob: &BlobRecord,
        id: &UploadId,
    ) -> Result<Versioned<UploadRecord>> {
        let session = self.blob_store(&blob.store)?.begin_parts(id).await?;
        self.step(Step::SessionOpened)?;
        let recorded = transact!(self, |tx| record_session(&mut tx, id, &session));
        match recorded {
            Ok((found, committed)) => committed.versioned(found),
            Err(error) => {
                let aborted = self.blob_store(&blob.store)?.abort_parts(&session).await;
                aborted.and(Err(error))
            }
        }
    }

    /// Stores a part: durable when it answers. Parts come in any order, several at once, and
    /// again; the last one of a number counts.
    ///
    /// # Errors
    /// The refusal `WrongDigest` if the MD5 is not the expected or the announced one; what was
    /// there of the part stays. `NotFound`; the refusals `Expired` and `WrongState`;
    /// `LimitExceeded` above 64 MiB; `Invalid` for a number that was not announced.
    pub async fn put_part(
        &self,
        id: &UploadId,
        number: PartNumber,
        bytes: ByteStream<'_>,
        md5: Option<Md5>,
    ) -> Result<PartReceipt> {
        let upload = self.live_upload(id).await?.value;
        let session = session_of(&upload)?;
        let expected = expected_part(&upload, number, md5)?;
        let blob = self.blob(id).await?.value;
        let stored = self.blob_store(&blob.store)?.put_part(session, number, bytes, expected).await;
        let receipt = stored.map_err(|error| match error.context_value("differs") {
            Some(_) => wrong_part(number),
            None => error,
        })?;
        self.step(Step::PartStored)?;
        let part = PartRecord {
            id: PartRecord::id_of(id, number.get()),
            upload: *id,
            receipt: receipt.clone(),
        };
        transact!(self, |tx| self.record_part(&mut tx, &part)).map(|_| ())?;
        Ok(receipt)
    }

    async fn record_part(&self, tx: &mut Tx, part: &PartRecord) -> Result<()> {
        let mut found = tx.get::<UploadRecord>(&part.upload.to_string()).await?;
        session_of(&found.value)?;
        let before = found.value.due;
        self.keep_alive(tx, &mut found.value).await?;
        if found.value.due != before {
            tx.put(&found.value)?;
        }
        tx.put(part)
    }

    /// Joins the parts, and stages the whole for its entry. Repeated it answers the same.
    ///
    /// # Errors
    /// The refusal `NotUploaded` when a part is missing, and `WrongDigest` when one has another
    /// MD5 than `parts` says, or the whole is not as expected; `NotFound`, `Expired`.
    pub async fn complete_parts(
        &self,
        id: &UploadId,
        parts: &[(PartNumber, Option<Md5>)],
    ) -> Result<UploadProgress> {
        let found = self.live_upload(id).await?;
        if found.value.state == UploadState::Complete {
            return Ok(UploadProgress::of(&found));
        }
        let upload = found.value;
        let session = session_of(&upload)?.clone();
        let receipts = self.receipts(&upload, parts).await?;
        let size: u64 = receipts.iter().map(|receipt| receipt.size).sum();
        self.check_total(Some(size))?;
        let digest = match self.join(&upload, &session, &receipts).await {
            Err(error) if error.context_value("differs").is_some() => {
                return Err(self.give_up(&upload, &error).await);
            }
            joined => joined?,
        };
        self.step(Step::BytesWritten)?;
        let staged = self.stage(id, digest).await?;
        self.step(Step::Staged)?;
        Ok(UploadProgress::of(&staged))
    }

    async fn join(
        &self,
        upload: &UploadRecord,
        session: &PartSession,
        receipts: &[PartReceipt],
    ) -> Result<BlobDigest> {
        let blob = self.blob(&upload.id).await?.value;
        if blob.state != BlobState::Pending {
            let why = "the upload was given up before it was complete";
            return Err(Refusal::Expired.error("upload", why).with("upload", upload.id));
        }
        let store = self.blob_store(&blob.store)?;
        match store.complete_parts(session, receipts, &upload.expected()).await {
            Ok(digest) => Ok(digest),
            // Joined before a crash: the session has ended, or only the blob is there.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) =>
            {
                let Ok(opened) = store.get(&upload.id, ByteRange::WHOLE).await else {
                    return Err(error);
                };
                let digest = digest_of(opened.bytes).await?;
                let size: u64 = receipts.iter().map(|receipt| receipt.size).sum();
                let expected = Expected { size: Some(size), ..upload.expected() };
                let fits = expected.size == Some(digest.size)
                    && expected.sha256.is_none_or(|sha256| sha256 == digest.sha256)
                    && expected.md5.is_none_or(|md5| md5 == digest.md5);
                if fits { Ok(digest) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// The receipts of the parts that the client lists.
    async fn receipts(
        &self,
        upload: &UploadRecord,
        parts: &[(PartNumber, Option<Md5>)],
    ) -> Result<Vec<PartReceipt>> {
        let distinct: BTreeSet<u16> = parts.iter().map(|(number, _)| number.get()).collect();
        let announced = upload.announced_parts();
        if parts.is_empty() || distinct.len() != parts.len() {
            let why = "each part is listed once, and there is one at least";
            return Err(Error::new(ErrorKind::Invalid, "upload", why).with("upload", upload.id));
        }
        if announced != 0 && announced != parts.len() {
            return Err(missing_part(upload, parts.len().min(announced) + 1));
        }
        let mut receipts = Vec::with_capacity(parts.len());
        for page in parts.chunks(PAGE) {
            let ids = page
                .iter()
                .map(|(number, _)| EntityId::new(&PartRecord::id_of(&upload.id, number.get())));
            let ids: Vec<EntityId> = ids.collect::<Result<_>>()?;
            let found = find_many::<PartRecord>(&**self.strategy(), &ids).await?;
            for ((number, md5), found) in page.iter().zip(found) {
                let part = found.ok_or_else(|| missing_part(upload, usize::from(number.get())))?;
                let receipt = part.value.receipt;
                if md5.is_some_and(|md5| md5 != receipt.md5) {
                    return Err(wrong_part(*number));
                }
                receipts.push(receipt);
            }
        }
        Ok(receipts)
    }
}

async fn record_session(
    tx: &mut Tx,
    id: &UploadId,
    session: &PartSession,
) -> Result<Versioned<UploadRecord>> {
    let mut found = tx.get::<UploadRecord>(&id.to_string()).await?;
    let mut blob = tx.get::<BlobRecord>(&id.to_string()).await?.value;
    if blob.state != BlobState::Pending {
        return Err(missing::<UploadRecord>(&id.to_string()));
    }
    blob.session = Some(session.clone());
    found.value.session = Some(session.clone());
    tx.put(&blob)?;
    tx.put(&found.value)?;
    Ok(found)
}

fn session_of(upload: &UploadRecord) -> Result<&PartSession> {
    let session = upload.session.as_ref();
    let takes = upload.kind == UploadKind::Parts && upload.state == UploadState::Receiving;
    session.filter(|_| takes).ok_or_else(|| {
        Refusal::WrongState
            .error("upload", "the upload takes no parts: it is complete, or was begun otherwise")
            .with("upload", upload.id)
    })
}

/// The MD5 that a part has to have.
fn expected_part(
    upload: &UploadRecord,
    number: PartNumber,
    md5: Option<Md5>,
) -> Result<Option<Md5>> {
    let announced = upload.part_hash(number.get());
    if upload.announced_parts() != 0 && announced.is_none() {
        let why = "the part was not announced";
        return Err(Error::new(ErrorKind::Invalid, "upload", why)
            .with("part", number)
            .with("announced", upload.announced_parts())
            .with("most_bytes", MAX_PART_BYTES));
    }
    match (announced, md5) {
        (Some(announced), Some(md5)) if announced != md5 => Err(wrong_part(number)),
        (announced, md5) => Ok(md5.or(announced)),
    }
}

fn wrong_part(number: PartNumber) -> Error {
    Refusal::WrongDigest
        .error("upload", "the MD5 of a part is not the announced one")
        .with("part", number)
}

fn missing_part(upload: &UploadRecord, number: usize) -> Error {
    Refusal::NotUploaded
        .error("upload", "a part is missing")
        .with("upload", upload.id)
        .with("part", number)
}
