//! A version as a line of a history file: JSON that any tool can read, its checksum at
//! the end.

use std::borrow::Cow;

use repo_core::strategy::{OlderState, OlderVersion, push_json_string};
use repo_core::{Attribution, Document, EntityId, Result, Timestamp, Version};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::version_key::VersionKey;

/// What stands before the checksum, which is the CRC-32 of all before this.
const SUM: &str = ",\"crc32\":\"";
/// Bytes from there to the end of the line.
const SUM_LEN: usize = SUM.len() + 8 + 2;

/// What a line says of its version. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Live {
        created_at: i64,
        updated_at: i64,
        document: &'a str,
    },
    Deleted {
        updated_at: i64,
    },
    Removed {
        updated_at: i64,
    },
    /// That older files are wrong.
    Forgotten,
    /// Who wrote the version, as JSON.
    Attributed {
        by: &'a str,
    },
    /// That older files are wrong about who wrote it.
    Unattributed,
}

/// A line whose checksum holds.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) key: VersionKey,
    pub(super) is_forgotten: bool,
    /// Without the line feed.
    pub(super) text: Vec<u8>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    version: u64,
    created_at: Option<&'a str>,
    updated_at: Option<&'a str>,
    state: Option<State>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
    #[serde(borrow)]
    attribution: Option<&'a RawValue>,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum State {
    Deleted,
    Removed,
    Forgotten,
    Unattributed,
}

impl Line {
    /// The line of a version.
    pub(super) fn new(key: VersionKey, content: Content<'_>) -> Result<Self> {
        let mut text = String::from("{\"id\":");
        push_json_string(&mut text, &key.id);
        text.push_str(&format!(",\"version\":{}", key.version()));
        let time = |micros| Timestamp::from_micros(micros);
        match content {
            Content::Live { created_at, updated_at, document } => {
                text.push_str(&format!(",\"created_at\":\"{}\"", time(created_at)?));
                text.push_str(&format!(",\"updated_at\":\"{}\",\"document\":", time(updated_at)?));
                text.push_str(document);
            }
            Content::Deleted { updated_at } => {
                text.push_str(&format!(",\"updated_at\":\"{}\"", time(updated_at)?));
                text.push_str(",\"state\":\"deleted\"");
            }
            Content::Removed { updated_at } => {
                text.push_str(&format!(",\"updated_at\":\"{}\"", time(updated_at)?));
                text.push_str(",\"state\":\"removed\"");
            }
            Content::Forgotten => text.push_str(",\"state\":\"forgotten\""),
            Content::Attributed { by } => {
                text.push_str(",\"attribution\":");
                text.push_str(by);
            }
            Content::Unattributed => text.push_str(",\"state\":\"unattributed\""),
        }
        let sum = crc32fast::hash(text.as_bytes());
        text.push_str(&format!("{SUM}{sum:08x}\"}}"));
        let is_forgotten = matches!(content, Content::Forgotten | Content::Unattributed);
        Ok(Self { key, is_forgotten, text: text.into_bytes() })
    }

    /// `None` for text that is no line, or was changed.
    pub(super) fn parse(text: Vec<u8>) -> Option<Self> {
        let (summed, sum) = text.split_at(text.len().checked_sub(SUM_LEN)?);
        if *sum != *format!("{SUM}{:08x}\"}}", crc32fast::hash(summed)).as_bytes() {
            return None;
        }
        let fields: Fields<'_> = serde_json::from_slice(&text).ok()?;
        let mut key = VersionKey::new(&fields.id, fields.version);
        if fields.attribution.is_some() || fields.state == Some(State::Unattributed) {
            key = key.attributing();
        }
        let is_forgotten = matches!(fields.state, Some(State::Forgotten | State::Unattributed));
        Some(Self { key, is_forgotten, text })
    }

    /// Who wrote its version. `None` where that is forgotten, and for a line that another
    /// version of this software wrote.
    pub(super) fn attribution(&self) -> Option<Attribution> {
        let fields: Fields<'_> = serde_json::from_slice(&self.text).ok()?;
        serde_json::from_str(fields.attribution?.get()).ok()
    }

    /// The version that it tells of. `None` for one that is forgotten, and for a line
    /// that another version of this software wrote.
    pub(super) fn older(&self) -> Option<OlderVersion> {
        let fields: Fields<'_> = serde_json::from_slice(&self.text).ok()?;
        let updated_at = Timestamp::parse(fields.updated_at?).ok()?;
        let state = match (fields.state, fields.document) {
            (None, Some(document)) => OlderState::Live {
                created_at: Timestamp::parse(fields.created_at?).ok()?,
                document: Document::read(document.get()).ok()?,
            },
            (Some(State::Deleted), None) => OlderState::Deleted,
            (Some(State::Removed), None) => OlderState::Removed,
            _ => return None,
        };
        let version = Version::new(fields.version).ok()?;
        Some(OlderVersion::new(EntityId::new(&fields.id).ok()?, version, updated_at, state))
    }
}
