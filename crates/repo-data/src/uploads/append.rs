//! Bytes of an upload that come one after another, into the spool.

use futures_util::TryStreamExt as _;
use repo_core::{Error, ErrorKind, Result};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::hooks::Step;
use crate::model::{BlobRecord, BlobState, Entry, UploadId, UploadKind, UploadRecord, UploadState};
use crate::records::{Tx, Versioned, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::spool::Spool;
use crate::uploads::piece::{Checking, Piece, UploadProgress};

impl DataService {
    /// Takes bytes of an upload that come one after another. What it answers is durable.
    ///
    /// Ranges (`Gcs`) may repeat what is there, which is passed over; a piece of tus begins at
    /// the present offset. Others are not taken, and the answer says where to go on. When the
    /// last byte is there the whole is hashed, compared with what is expected, and stored.
    ///
    /// A piece that breaks off leaves what came of it only in tus, and there only without a
    /// checksum. Of two pieces of one upload the second waits for the first.
    ///
    /// # Errors
    /// `NotFound`; the refusals `Expired`, `SpoolLost` when another machine has the bytes, and
    /// `WrongDigest`, after which nothing of the piece was kept, or, if the whole is wrong,
    /// nothing of the upload; `Invalid` for more bytes than announced, and another total;
    /// `Unavailable` when the spool is full; the error of the stream.
    pub async fn append(&self, id: &UploadId, piece: Piece<'_>) -> Result<UploadProgress> {
        let spool = self.spool()?;
        let _alone = spool.lock(id).await;
        let found = self.live_upload(id).await?;
        let upload = &found.value;
        let progress = UploadProgress::of(&found);
        if upload.state == UploadState::Complete {
            return Ok(progress);
        }
        let fits = match upload.kind {
            UploadKind::Gcs => piece.start <= upload.offset,
            UploadKind::Tus => piece.start == upload.offset,
            UploadKind::Parts => return Err(wrong_kind(upload)),
        };
        if !fits {
            return Ok(UploadProgress { accepted: false, ..progress });
        }
        let total = self.agreed_total(upload, piece.total)?;
        let mut file = reconciled(spool, upload).await?;
        let limit = total.unwrap_or(self.options().max_blob_bytes);
        let arrived = receive(spool, &mut file, upload, limit, piece).await?;
        let found = self.record_offset(&file, found, arrived.offset, total).await?;
        match arrived.broken {
            Some(error) => Err(error),
            None if found.value.total == Some(found.value.offset) => {
                self.finish(&found.value).await
            }
            None => Ok(UploadProgress::of(&found)),
        }
    }

    /// How many bytes come in all, from what was said before and now.
    fn agreed_total(&self, upload: &UploadRecord, said: Option<u64>) -> Result<Option<u64>> {
        self.check_total(said)?;
        let total = upload.total.or(said);
        let differs = said.is_some() && said != total;
        if differs || total.is_some_and(|total| total < upload.offset) {
            let why = "the number of all bytes is not what it was, or fewer than there are";
            return Err(Error::new(ErrorKind::Invalid, "upload", why)
                .with("upload", upload.id)
                .with("offset", upload.offset));
        }
        Ok(total)
    }

    /// Makes what arrived durable, and then says so.
    async fn record_offset(
        &self,
        file: &File,
        found: Versioned<UploadRecord>,
        offset: u64,
        total: Option<u64>,
    ) -> Result<Versioned<UploadRecord>> {
        if offset == found.value.offset && total == found.value.total {
            return Ok(found);
        }
        file.sync_all().await.map_err(|error| unwritten(&error))?;
        self.step(Step::PartSpooled)?;
        let before = found.value.offset;
        let id = found.value.id;
        let (found, committed) =
            transact!(self, |tx| self.advance_in(&mut tx, &id, before, offset, total))?;
        committed.versioned(found)
    }

    pub(super) async fn advance_in(
        &self,
        tx: &mut Tx,
        id: &UploadId,
        before: u64,
        offset: u64,
        total: Option<u64>,
    ) -> Result<Versioned<UploadRecord>> {
        let mut found = tx.get::<UploadRecord>(&id.to_string()).await?;
        let upload = &mut found.value;
        if upload.offset != before || upload.state != UploadState::Receiving {
            let why = "another process works on the same upload";
            return Err(Refusal::WrongState.error("upload", why).with("upload", id));
        }
        upload.offset = offset;
        upload.total = total;
        self.keep_alive(tx, upload).await?;
        tx.put(&found.value)?;
        Ok(found)
    }

    /// Puts the end of an upload off when half of its time is over.
    pub(super) async fn keep_alive(&self, tx: &mut Tx, upload: &mut UploadRecord) -> Result<()> {
        let (now, expiry) = (self.now(), self.options().pending_expiry);
        if upload.due > now.saturating_add(expiry / 2) {
            return Ok(());
        }
        let due = now.saturating_add(expiry);
        let mut blob = tx.get::<BlobRecord>(&upload.id.to_string()).await?.value;
        if blob.state != BlobState::Pending {
            let why = "the upload was left alone for too long";
            return Err(Refusal::Expired.error("upload", why).with("upload", upload.id));
        }
        (blob.expires_at, blob.due) = (Some(due), Some(due));
        tx.put(&blob)?;
        let mut entry = tx.get::<Entry>(upload.entry.as_str()).await?.value;
        if entry.due.is_some_and(|entry_due| entry_due < due) {
            entry.due = Some(due);
            tx.put(&entry)?;
        }
        upload.due = due;
        Ok(())
    }
}

/// What came of a piece.
struct Arrived {
    offset: u64,
    /// Why it broke off, where what came before is kept.
    broken: Option<Error>,
}

/// The file of an upload, cut back to what was recorded: what is behind was never acknowledged.
async fn reconciled(spool: &Spool, upload: &UploadRecord) -> Result<File> {
    let there = spool.length(&upload.id).await?.unwrap_or(0);
    if there < upload.offset {
        return Err(Refusal::SpoolLost
            .error("upload", "the bytes that were sent before are not on this machine")
            .with("upload", upload.id)
            .with("offset", upload.offset)
            .with("found", there));
    }
    let file = spool.append(&upload.id).await?;
    cut_back(spool, &file, there, upload.offset).await?;
    Ok(file)
}

async fn cut_back(spool: &Spool, file: &File, from: u64, to: u64) -> Result<()> {
    if from > to {
        file.set_len(to).await.map_err(|error| unwritten(&error))?;
        spool.give_back(from - to);
    }
    Ok(())
}

/// What a piece has written, and what room it took for that.
struct Writing {
    offset: u64,
    taken: u64,
}

async fn receive(
    spool: &Spool,
    file: &mut File,
    upload: &UploadRecord,
    limit: u64,
    piece: Piece<'_>,
) -> Result<Arrived> {
    let keeps = upload.kind == UploadKind::Tus && piece.checksum.is_none();
    let mut writing = Writing { offset: upload.offset, taken: 0 };
    let outcome = write_all(spool, file, limit, &mut writing, piece).await;
    // Writes are put off, and fail late: how much of them is there is what the file says.
    let outcome = outcome.and(file.flush().await.map_err(|error| unwritten(&error)));
    let length = file.metadata().await.map_err(|error| unwritten(&error))?.len();
    let (offset, broken) = match outcome {
        Ok(()) => (writing.offset, None),
        Err(error) if keeps && Refusal::of(&error).is_none() => {
            (length.min(writing.offset), Some(error))
        }
        Err(error) => (upload.offset, Some(error)),
    };
    if length > offset {
        file.set_len(offset).await.map_err(|error| unwritten(&error))?;
    }
    spool.give_back(writing.taken.saturating_sub(offset.saturating_sub(upload.offset)));
    match broken {
        Some(error) if offset == upload.offset => Err(error),
        broken => Ok(Arrived { offset, broken }),
    }
}

async fn write_all(
    spool: &Spool,
    file: &mut File,
    limit: u64,
    writing: &mut Writing,
    mut piece: Piece<'_>,
) -> Result<()> {
    let mut skip = writing.offset.saturating_sub(piece.start);
    let mut checking = piece.checksum.map(Checking::new);
    while let Some(mut chunk) = piece.bytes.try_next().await? {
        if let Some(checking) = &mut checking {
            checking.update(&chunk);
        }
        let known = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
        skip -= known as u64;
        let new = chunk.split_off(known);
        if new.is_empty() {
            continue;
        }
        let length = new.len() as u64;
        if writing.offset + length > limit {
            let why = "there are more bytes than were announced, or than a blob may have";
            return Err(Error::new(ErrorKind::Invalid, "upload", why).with("most", limit));
        }
        spool.take(length)?;
        writing.taken += length;
        file.write_all(&new).await.map_err(|error| unwritten(&error))?;
        writing.offset += length;
    }
    if checking.is_some_and(|checking| !checking.holds()) {
        let why = "the digest of the bytes is not the announced one";
        return Err(Refusal::WrongDigest.error("upload", why));
    }
    Ok(())
}

fn unwritten(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "upload", "the bytes could not be written to the spool")
        .with("reason", error)
}

fn wrong_kind(upload: &UploadRecord) -> Error {
    Refusal::WrongState
        .error("upload", "the upload was begun in another way")
        .with("upload", upload.id)
        .with("kind", format!("{:?}", upload.kind))
}
