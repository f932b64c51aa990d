//! `Upload-Metadata`: what a client says of the file, and so of its entry.

use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use repo_blob::{Md5, Sha256};
use repo_core::EntityId;
use repo_data::model::{Json, Owner};
use repo_data::{NewContent, NewEntry};
use serde_json::json;

use super::headers::METADATA;
use super::names::KEPT_WITH;
use crate::http::ApiError;

/// What is said of an upload. Keys that mean nothing here are kept, and given back.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    header: String,
    pairs: Vec<(String, String)>,
}

impl Metadata {
    /// Reads the header: pairs of a key and a text in base64, separated by commas.
    ///
    /// # Errors
    /// 400 for what is none, and for a key that stands twice.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(METADATA) else { return Ok(Self::default()) };
        let bad =
            |why: &str| ApiError::bad_request(format!("Upload-Metadata cannot be read: {why}"));
        let header = value.to_str().map_err(|_| bad("it is no text"))?.trim();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, coded) = pair.split_once(' ').unwrap_or((pair, ""));
            let bytes =
                BASE64_STANDARD.decode(coded.trim()).map_err(|_| bad("a value is no base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| bad("a value is not UTF-8"))?;
            if pairs.iter().any(|(other, _)| other == key) {
                return Err(bad("a key stands twice"));
            }
            pairs.push((key.to_owned(), text));
        }
        Ok(Self { header: header.to_owned(), pairs })
    }

    /// The first of some keys that has a value.
    fn text(&self, keys: &[&str]) -> Option<&str> {
        let value = |key: &&str| self.pairs.iter().find(|(name, _)| name == key);
        keys.iter().find_map(value).map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
    }

    fn id(&self, key: &str) -> Result<Option<EntityId>, ApiError> {
        let id = self.text(&[key]).map(EntityId::new).transpose();
        id.map_err(|error| ApiError::from(error).with("key", key))
    }

    fn json(&self, key: &str) -> Result<Option<Json>, ApiError> {
        let json = self.text(&[key]).map(Json::parse).transpose();
        json.map_err(|error| unfit(error).with("key", key))
    }

    /// The entry that is there and awaits these bytes.
    pub(super) fn entry(&self) -> Result<Option<EntityId>, ApiError> {
        self.id("entry")
    }

    /// The digests that the whole has to have.
    pub(super) fn digests(&self) -> Result<(Option<Sha256>, Option<Md5>), ApiError> {
        let sha256 = self.text(&["sha256"]).map(str::parse).transpose();
        let md5 = self.text(&["md5"]).map(str::parse).transpose();
        let named = |key: &'static str| move |error| ApiError::from(error).with("key", key);
        Ok((sha256.map_err(named("sha256"))?, md5.map_err(named("md5"))?))
    }

    /// The entry that is made for an upload of this many bytes.
    ///
    /// # Errors
    /// 422 for a name that is missing, and values that do not fit.
    pub(super) fn new_entry(&self, owner: Owner, length: u64) -> Result<NewEntry, ApiError> {
        let name = self.text(&["name", "filename"]).ok_or_else(|| {
            said_wrong("an upload has a name, or an entry that awaits it")
                .remedy("send `name` or `entry` in Upload-Metadata")
        })?;
        let content = match self.text(&["kind"]) {
            None | Some("file") => NewContent::File,
            Some("collection") => NewContent::Collection,
            Some(_) => return Err(said_wrong("the kind of an upload is `file` or `collection`")),
        };
        let mut new = NewEntry::new(name, owner, content);
        new.description = self.text(&["description"]).map(str::to_owned);
        new.content_type = self.text(&["content_type", "filetype"]).map(str::to_owned);
        new.file_path = self.text(&["file_path", "filename"]).map(str::to_owned);
        new.parent = self.id("parent")?;
        new.dataset = self.id("dataset")?;
        new.project = self.id("project")?;
        new.metadata = self.json("metadata")?;
        if let Some(tags) = self.text(&["tags"]) {
            new.tags = serde_json::from_str(tags)
                .map_err(|_| said_wrong("the tags of an upload are a JSON list of texts"))?;
        }
        let kept = json!({ "metadata": self.header, "length": length }).to_string();
        new.extra.insert(KEPT_WITH.to_owned(), Json::parse(&kept).map_err(unfit)?);
        Ok(new)
    }
}

fn said_wrong(why: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
}

fn unfit(error: repo_core::Error) -> ApiError {
    ApiError::from(error).with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(text: &str) -> Result<Metadata, ApiError> {
        Metadata::of(&HeaderMap::from_iter([(METADATA, text.parse().unwrap())]))
    }

    #[test]
    fn pairs_are_read_and_broken_ones_refused() {
        let read = metadata("name dy5iaW4=, is_confidential,tags WyJhIl0=").unwrap();
        let new = read.new_entry(Owner::new("ada").unwrap(), 3).unwrap();
        assert_eq!((new.name.as_str(), new.tags.as_slice()), ("w.bin", &["a".to_owned()][..]));
        for bad in ["name =x", "name dy5iaW4=,name dy5iaW4=", "name /w=="] {
            assert!(metadata(bad).is_err(), "{bad}");
        }
        let without = metadata("tags WyJhIl0=").unwrap();
        let error = without.new_entry(Owner::new("ada").unwrap(), 3).unwrap_err();
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}
