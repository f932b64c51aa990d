//! The records of a storage manager.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use repo_blob::{BlobKey, Sha256};
use repo_core::{Document, FieldPath, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::content::{Content, Form, Metadata};

/// What is known of something that is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Its key.
    #[serde(rename = "id")]
    pub key: String,
    /// The place where it is.
    pub place: String,
    /// The form in which it comes back.
    pub form: Form,
    /// Its content type.
    pub content_type: String,
    /// What was given with it.
    pub metadata: Metadata,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes; of JSON, of its canonical form.
    pub sha256: Sha256,
    /// When it was stored.
    pub stored_at: Timestamp,
}

impl Stored {
    /// Where it is, for people: the place and the key.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}:{}", self.place, self.key)
    }
}

/// A record: what is known, and either the content or the blob that holds it.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) stored: Stored,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) blob: Option<BlobKey>,
    /// Text, or bytes in base64. JSON is in a member of its own, with exact numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) text: Option<String>,
}

const JSON: &str = "json";

impl Kept {
    pub(super) fn new(stored: Stored) -> Self {
        Self { stored, blob: None, text: None }
    }

    /// The document of a record whose content is in a blob.
    pub(super) fn to_document(&self) -> Result<Document> {
        Document::from_serialize(self)
    }

    /// The document of a record that holds its content.
    pub(super) fn holding(mut self, content: &Content) -> Result<Document> {
        let json = match content {
            Content::Text(text) => {
                self.text = Some(text.clone());
                return self.to_document();
            }
            Content::Bytes(bytes) => {
                self.text = Some(BASE64_STANDARD.encode(bytes));
                return self.to_document();
            }
            Content::Json(value) => value,
        };
        let mut text = self.to_document()?.as_str().to_owned();
        // The document is an object, so it ends with its brace.
        text.pop();
        text.push_str(&format!(",\"{JSON}\":{json}}}"));
        Document::parse(&text)
    }

    /// The content that a record holds; `None` for one that is damaged.
    pub(super) fn content(&self, document: &Document) -> Option<Content> {
        match self.stored.form {
            Form::Text => self.text.clone().map(Content::Text),
            Form::Bytes => {
                let bytes = BASE64_STANDARD.decode(self.text.as_ref()?).ok()?;
                Some(Content::Bytes(bytes.into()))
            }
            Form::Json => document.get(&FieldPath::parse(JSON).ok()?).map(Content::Json),
        }
    }
}

/// A blob that has no record, or is to have none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Loose {
    pub(super) id: BlobKey,
    pub(super) place: String,
    pub(super) state: LooseState,
    pub(super) since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LooseState {
    /// Its bytes are being written; a record is to follow.
    Pending,
    /// Its bytes are to be removed.
    Condemned,
}

/// The blob of a record, with its place.
pub(super) type BlobAt = (String, BlobKey);
