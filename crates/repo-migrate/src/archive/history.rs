//! What an archive holds of a history: older versions and the items that travel,
//! as lines of text.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::path::Path;

use repo_core::strategy::{HistoryState, OlderState, Retention, SystemCollection, SystemItem};
use repo_core::{Attribution, Document, EntityId, Error, ErrorKind, Result, Timestamp, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::archive::errors::corrupt;
use crate::past::PastVersion;

/// The history of one collection of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchivedHistory {
    /// The file in the archive's folder that holds the older versions.
    pub file: String,
    /// The size of that file in bytes.
    pub file_bytes: u64,
    /// BLAKE3 of that file, in hexadecimal.
    pub file_digest: String,
    /// Lines in the file: the older versions, and a line for each stored version of which
    /// it is known who wrote it.
    pub lines: u64,
    /// Older versions.
    pub versions: u64,
    /// The sum of the digests of all older versions, in hexadecimal.
    pub digest: String,
    /// From when on every version is kept, RFC 3339.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Seconds after which a version that was replaced may go; none for no limit.
    pub max_age_seconds: Option<u64>,
    /// Older versions kept of each record; none for no limit.
    pub max_versions: Option<NonZeroU32>,
}

impl ArchivedHistory {
    /// One of which nothing is written yet.
    pub(super) fn begin(file: String, state: HistoryState) -> Self {
        let Retention { max_age_seconds, max_versions } = state.retention;
        Self {
            file,
            file_bytes: 0,
            file_digest: String::new(),
            lines: 0,
            versions: 0,
            digest: String::new(),
            since: state.since,
            max_age_seconds,
            max_versions,
        }
    }

    /// From when on, and how long, it was kept.
    #[must_use]
    pub fn state(&self) -> HistoryState {
        let Self { since, max_age_seconds, max_versions, .. } = *self;
        HistoryState::new(since).with_retention(Retention { max_age_seconds, max_versions })
    }
}

/// The engine's own items that an archive holds: tags, and what else belongs to
/// collections and travels with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchivedItems {
    /// The file in the archive's folder.
    pub file: String,
    /// The size of that file in bytes.
    pub file_bytes: u64,
    /// BLAKE3 of that file, in hexadecimal.
    pub file_digest: String,
    /// Items: as many lines are in the file.
    pub items: u64,
}

/// One version as a line. Exactly one of `document`, `deleted`, `removed` and `stored`
/// says what it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    version: u64,
    updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    document: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "is_false")]
    deleted: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    removed: bool,
    /// Whether it is the version of the record, of which only the attribution is here.
    #[serde(default, skip_serializing_if = "is_false")]
    stored: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribution: Option<Attribution>,
}

/// Serde gives a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemLine<'a> {
    #[serde(borrow)]
    items: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

/// Appends a version as one line, its line feed included.
pub(super) fn write_version(version: &PastVersion, out: &mut Vec<u8>) -> Result<()> {
    let (created_at, document) = match &version.state {
        Some(OlderState::Live { created_at, document }) => (Some(*created_at), Some(document)),
        Some(OlderState::Deleted | OlderState::Removed) | None => (None, None),
    };
    let document: Option<&RawValue> = document
        .map(|document| serde_json::from_str(document.as_str()))
        .transpose()
        .map_err(unwritten)?;
    let line = VersionLine {
        id: version.id.as_str().into(),
        version: version.version.get(),
        updated_at: version.updated_at,
        created_at,
        document,
        deleted: version.state == Some(OlderState::Deleted),
        removed: version.is_removed(),
        stored: version.state.is_none(),
        attribution: version.by.clone(),
    };
    append(&line, out)
}

/// Appends an item as one line, its line feed included.
pub(super) fn write_item(of: SystemCollection, item: &SystemItem, out: &mut Vec<u8>) -> Result<()> {
    let (items, key, value) = (of.as_str().into(), (&*item.key).into(), (&*item.value).into());
    append(&ItemLine { items, key, value }, out)
}

fn append(line: &impl Serialize, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(&mut *out, line).map_err(unwritten)?;
    out.push(b'\n');
    Ok(())
}

fn unwritten(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Invalid, "write an archive", "a line cannot be written").caused_by(source)
}

/// Reads one line of the older versions.
pub(super) fn read_version(line: &[u8], number: u64, file: &Path) -> Result<PastVersion> {
    let bad = |why: String| corrupt(file, why).with("line", number);
    let line: VersionLine<'_> =
        serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
    let state = match (line.document, line.deleted, line.removed, line.stored) {
        (Some(document), false, false, false) => Some(OlderState::Live {
            created_at: line
                .created_at
                .ok_or_else(|| bad("a version with a document has no created_at".to_owned()))?,
            document: Document::parse(document.get()).map_err(|error| bad(error.to_string()))?,
        }),
        (None, true, false, false) => Some(OlderState::Deleted),
        (None, false, true, false) => Some(OlderState::Removed),
        (None, false, false, true) => None,
        _ => return Err(bad("a version has no document and is not deleted".to_owned())),
    };
    let id = EntityId::new(&line.id).map_err(|error| bad(error.to_string()))?;
    let version = Version::new(line.version).map_err(|error| bad(error.to_string()))?;
    Ok(PastVersion { id, version, updated_at: line.updated_at, state, by: line.attribution })
}

/// Reads one line of the items.
pub(super) fn read_item(
    line: &[u8],
    number: u64,
    file: &Path,
) -> Result<(SystemCollection, SystemItem)> {
    let bad = |why: String| corrupt(file, why).with("line", number);
    let line: ItemLine<'_> =
        serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
    let of = SystemCollection::named(&line.items)
        .filter(|of| of.travels())
        .ok_or_else(|| bad(format!("there are no items {:?} that travel", line.items)))?;
    Ok((of, SystemItem::new(line.key.into_owned(), line.value.into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(state: Option<OlderState>, by: Option<Attribution>) -> PastVersion {
        let (id, version) = (EntityId::new("a\"\u{1f600}").unwrap(), Version::new(7).unwrap());
        PastVersion { id, version, updated_at: Timestamp::from_micros(1_001).unwrap(), state, by }
    }

    #[test]
    fn a_version_is_read_as_it_was_written() {
        let created_at = Timestamp::from_micros(5).unwrap();
        let text = r#"{"other":"no id","n":1.50,"big":12345678901234567890123456789012345678}"#;
        let document = Document::parse(text).unwrap();
        let by = Attribution::new(Some("ada"), Some("a\nreason")).unwrap();
        let live = OlderState::Live { created_at, document };
        for written in [
            version(Some(live.clone()), None),
            version(Some(live), Some(by.clone())),
            version(Some(OlderState::Deleted), None),
            version(Some(OlderState::Removed), None),
            version(None, Some(by)),
        ] {
            let mut line = Vec::new();
            write_version(&written, &mut line).unwrap();
            assert_eq!(line.pop(), Some(b'\n'));
            let read = read_version(&line, 1, Path::new("f")).unwrap();
            assert_eq!(read, written);
            if let Some(OlderState::Live { document, .. }) = &read.state {
                assert_eq!(document.as_str(), text);
            }
        }
    }

    #[test]
    fn a_line_that_says_nothing_or_two_things_is_damage() {
        let time = r#""updated_at":"2026-03-01T08:00:00Z""#;
        for rest in ["", r#","deleted":true,"removed":true"#, r#","document":{}"#, r#","x":1"#] {
            let line = format!(r#"{{"id":"a","version":1,{time}{rest}}}"#);
            let error = read_version(line.as_bytes(), 4, Path::new("f")).unwrap_err();
            assert_eq!(
                (error.kind(), error.context_value("line")),
                (ErrorKind::Corrupt, Some("4"))
            );
        }
    }

    #[test]
    fn only_what_travels_is_read_of_the_items() {
        let mut line = Vec::new();
        let item = SystemItem::new("machines/x/first".to_owned(), "{\"a\":\"ä\"}".to_owned());
        write_item(SystemCollection::Tags, &item, &mut line).unwrap();
        let read = read_item(line.trim_ascii_end(), 1, Path::new("f")).unwrap();
        assert_eq!(read, (SystemCollection::Tags, item.clone()));
        line.clear();
        write_item(SystemCollection::Consumers, &item, &mut line).unwrap();
        assert!(read_item(&line, 1, Path::new("f")).is_err());
    }
}
