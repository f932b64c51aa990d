//! For authors of strategies and of layers, and for tools that work on whole
//! stores: the contract, what its methods exchange, and what every strategy
//! needs to keep it.
//!
//! [`StorageStrategy`] is the contract, [`MemoryStrategy`](crate::MemoryStrategy)
//! its reference. A strategy is made by a [`StrategyFactory`], which a
//! [`Registry`] knows by its name. Programs that only keep entities need
//! nothing of this module.

mod action;
mod capabilities;
mod captured;
mod contract;
mod deep_check;
mod distinct;
mod erasure;
mod ext;
mod feed;
mod file_identity;
mod foreign;
mod history;
mod hooks;
mod left_out;
mod level;
mod level_costs;
mod live;
mod mirror_items;
mod open_state;
mod outcomes;
mod owner_id;
mod physical_identity;
mod random_id;
mod reason;
mod record;
mod refusals;
mod registry;
mod remnant;
mod scan;
mod scratch;
mod select;
mod settings;
mod sort_key;
mod store_id;
mod store_record;
mod stored;
mod suggestion;
mod system_items;
mod system_limit;
mod unfinished_job;
mod unreadable;
mod writable;

pub use action::Action;
pub use capabilities::Capabilities;
pub use captured::{CapturedWrite, with_records};
pub use contract::StorageStrategy;
pub use deep_check::check_records;
pub use distinct::{check_distinct_collections, check_distinct_keys};
pub use erasure::{Erasure, Erasures, check_none_is_live, id_hash};
pub use ext::StorageStrategyExt;
pub use feed::{Capture, CaptureHolder, Changes, FeedPosition, FeedState, RecordChange};
pub use file_identity::identity_of_files;
pub use foreign::{ForeignReader, ForeignStrategy, ReadFrom};
pub use history::{
    HistoryState, OlderState, OlderThan, OlderVersion, Retention, VersionWrite,
    check_version_writes, no_history,
};
pub use hooks::Hooks;
pub use left_out::left_out;
pub use level::{
    level_by_key, level_knowing, level_of, scoped_consistency, strong_reads, with_consistency,
    within,
};
pub use level_costs::{LevelCost, LevelCosts};
pub use live::{LiveId, RoleChange, RoleState, Route, StoreRole};
pub use mirror_items::mirror_system_items;
pub use open_state::{OpenState, handle_closed};
pub use outcomes::{OpenTransaction, PrepareChange, Prepared, Purged, StateMark};
pub use owner_id::OwnerId;
pub use physical_identity::{PhysicalIdentity, Sameness};
pub use reason::plain_reason;
pub use record::{Record, Tombstone};
pub use refusals::{layout_without_changes, never_prepared, not_prepared, unsupported};
pub use registry::{OpenOptions, Registry, StrategyFactory};
pub use remnant::Remnant;
pub use scan::{
    RecordBatch, RecordStream, ScanOptions, Segment, base64_of, bytes_of_base64, read_ahead,
};
pub use scratch::{Reach, Scratch};
pub use select::Selector;
pub use settings::{is_secret, read_settings, settings_schema};
pub use sort_key::{SortKey, SortValue};
pub use store_id::StoreId;
pub use store_record::{CollectionState, StoreRecord, StoreUpdate, check_new_id};
pub use stored::{as_stored, is_as_stored};
pub use suggestion::{did_you_mean, suggestion_before};
pub use system_items::{SystemCollection, SystemItem, SystemItemMap, SystemWrite};
pub use system_limit::SystemLimit;
pub use unfinished_job::{
    JobFingerprint, JobId, JobKind, StoredJob, UnfinishedJob, check_job, check_purge,
};
pub use unreadable::{OnUnreadable, UnreadableRecord};
pub use writable::check_writable;

pub use crate::aggregate::{Aggregator, ExactSum, FieldSummary, Measured};
pub use crate::analysis::Effort;
pub use crate::cursor::Position;
pub use crate::document::{RESERVED_KEYS, invalid_document, push_json_string};
pub use crate::memory::MemoryFactory;
pub use crate::schema::MAX_INDEXED_TEXT_BYTES;
pub use crate::token::TokenPosition;
pub use crate::write::Applied;
