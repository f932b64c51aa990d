//! What a layer is told of a call, and how it hands the call on.

use std::fmt;

use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionName, Result};

/// One call of a [`StorageStrategy`], with its arguments.
///
/// A layer that hands a call on once gives it to [`run`](Self::run); one that
/// may have to repeat it clones it first. Documents are shared by their
/// clones, so cloning costs little, and nothing where nobody does it.
pub trait Operation: Clone + Send + Sync {
    /// What the call answers.
    type Output: Send;

    /// Which method it is.
    fn kind(&self) -> OperationKind;

    /// The collection that it is about; `None` when it is about none, or about
    /// several.
    fn collection(&self) -> Option<&CollectionName> {
        None
    }

    /// How many ids, writes or records it carries, where it carries any.
    fn items(&self) -> Option<usize> {
        None
    }

    /// Does it.
    fn run(self, inner: &dyn StorageStrategy) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// What an operation does to a store, as far as layers treat it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperationClass {
    /// It changes nothing, and takes as long as its answer is large.
    Read,
    /// It changes records or the store's own record.
    Write,
    /// It changes the store as a whole, or reads all of it, and takes as long
    /// as the store is large.
    Job,
    /// It gives the handle back.
    Close,
}

/// Which method of [`StorageStrategy`] an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OperationKind {
    /// [`invents_versions`](StorageStrategy::invents_versions)
    InventsVersions,
    /// [`physical_identity`](StorageStrategy::physical_identity)
    PhysicalIdentity,
    /// [`unfinished_job_afresh`](StorageStrategy::unfinished_job_afresh)
    UnfinishedJobAfresh,
    /// [`prepare`](StorageStrategy::prepare)
    Prepare,
    /// [`prepare_for_load`](StorageStrategy::prepare_for_load)
    PrepareForLoad,
    /// [`upgrade_layout`](StorageStrategy::upgrade_layout)
    UpgradeLayout,
    /// [`check_prepare`](StorageStrategy::check_prepare)
    CheckPrepare,
    /// [`collections`](StorageStrategy::collections)
    Collections,
    /// [`get_many`](StorageStrategy::get_many)
    GetMany,
    /// [`query`](StorageStrategy::query)
    Query,
    /// [`analyze`](StorageStrategy::analyze)
    Analyze,
    /// [`count`](StorageStrategy::count)
    Count,
    /// [`aggregate`](StorageStrategy::aggregate)
    Aggregate,
    /// [`scan`](StorageStrategy::scan)
    Scan,
    /// [`commit`](StorageStrategy::commit)
    Commit,
    /// [`apply`](StorageStrategy::apply)
    Apply,
    /// [`purge`](StorageStrategy::purge)
    Purge,
    /// [`state_mark`](StorageStrategy::state_mark)
    StateMark,
    /// [`oldest_transaction`](StorageStrategy::oldest_transaction)
    OldestTransaction,
    /// [`token`](StorageStrategy::token)
    Token,
    /// [`store_record`](StorageStrategy::store_record)
    StoreRecord,
    /// [`update_store_record`](StorageStrategy::update_store_record)
    UpdateStoreRecord,
    /// [`checkpoint`](StorageStrategy::checkpoint)
    Checkpoint,
    /// [`health`](StorageStrategy::health) at a glance
    Health,
    /// [`health`](StorageStrategy::health) by reading everything
    DeepHealth,
    /// [`close`](StorageStrategy::close)
    Close,
    /// [`changes`](StorageStrategy::changes)
    Changes,
    /// [`head`](StorageStrategy::head)
    Head,
    /// [`trim_changes`](StorageStrategy::trim_changes)
    TrimChanges,
    /// [`system_item`](StorageStrategy::system_item)
    SystemItem,
    /// [`system_items`](StorageStrategy::system_items)
    SystemItems,
    /// [`write_system_items`](StorageStrategy::write_system_items)
    WriteSystemItems,
    /// [`older_versions`](StorageStrategy::older_versions)
    OlderVersions,
    /// [`write_versions`](StorageStrategy::write_versions)
    WriteVersions,
    /// [`attributions`](StorageStrategy::attributions)
    Attributions,
    /// [`scrub`](StorageStrategy::scrub)
    Scrub,
}

impl OperationKind {
    /// Every kind, for tables and tests that must not forget one.
    pub const ALL: &'static [Self] = &[
        Self::InventsVersions,
        Self::PhysicalIdentity,
        Self::UnfinishedJobAfresh,
        Self::Prepare,
        Self::PrepareForLoad,
        Self::UpgradeLayout,
        Self::CheckPrepare,
        Self::Collections,
        Self::GetMany,
        Self::Query,
        Self::Analyze,
        Self::Count,
        Self::Aggregate,
        Self::Scan,
        Self::Commit,
        Self::Apply,
        Self::Purge,
        Self::StateMark,
        Self::OldestTransaction,
        Self::Token,
        Self::StoreRecord,
        Self::UpdateStoreRecord,
        Self::Checkpoint,
        Self::Health,
        Self::DeepHealth,
        Self::Close,
        Self::Changes,
        Self::Head,
        Self::TrimChanges,
        Self::SystemItem,
        Self::SystemItems,
        Self::WriteSystemItems,
        Self::OlderVersions,
        Self::WriteVersions,
        Self::Attributions,
        Self::Scrub,
    ];

    /// The name in traces, metrics and errors: that of the method, and
    /// `deep_health`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InventsVersions => "invents_versions",
            Self::PhysicalIdentity => "physical_identity",
            Self::UnfinishedJobAfresh => "unfinished_job_afresh",
            Self::Prepare => "prepare",
            Self::PrepareForLoad => "prepare_for_load",
            Self::UpgradeLayout => "upgrade_layout",
            Self::CheckPrepare => "check_prepare",
            Self::Collections => "collections",
            Self::GetMany => "get_many",
            Self::Query => "query",
            Self::Analyze => "analyze",
            Self::Count => "count",
            Self::Aggregate => "aggregate",
            Self::Scan => "scan",
            Self::Commit => "commit",
            Self::Apply => "apply",
            Self::Purge => "purge",
            Self::StateMark => "state_mark",
            Self::OldestTransaction => "oldest_transaction",
            Self::Token => "token",
            Self::StoreRecord => "store_record",
            Self::UpdateStoreRecord => "update_store_record",
            Self::Checkpoint => "checkpoint",
            Self::Health => "health",
            Self::DeepHealth => "deep_health",
            Self::Close => "close",
            Self::Changes => "changes",
            Self::Head => "head",
            Self::TrimChanges => "trim_changes",
            Self::SystemItem => "system_item",
            Self::SystemItems => "system_items",
            Self::WriteSystemItems => "write_system_items",
            Self::OlderVersions => "older_versions",
            Self::WriteVersions => "write_versions",
            Self::Attributions => "attributions",
            Self::Scrub => "scrub",
        }
    }

    /// What it does to a store.
    #[must_use]
    pub fn class(self) -> OperationClass {
        match self {
            Self::Commit
            | Self::Apply
            | Self::UpdateStoreRecord
            | Self::TrimChanges
            | Self::WriteSystemItems
            | Self::WriteVersions => OperationClass::Write,
            Self::Prepare
            | Self::PrepareForLoad
            | Self::UpgradeLayout
            | Self::Purge
            | Self::Checkpoint
            | Self::Scrub
            | Self::DeepHealth => OperationClass::Job,
            Self::Close => OperationClass::Close,
            Self::InventsVersions
            | Self::PhysicalIdentity
            | Self::UnfinishedJobAfresh
            | Self::CheckPrepare
            | Self::Collections
            | Self::GetMany
            | Self::Query
            | Self::Analyze
            | Self::Count
            | Self::Aggregate
            | Self::Scan
            | Self::StateMark
            | Self::OldestTransaction
            | Self::Token
            | Self::StoreRecord
            | Self::Health
            | Self::Changes
            | Self::Head
            | Self::SystemItem
            | Self::SystemItems
            | Self::OlderVersions
            | Self::Attributions => OperationClass::Read,
        }
    }

    /// Whether the store is the same afterwards, whatever came of it.
    #[must_use]
    pub fn only_reads(self) -> bool {
        self == Self::DeepHealth || self.class() == OperationClass::Read
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
