//! Reading datapoints.

use repo_blob::{Blob, ByteRange};
use repo_core::{EntityId, Error, ErrorKind, Result};

use crate::model::{DataType, Datapoint, DatapointStatus, Fields, FileOfDatapoint, Json};
use crate::records::{Versioned, missing};
use crate::service::DataService;

/// What a datapoint holds.
#[derive(Debug)]
pub enum DatapointValue {
    /// A JSON value.
    Value(Json),
    /// A file, and its bytes.
    File {
        /// Its name and type.
        file: FileOfDatapoint,
        /// Its bytes, or the range that was asked for.
        bytes: Blob,
    },
    /// The place of an object, as the client told it.
    Object(Fields),
}

impl DataService {
    /// An active datapoint; a value that is kept in a blob is in its place again.
    ///
    /// # Errors
    /// `NotFound`, also for a deleted one; those of the store of blobs.
    pub async fn datapoint(&self, id: &EntityId) -> Result<Versioned<Datapoint>> {
        let mut found = self.stored_datapoint(id).await?;
        if let Some(value) = self.spilled_value(&found.value).await? {
            found.value.value = Some(value);
        }
        Ok(found)
    }

    /// A datapoint as it is stored, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn datapoint_record(&self, id: &EntityId) -> Result<Versioned<Datapoint>> {
        self.read(id).await
    }

    /// What an active datapoint holds; of a file a range, where one is asked for.
    ///
    /// # Errors
    /// As [`datapoint`](Self::datapoint); `Invalid` for a range that the file ends before.
    pub async fn datapoint_value(&self, id: &EntityId, range: ByteRange) -> Result<DatapointValue> {
        let datapoint = self.stored_datapoint(id).await?.value;
        match (datapoint.data_type, &datapoint.file) {
            (DataType::File, Some(file)) => {
                let bytes = self.open_blob(&file.blob.key, range).await?;
                Ok(DatapointValue::File { file: file.clone(), bytes })
            }
            (DataType::ObjectStorage, _) => Ok(DatapointValue::Object(datapoint.fields)),
            _ => {
                let spilled = self.spilled_value(&datapoint).await?;
                spilled.or(datapoint.value).map(DatapointValue::Value).ok_or_else(|| {
                    let why = "the record has no value";
                    Error::new(ErrorKind::Corrupt, "read", why).with("id", id)
                })
            }
        }
    }

    /// Puts values that are kept in blobs back into their datapoints, one after another.
    ///
    /// # Errors
    /// Those of the store of blobs.
    pub async fn with_values(&self, page: &mut [Versioned<Datapoint>]) -> Result<()> {
        for found in page {
            if let Some(value) = self.spilled_value(&found.value).await? {
                found.value.value = Some(value);
            }
        }
        Ok(())
    }

    async fn spilled_value(&self, datapoint: &Datapoint) -> Result<Option<Json>> {
        match &datapoint.spilled {
            Some(blob) => Ok(Some(Json::parse(&self.text_of_blob(blob).await?)?)),
            None => Ok(None),
        }
    }

    async fn stored_datapoint(&self, id: &EntityId) -> Result<Versioned<Datapoint>> {
        let found = self.find::<Datapoint>(id).await?;
        found
            .filter(|found| found.value.status == DatapointStatus::Active)
            .ok_or_else(|| missing::<Datapoint>(id.as_str()))
    }
}
