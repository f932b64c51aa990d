//! The end of an upload from the spool.

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use repo_blob::{BlobDigest, ByteStream};
use repo_core::{EntityId, Error, ErrorKind, Result};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::hashing::digest_of;
use crate::hooks::Step;
use crate::model::{
    BlobRecord, Content, Entry, Json, UploadId, UploadKind, UploadRecord, UploadState,
};
use crate::records::{Versioned, missing, transact};
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::uploads::end::end_in;
use crate::uploads::piece::UploadProgress;

/// Bytes that are read from the spool at once.
const BLOCK: usize = 256 * 1024;

impl DataService {
    /// Stores what is spooled, and stages it. Made again after a crash it finds what it did.
    pub(super) async fn finish(&self, upload: &UploadRecord) -> Result<UploadProgress> {
        let spool = self.spool()?;
        let key = EntityId::new(&upload.id.to_string())?;
        let blob = self.find::<BlobRecord>(&key).await?;
        let blob = blob.ok_or_else(|| missing::<BlobRecord>(key.as_str()))?.value;
        let store = self.blob_store(&blob.store)?;
        let bytes = contents(spool.read(&upload.id).await?);
        let digest = match store.put(&upload.id, bytes, &upload.expected()).await {
            Ok(digest) => digest,
            // Stored before a crash: the bytes are those of the spool, since keys are random.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let digest = digest_of(contents(spool.read(&upload.id).await?)).await?;
                store.verify(&upload.id, &digest).await?;
                digest
            }
            Err(error) if error.context_value("differs").is_some() => {
                return Err(self.give_up(upload, &error).await);
            }
            Err(error) => return Err(error),
        };
        self.step(Step::BytesWritten)?;
        let staged = self.stage(&upload.id, digest).await?;
        self.step(Step::Staged)?;
        spool.remove(&upload.id).await?;
        Ok(UploadProgress::of(&staged))
    }

    /// The whole is not what was announced: the upload ends, and its entry stays pending.
    pub(super) async fn give_up(&self, upload: &UploadRecord, cause: &Error) -> Error {
        let now = self.now();
        let id = upload.id;
        if let Err(error) = transact!(self, |tx| end_in(&mut tx, &id, now)) {
            return error;
        }
        let why = "the bytes are not the announced ones";
        let error = Refusal::WrongDigest.error("upload", why).with("upload", upload.id);
        let named = |name: &'static str, error: Error| match cause.context_value(name) {
            Some(value) => error.with(name, value),
            None => error,
        };
        ["differs", "expected", "found"].into_iter().fold(error, |error, name| named(name, error))
    }

    /// Finishes an upload of no bytes, where a client began one and sent nothing because its
    /// file is empty. `None` where that cannot be.
    pub(crate) async fn finish_empty(&self, entry: &Entry) -> Result<Option<BlobDigest>> {
        let (Some(id), Content::Awaited { staged: None }) = (entry.upload, &entry.content) else {
            return Ok(None);
        };
        if announces_bytes(entry.metadata.as_ref()) {
            return Ok(None);
        }
        let spool = self.spool()?;
        // What is on its way is seen to its end first.
        let _alone = spool.lock(&id).await;
        let Some(upload) = self.receiving(&id).await? else { return Ok(None) };
        let is_empty = match upload.total {
            Some(total) => total == 0,
            // A file is made with the first range, even one that broke off.
            None => upload.offset == 0 && spool.length(&id).await?.is_none(),
        };
        if !is_empty {
            return Ok(None);
        }
        let (found, _) =
            transact!(self, |tx| self.advance_in(&mut tx, &id, upload.offset, 0, Some(0)))?;
        drop(spool.append(&id).await?);
        Ok(self.finish(&found.value).await?.complete)
    }

    /// An upload that comes range by range and has not ended.
    async fn receiving(&self, id: &UploadId) -> Result<Option<UploadRecord>> {
        match self.live_upload(id).await {
            Ok(Versioned { value, .. }) => {
                let receives =
                    value.kind == UploadKind::Gcs && value.state == UploadState::Receiving;
                Ok(receives.then_some(value))
            }
            // It has ended, so nothing came of it.
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    || Refusal::of(&error) == Some(Refusal::Expired) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the metadata of an entry say that its file has bytes.
fn announces_bytes(metadata: Option<&Json>) -> bool {
    let Some(repo_core::Value::Object(fields)) = metadata.map(Json::to_value) else { return false };
    fields.get("size").is_some_and(|size| size.to_string() != "0")
}

/// The bytes of a file, block by block.
fn contents(file: File) -> ByteStream<'static> {
    let blocks = stream::try_unfold(file, |mut file| async move {
        let mut block = BytesMut::with_capacity(BLOCK);
        match file.read_buf(&mut block).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((block.freeze(), file))),
            Err(error) => {
                Err(Error::new(ErrorKind::Unavailable, "upload", "the spool cannot be read")
                    .with("reason", error))
            }
        }
    });
    blocks.boxed()
}
