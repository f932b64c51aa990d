//! What a datapoint is made of.

use std::fmt;

use repo_blob::{ByteStream, Expected};
use repo_core::{EntityId, Error, ErrorKind, Result};
use serde::Serialize;

use crate::checks;
use crate::hashing::text_digest;
use crate::model::{DataType, Fields, Json, Owner, StoreName};

/// A datapoint to be submitted.
#[derive(Debug, Clone, Serialize)]
pub struct NewDatapoint {
    /// Its id, made by the client.
    pub id: EntityId,
    /// At most 1,000 bytes.
    pub label: Option<String>,
    /// What it is.
    pub data_type: DataType,
    /// Whom and what it belongs to, an object.
    pub ownership_info: Json,
    /// When it was measured, as the client writes it: 1 to 64 bytes.
    pub data_timestamp: String,
    /// Who sends it.
    pub owner: Owner,
    /// The value, of one that has a value; may be null.
    pub value: Option<Json>,
    /// What else came, at most 64 KiB: `path` of a file, the place of an object.
    pub fields: Fields,
    /// In which store of blobs its bytes go; the default one without it.
    #[serde(skip)]
    pub store: Option<StoreName>,
}

/// A file that comes with a datapoint.
pub struct FileStream<'a> {
    /// What the client calls it, 1 to 1,000 bytes.
    pub name: String,
    /// What it is said to be, as a MIME type.
    pub content_type: Option<String>,
    /// What is known of its bytes.
    pub expected: Expected,
    /// Its bytes.
    pub bytes: ByteStream<'a>,
}

impl fmt::Debug for FileStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NewDatapoint {
    /// Checks what does not depend on the store.
    pub(super) fn check(&self, file: Option<&FileStream<'_>>, most: usize) -> Result<()> {
        checks::short("id", Some(self.id.as_str()))?;
        checks::short("label", self.label.as_deref())?;
        checks::short("owner", Some(self.owner.as_str()))?;
        checks::metadata(Some(&self.ownership_info))?;
        checks::extra(&self.fields)?;
        if !(1..=64).contains(&self.data_timestamp.len()) {
            return Err(invalid("data_timestamp is 1 to 64 bytes"));
        }
        if !self.ownership_info.is_object() {
            return Err(invalid("ownership_info is an object"));
        }
        match (self.data_type, &self.value, file) {
            (DataType::Json, Some(value), None) => check_size(value, most),
            (DataType::Json, None, _) => Err(invalid("a datapoint of this type has a value")),
            (DataType::Json | DataType::ObjectStorage, _, Some(_)) => {
                Err(invalid("only a datapoint with data_type `file` comes with a file"))
            }
            (DataType::File | DataType::ObjectStorage, Some(_), _) => {
                Err(invalid("only a datapoint with data_type `json` has a value"))
            }
            (DataType::File, None, None) => {
                Err(invalid("a datapoint with data_type `file` comes with its file"))
            }
            (DataType::File, None, Some(file)) => {
                checks::name(&file.name)?;
                checks::short("content_type", file.content_type.as_deref())
            }
            (DataType::ObjectStorage, None, None) => self.check_place(),
        }
    }

    fn check_place(&self) -> Result<()> {
        for name in ["storage_endpoint", "path"] {
            let text = self.fields.get(name).map(Json::to_value);
            if text.as_ref().and_then(repo_core::Value::as_str).is_none_or(str::is_empty) {
                return Err(invalid("the place of an object lacks a text").with("missing", name));
            }
        }
        Ok(())
    }

    /// What tells this request from others with the same id, without the file.
    pub(super) fn fingerprint(&self) -> Result<String> {
        // A large value has a digest of its own, so that this stays one small value.
        let value = self.value.as_ref().map(|value| text_digest(&value.to_value().to_string()));
        let value = value.map(|digest| Json::from_serialize(&digest)).transpose()?;
        let described = Json::from_serialize(&Self { value, ..self.clone() })?;
        Ok(text_digest(&described.to_value().to_string()))
    }
}

fn check_size(value: &Json, most: usize) -> Result<()> {
    if value.as_str().len() <= most {
        return Ok(());
    }
    let why = "the value is too large";
    Err(Error::new(ErrorKind::LimitExceeded, "submit", why)
        .with("bytes", value.as_str().len())
        .with("most", most)
        .hint("submit it as a file"))
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "submit", why)
}
