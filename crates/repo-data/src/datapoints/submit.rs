//! Submitting datapoints.

use repo_blob::{BlobDigest, Expected};
use repo_core::Result;

use crate::blobs::{NewBlob, activate, text_stream};
use crate::datapoints::new::{FileStream, NewDatapoint};
use crate::hashing::digest_of;
use crate::hooks::Step;
use crate::model::{
    BlobRef, Datapoint, DatapointStatus, FileOfDatapoint, Holder, HolderKind, Json,
};
use crate::records::{Tx, Versioned, transact};
use crate::refusal::Refusal;
use crate::service::{DataService, fresh};
use crate::usage::{Place, Tally, added};

/// What a datapoint has besides its record.
#[derive(Default)]
struct Parts {
    value: Option<Json>,
    spilled: Option<BlobRef>,
    file: Option<FileOfDatapoint>,
}

impl DataService {
    /// Stores a datapoint. Submitted again with the same content, file included, it is found as
    /// it was stored.
    ///
    /// # Errors
    /// `Invalid` for a file without bytes, a value without a value, and texts out of bounds;
    /// `LimitExceeded` for a value above the limit, and beyond a quota; `AlreadyExists` with the
    /// refusal `OtherContent` when the id is taken by other content; the refusal `Deleted`.
    pub async fn submit_datapoint(
        &self,
        new: NewDatapoint,
        file: Option<FileStream<'_>>,
    ) -> Result<Versioned<Datapoint>> {
        new.check(file.as_ref(), self.options().max_value_bytes)?;
        let fingerprint = new.fingerprint()?;
        let size = new.value.as_ref().map_or(0, |value| value.as_str().len() as u64);
        // Bytes are not written for nothing. What is in its record alone is looked for, and
        // compared with the quota, by its commit.
        if file.is_some() || new.value.as_ref().is_some_and(|value| self.spills(value)) {
            if let Some(found) = self.find::<Datapoint>(&new.id).await? {
                let digest = match file {
                    Some(file) => Some(digest_of(file.bytes).await?),
                    None => None,
                };
                return same_request(found, &fingerprint, digest);
            }
            let announced = file.as_ref().and_then(|file| file.expected.size);
            self.check_quota(&new.owner, announced.unwrap_or(size), 0).await?;
        }
        let parts = self.write_parts(&new, file).await?;
        let datapoint = self.datapoint_of(new, parts, size, fingerprint);
        self.store_datapoint(datapoint).await
    }

    /// Stores a datapoint whose bytes are written, or gives these up.
    async fn store_datapoint(&self, datapoint: Datapoint) -> Result<Versioned<Datapoint>> {
        // An id is new but for requests that are repeated: these are found when the commit fails.
        // A quota has no say in what is stored already, so with one it is looked for at once.
        let free = !self.options().quotas.are_set();
        if !free || datapoint.blob().is_some() {
            return self.store_alone(datapoint, free).await;
        }
        match self.store_together(datapoint).await {
            Ok(stored) => Ok(stored),
            Err(datapoint) => self.store_alone(datapoint, false).await,
        }
    }

    /// Stores it by a commit of its own. The first run may take its id for free.
    async fn store_alone(
        &self,
        datapoint: Datapoint,
        mut free: bool,
    ) -> Result<Versioned<Datapoint>> {
        let stored =
            transact!(self, |tx| self.submit_in(&mut tx, &datapoint, std::mem::take(&mut free)));
        let ours = |found: &Datapoint| {
            found.blob().map(|blob| blob.key) == datapoint.blob().map(|blob| blob.key)
        };
        let kept = stored.as_ref().is_ok_and(|(found, _)| ours(&found.value));
        if !kept && let Some(blob) = datapoint.blob() {
            self.abandon_blob(&blob.key).await;
        }
        let (found, committed) = stored?;
        if found.value.blob().is_some() {
            self.step(Step::Activated)?;
        }
        committed.versioned(found)
    }

    async fn write_parts(&self, new: &NewDatapoint, file: Option<FileStream<'_>>) -> Result<Parts> {
        let blob = |content_type: Option<String>| NewBlob {
            owner: new.owner.clone(),
            holder: Holder { kind: HolderKind::Datapoint, id: new.id.clone() },
            store: new.store.clone(),
            content_type,
        };
        if let Some(file) = file {
            let FileStream { name, content_type, expected, bytes } = file;
            let written = self.write_new_blob(blob(content_type.clone()), bytes, &expected).await;
            let written = written.map_err(|error| match error.context_value("differs") {
                Some(_) => Refusal::WrongDigest
                    .error("submit", "the file is not the announced one")
                    .caused_by(error),
                None => error,
            })?;
            let file = FileOfDatapoint { blob: written, name, content_type };
            return Ok(Parts { file: Some(file), ..Parts::default() });
        }
        match &new.value {
            Some(value) if self.spills(value) => {
                let text = value.as_str();
                let expected = Expected::from(BlobDigest::of(text.as_bytes()));
                let kind = Some("application/json".to_owned());
                let spilled = self.write_new_blob(blob(kind), text_stream(text), &expected).await?;
                Ok(Parts { spilled: Some(spilled), ..Parts::default() })
            }
            value => Ok(Parts { value: value.clone(), ..Parts::default() }),
        }
    }

    /// Whether a value is kept in a blob.
    fn spills(&self, value: &Json) -> bool {
        value.as_str().len() > self.options().spill_above
    }

    fn datapoint_of(
        &self,
        new: NewDatapoint,
        parts: Parts,
        size: u64,
        fingerprint: String,
    ) -> Datapoint {
        let size = parts.file.as_ref().map_or(size, |file| file.blob.size);
        Datapoint {
            id: new.id,
            label: new.label,
            data_type: new.data_type,
            ownership_info: new.ownership_info,
            data_timestamp: new.data_timestamp,
            owner: new.owner,
            status: DatapointStatus::Active,
            value: parts.value,
            spilled: parts.spilled,
            file: parts.file,
            size,
            fields: new.fields,
            created_at: self.now(),
            deleted_at: None,
            due: None,
            holds: Vec::new(),
            fingerprint,
        }
    }

    async fn submit_in(
        &self,
        tx: &mut Tx,
        datapoint: &Datapoint,
        free: bool,
    ) -> Result<Versioned<Datapoint>> {
        if free {
            tx.assume_absent::<Datapoint>(datapoint.id.as_str())?;
        }
        if let Some(found) = tx.find::<Datapoint>(datapoint.id.as_str()).await? {
            let digest = datapoint.file.as_ref().map(|file| file.blob.digest());
            return same_request(found, &datapoint.fingerprint, digest);
        }
        let store = match datapoint.blob() {
            Some(blob) => Some(activate(tx, blob).await?),
            None => None,
        };
        let place = Place { owner: &datapoint.owner, dataset: None, store: store.as_ref() };
        let mut tally = Tally::default();
        tally.add(place, added(datapoint.size, 0, 1));
        self.count_within_quota(tx, tally).await?;
        tx.put(datapoint)?;
        Ok(fresh(datapoint.clone()))
    }
}

/// What a repeated submission finds.
fn same_request(
    found: Versioned<Datapoint>,
    fingerprint: &str,
    file: Option<BlobDigest>,
) -> Result<Versioned<Datapoint>> {
    let stored = found.value.file.as_ref().map(|file| file.blob.digest());
    let refuse =
        |refusal: Refusal, why: &str| Err(refusal.error("submit", why).with("id", &found.value.id));
    if found.value.fingerprint != fingerprint || stored != file {
        return refuse(Refusal::OtherContent, "there is another datapoint of this id");
    }
    if found.value.status == DatapointStatus::Deleted {
        return refuse(Refusal::Deleted, "the datapoint was submitted, and deleted since");
    }
    Ok(found)
}
