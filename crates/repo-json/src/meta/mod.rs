//! `.meta`: everything of a store that is not a document. Versions, times and
//! digests by id, tombstones, floors, the store's own record, and the digests
//! of the data files that it belongs to. Written whole at each checkpoint.

mod read;
mod write;

use plain_json::Signature;
use repo_core::CollectionName;
use repo_core::strategy::{RoleState, StoreId, SystemItemMap, UnfinishedJob};

pub(crate) use read::read_meta;
pub(crate) use write::{MetaWriter, StoreHead};

use crate::feed_record::FeedRecord;
use crate::history::HistoryHead;
use crate::packed::Packing;
use crate::snapshot::{FileDigest, Form};
use crate::table::Table;

/// The newest version of the layout that this software reads and writes, with plain data
/// files.
/// Layout 2 is the same without the change feed and the engine's own items, 1 without the store's id as well.
/// A store stays in its layout until `upgrade_layout`.
const LAYOUT_VERSION: u32 = 3;
/// Layout 3 with data files that are all compressed. By another number programs that do
/// not know that refuse the store.
pub(crate) const PACKED_LAYOUT: u32 = 4;

/// The newest layout of stores whose data files are kept so.
pub(crate) fn newest_layout(packing: Packing) -> u32 {
    match packing {
        Packing::Plain => LAYOUT_VERSION,
        Packing::Zstd => PACKED_LAYOUT,
    }
}

/// The layout of a store with this id and this record of its change feed, whose data files
/// are kept so.
pub(crate) fn layout_of(id: Option<StoreId>, feed: Option<&FeedRecord>, packing: Packing) -> u32 {
    match (id, feed, packing) {
        (None, ..) => 1,
        (Some(_), None, _) => 2,
        (Some(_), Some(_), packing) => newest_layout(packing),
    }
}

const MAGIC: &[u8; 8] = b"REPOMETA";

/// Says that the store never took part in a live migration.
const NO_ROLE: u64 = 0;
/// Says that the role of the store follows, as JSON text.
const ROLE_FOLLOWS: u64 = 1;

/// Stands for "in no file yet".
const NO_FILE: u32 = u32::MAX;

/// The content of `.meta`.
#[derive(Debug)]
pub(crate) struct Meta {
    /// Counts the checkpoints; the journal with the same number holds what
    /// came after.
    pub(crate) generation: u64,
    pub(crate) id: Option<StoreId>,
    /// How its data files are kept.
    pub(crate) packing: Packing,
    /// Unused before layout 3.
    pub(crate) role: RoleState,
    pub(crate) job: Option<UnfinishedJob>,
    /// `None` before layout 3.
    pub(crate) feed: Option<FeedRecord>,
    pub(crate) items: SystemItemMap,
    pub(crate) histories: Vec<HistoryHead>,
    pub(crate) collections: Vec<MetaCollection>,
    pub(crate) files: Vec<MetaFile>,
    /// The checksum at its end.
    pub(crate) crc: u32,
}

/// What is kept of one prepared collection.
#[derive(Debug)]
pub(crate) struct MetaCollection {
    pub(crate) head: CollectionHead,
    pub(crate) table: Table,
}

/// What is kept of one prepared collection besides its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionHead {
    pub(crate) name: CollectionName,
    pub(crate) schema_version: u32,
    pub(crate) floor: u64,
    /// Fingerprint of the id field and the indexes it was prepared with.
    pub(crate) shape: u64,
    /// The place of its data file among [`Meta::files`].
    pub(crate) file: Option<usize>,
}

/// A data file as it was when `.meta` was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaFile {
    pub(crate) name: String,
    pub(crate) packing: Packing,
    pub(crate) form: Form,
    pub(crate) signature: Signature,
    pub(crate) digest: FileDigest,
}
