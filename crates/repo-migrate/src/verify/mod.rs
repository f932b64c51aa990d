//! Comparing two stores completely, in both directions, whatever the order in
//! which they return records, in bounded memory.
//!
//! Both sides are read once and their digests summed by bucket. Only where
//! sums differ are records read again, and each difference is named.

pub(crate) mod comparison;
pub(crate) mod difference;
pub(crate) mod digest;
pub(crate) mod report;
pub(crate) mod state;
mod stores;
mod suspects;

pub use report::{
    Aspect, CollectionVerification, Depth, Difference, DifferenceKind, HistoryVerification,
    ItemDifference, ItemsVerification, SideSummary, VerifyReport, VersionDifference,
};
pub(crate) use stores::{CompareOptions, PreparedCollections, compare};
pub use stores::{VerifyOptions, verify};
