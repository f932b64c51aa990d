//! What comparing two stores found.

use repo_core::strategy::Record;
use repo_core::{CollectionName, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{BlobsVerification, KeptHistory};

/// How much of each record is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Id, version, liveness and document.
    #[default]
    Complete,
    /// Id, version and liveness. Documents that differ under one version are
    /// not found.
    Quick,
    /// Id and document, of live entities: one of the sides has no versions of
    /// its own, and no deletions.
    Document,
}

impl Depth {
    /// How a side without versions of its own can be compared.
    #[must_use]
    pub(crate) fn without_versions(self, invented: bool) -> Self {
        if invented { Self::Document } else { self }
    }

    /// Whether versions are compared, and with them deletions and floors.
    pub(crate) fn has_versions(self) -> bool {
        self != Self::Document
    }

    /// Whether documents are compared.
    pub(crate) fn has_documents(self) -> bool {
        self != Self::Quick
    }

    /// Whether a record counts at all.
    pub(crate) fn counts(self, record: &Record) -> bool {
        self.has_versions() || record.is_live()
    }
}

/// What a comparison of two stores found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VerifyReport {
    /// How much of each record was compared: `document`, whatever was asked,
    /// where one of the sides has no versions of its own.
    pub depth: Depth,
    /// Whether nothing differs. After a migration: nothing but what was left
    /// differing on purpose.
    pub equal: bool,
    /// The one store. Holds no secret.
    pub source: String,
    /// The other store. Holds no secret.
    pub target: String,
    /// For one that resumed a comparison that was ended: when that began,
    /// RFC 3339. What it had read may have changed since.
    #[schemars(with = "Option<String>")]
    pub resumed_from: Option<Timestamp>,
    /// When the comparison began, RFC 3339.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended, RFC 3339.
    #[schemars(with = "String")]
    pub finished_at: Timestamp,
    /// Each collection, by name.
    pub collections: Vec<CollectionVerification>,
    /// The blobs of each side that was asked for; part of `equal`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<BlobsVerification>,
}

/// What comparing one collection found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CollectionVerification {
    /// Its name.
    #[schemars(with = "String")]
    pub name: CollectionName,
    /// Whether nothing differs; see [`VerifyReport::equal`].
    pub equal: bool,
    /// The schema versions that the source's documents were upgraded through
    /// before they were compared; empty when they were compared as they are.
    pub upgrade: Vec<u32>,
    /// The source's side.
    pub source: SideSummary,
    /// The target's side.
    pub target: SideSummary,
    /// Records that the target lacks.
    pub missing: u64,
    /// Records that the source lacks.
    pub unexpected: u64,
    /// Records that both hold, with another version, liveness or document.
    pub differs: u64,
    /// Whether the floor of the target is below the source's: a version could
    /// then fall. False where versions are not compared.
    pub floor_too_low: bool,
    /// Whether `created_at` and `updated_at` agree. Not part of equality.
    pub times_equal: bool,
    /// Of these, differences that arose because the source was changed after
    /// the migration read it: there the target holds what was read. Always 0
    /// in a comparison without a migration.
    pub source_changed: u64,
    /// Whether the source was read for this comparison. False after a migration
    /// during which nobody wrote to a source that can tell: then the target is
    /// compared with what the migration read.
    pub source_read_again: bool,
    /// The first 1,000 differences; the counts are exact.
    pub differences: Vec<Difference>,
    /// What the records were before; none where the source keeps no history, and where
    /// it was not to be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryVerification>,
    /// Tags, and what else of the engine's own items belongs to the collection; none
    /// where neither store has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsVerification>,
}

/// What comparing the history of a collection found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HistoryVerification {
    /// Whether nothing differs; see [`VerifyReport::equal`].
    pub equal: bool,
    /// What the source keeps.
    pub source: Option<KeptHistory>,
    /// What the target keeps; none where it keeps no history, which is a difference. So
    /// is one that begins later, except after a migration that left it so.
    pub target: Option<KeptHistory>,
    /// Older versions in the source.
    pub source_versions: u64,
    /// Older versions in the target.
    pub target_versions: u64,
    /// The sum of the digests of what was compared of all older versions of the source,
    /// in hexadecimal.
    pub source_digest: String,
    /// The same of the target.
    pub target_digest: String,
    /// Older versions that the target lacks.
    pub missing: u64,
    /// Older versions that the source lacks.
    pub unexpected: u64,
    /// Older versions that both have, not the same.
    pub differs: u64,
    /// Whether their times agree. Not part of equality.
    pub times_equal: bool,
    /// The first 1,000 differences; the counts are exact.
    pub differences: Vec<VersionDifference>,
}

/// One older version that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VersionDifference {
    /// The id of the record.
    pub id: String,
    /// The version.
    pub version: u64,
    /// How it differs.
    pub kind: DifferenceKind,
    /// Whether only who wrote it, and why, differs.
    pub attribution: bool,
    /// JSON Pointer to the first place where the documents differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// What comparing the items that belong to a collection found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ItemsVerification {
    /// Whether nothing differs; see [`VerifyReport::equal`].
    pub equal: bool,
    /// Items that the target lacks.
    pub missing: u64,
    /// Items that the source lacks.
    pub unexpected: u64,
    /// Items that both have, not the same.
    pub differs: u64,
    /// The first 1,000 differences; the counts are exact.
    pub differences: Vec<ItemDifference>,
}

/// One item that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ItemDifference {
    /// The collection of the engine, as `tags`.
    pub items: String,
    /// Its key.
    pub key: String,
    /// How it differs.
    pub kind: DifferenceKind,
}

/// One side of a compared collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SideSummary {
    /// Whether the collection was ever prepared there.
    pub prepared: bool,
    /// Records, tombstones too.
    pub records: u64,
    /// Of these, tombstones.
    pub tombstones: u64,
    /// The floor.
    pub floor: u64,
    /// The sum of the digests of what was compared of all records, in
    /// hexadecimal: the same for equal collections, whatever the order and the
    /// store.
    pub digest: String,
}

/// One record that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// Its id.
    pub id: String,
    /// How it differs.
    pub kind: DifferenceKind,
    /// For `differs`: in what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aspects: Vec<Aspect>,
    /// The version in the source, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_version: Option<u64>,
    /// The version in the target, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<u64>,
    /// JSON Pointer to the first place where the documents differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Whether it arose because the source was changed after the migration
    /// read it.
    pub source_changed: bool,
}

/// How a record differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The target lacks it.
    Missing,
    /// The source lacks it.
    Unexpected,
    /// Both hold it, not the same.
    Differs,
}

/// In what two records differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The version.
    Version,
    /// One is a live entity, the other a tombstone.
    Liveness,
    /// The documents.
    Document,
}
