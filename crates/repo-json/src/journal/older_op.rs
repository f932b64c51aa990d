//! What a frame says of the history of a collection.

use std::num::NonZeroU32;

use repo_core::Timestamp;
use repo_core::strategy::{HistoryState, Retention};

use crate::codec::{Put as _, Take};

/// What is known of an older version from now on. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OlderOp<'a> {
    pub(crate) collection: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    pub(crate) updated_at: i64,
    pub(crate) state: OlderOpState<'a>,
}

/// What the version was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OlderOpState<'a> {
    Live {
        created_at: i64,
        document: &'a str,
    },
    Deleted,
    Removed,
    /// Not even that it was there.
    Forgotten,
    /// Who wrote it, as the JSON of an attribution.
    Attributed {
        by: &'a str,
    },
    /// That nobody knows any more who wrote it.
    Unattributed,
}

const LIVE: u8 = 0;
const DELETED: u8 = 1;
const REMOVED: u8 = 2;
const FORGOTTEN: u8 = 3;
const ATTRIBUTED: u8 = 4;
const UNATTRIBUTED: u8 = 5;

pub(super) fn push_older(out: &mut Vec<u8>, op: &OlderOp<'_>) {
    out.put_text(op.collection);
    out.put_text(op.id);
    out.put_u64(op.version);
    out.put_i64(op.updated_at);
    match op.state {
        OlderOpState::Live { created_at, document } => {
            out.put_u8(LIVE);
            out.put_i64(created_at);
            out.put_text(document);
        }
        OlderOpState::Deleted => out.put_u8(DELETED),
        OlderOpState::Removed => out.put_u8(REMOVED),
        OlderOpState::Forgotten => out.put_u8(FORGOTTEN),
        OlderOpState::Attributed { by } => {
            out.put_u8(ATTRIBUTED);
            out.put_text(by);
        }
        OlderOpState::Unattributed => out.put_u8(UNATTRIBUTED),
    }
}

pub(super) fn decode_older<'a>(take: &mut Take<'a>) -> Option<OlderOp<'a>> {
    Some(OlderOp {
        collection: take.text()?,
        id: take.text()?,
        version: take.u64()?,
        updated_at: take.i64()?,
        state: match take.u8()? {
            LIVE => OlderOpState::Live { created_at: take.i64()?, document: take.text()? },
            DELETED => OlderOpState::Deleted,
            REMOVED => OlderOpState::Removed,
            FORGOTTEN => OlderOpState::Forgotten,
            ATTRIBUTED => OlderOpState::Attributed { by: take.text()? },
            UNATTRIBUTED => OlderOpState::Unattributed,
            _ => return None,
        },
    })
}

/// Appends the state of a history; `.meta` has it in the same form. No versions at most
/// stand for no limit, and so does an absent age.
pub(crate) fn push_history(out: &mut Vec<u8>, history: &HistoryState) {
    let Retention { max_age_seconds, max_versions } = history.retention;
    out.put_i64(history.since.as_micros());
    out.put_u8(u8::from(max_age_seconds.is_some()));
    out.put_u64(max_age_seconds.unwrap_or_default());
    out.put_u32(max_versions.map_or(0, NonZeroU32::get));
}

pub(super) fn decode_history(take: &mut Take<'_>) -> Option<HistoryState> {
    history_of(take.i64()?, take.u8()? != 0, take.u64()?, take.u32()?)
}

/// The state of a history from its parts, in the order in which they are written.
pub(crate) fn history_of(
    since: i64,
    has_age: bool,
    age: u64,
    versions: u32,
) -> Option<HistoryState> {
    let retention = Retention {
        max_age_seconds: has_age.then_some(age),
        max_versions: NonZeroU32::new(versions),
    };
    Some(HistoryState::new(Timestamp::from_micros(since).ok()?).with_retention(retention))
}
