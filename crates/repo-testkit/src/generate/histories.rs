//! Histories: what is done to a store, step by step. A step speaks of
//! versions in relation to what is stored, so that it still means something
//! when steps before it are taken out while a failure is made smaller.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::aggregations::{AggregationSpec, aggregation};
use super::documents::{Fields, fields};
use super::filters::{QuerySpec, filter, query};
use super::{collection, id};

/// Which version of a key a write expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any.
    Any,
    /// No entity.
    Absent,
    /// An entity.
    Exists,
    /// The version that is stored, or 1.
    Stored,
    /// Another one than is stored.
    Stale,
}

/// What a put or a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// A document for the key.
    Valid(Fields),
    /// A document whose id field says something else.
    WrongId(Fields),
    /// More text than an indexed field holds (nothing wrong where `status` is
    /// not indexed).
    LongText,
}

/// What a write does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSpec {
    /// Stores a document.
    Put(Contents),
    /// Deletes.
    Delete,
    /// Only checks.
    Check,
}

/// One write of a commit.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteSpec {
    /// The collection.
    pub collection: &'static str,
    /// The id.
    pub id: &'static str,
    /// The precondition.
    pub expected: Expected,
    /// The change.
    pub change: ChangeSpec,
    /// Which of some people made it, if that is said.
    pub author: Option<u8>,
}

impl fmt::Debug for WriteSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { collection, id, expected, change, author } = self;
        write!(f, "{change:?} {collection}/{id:?} if {expected:?}")?;
        author.map_or(Ok(()), |author| write!(f, " by {author}"))
    }
}

/// One record of an `apply`.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordSpec {
    /// The collection.
    pub collection: &'static str,
    /// The id.
    pub id: &'static str,
    /// How far its version lies above the stored one (0 where there is none);
    /// the version is at least 1.
    pub above: i64,
    /// The document; `None` is a tombstone.
    pub contents: Option<Contents>,
    /// Whether the stored record itself is sent, if there is one.
    pub echo: bool,
}

impl fmt::Debug for RecordSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { collection, id, above, contents, echo } = self;
        match (echo, contents) {
            (true, _) => write!(f, "{collection}/{id:?} as stored"),
            (false, Some(contents)) => {
                write!(f, "{collection}/{id:?} at stored{above:+} {contents:?}")
            }
            (false, None) => write!(f, "tombstone {collection}/{id:?} at stored{above:+}"),
        }
    }
}

/// A change of what is kept of an older version.
#[derive(Clone, PartialEq, Eq)]
pub struct VersionSpec {
    /// The id.
    pub id: &'static str,
    /// How far its version lies below the stored one (9 where there is none); it is at
    /// least 1.
    pub below: u64,
    /// What is done.
    pub change: VersionChange,
}

/// What is done with an older version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChange {
    /// Adds a document, or a deletion.
    Add(Option<Fields>),
    /// Adds the mark of one that was removed.
    AddRemoved,
    /// Forgets what it was.
    Clear,
    /// Forgets it.
    Remove,
    /// Says who wrote it.
    Attribute(u8),
}

impl fmt::Debug for VersionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} at stored-{}", self.change, self.id, self.below)
    }
}

/// One step of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `get_many`, ids in any order, also twice.
    Get(&'static str, Vec<&'static str>),
    /// `commit`.
    Commit(Vec<WriteSpec>),
    /// `query`, all pages of it.
    Query(&'static str, QuerySpec),
    /// `count`.
    Count(&'static str, String),
    /// `aggregate`.
    Aggregate(&'static str, AggregationSpec),
    /// `apply`.
    Apply(Vec<RecordSpec>),
    /// `purge` of tombstones older than this many milliseconds.
    Purge(&'static str, u64),
    /// Raises the floor to this.
    RaiseFloor(&'static str, u64),
    /// Begins (`true`) or ends a migration.
    Migration(bool),
    /// `scan` in so many segments and batches of this size.
    Scan(&'static str, usize, usize),
    /// A read of a collection that was never prepared.
    Unprepared,
    /// `checkpoint`.
    Checkpoint,
    /// Switches the capture of changes on (`true`) or off.
    Capture(bool),
    /// What the feed has since it was last read.
    ReadFeed,
    /// Removes what was read of the feed.
    TrimFeed,
    /// Begins the history of a collection, as if so many milliseconds ago, or ends it.
    History(&'static str, Option<u64>),
    /// The older versions of ids below what is stored, at most so many.
    Versions(&'static str, Vec<&'static str>, usize),
    /// Changes of what is kept of older versions.
    WriteVersions(&'static str, Vec<VersionSpec>),
    /// The collection as it was so many milliseconds ago.
    AsOf(&'static str, u64),
    /// Close and open.
    Reopen,
    /// The clock moves on by this many microseconds.
    Wait(u64),
}

fn contents() -> impl Strategy<Value = Contents> {
    prop_oneof![
        30 => fields().prop_map(Contents::Valid),
        1 => fields().prop_map(Contents::WrongId),
        1 => Just(Contents::LongText),
    ]
}

fn write() -> impl Strategy<Value = WriteSpec> {
    let expected = prop_oneof![
        6 => Just(Expected::Any),
        2 => Just(Expected::Absent),
        2 => Just(Expected::Exists),
        4 => Just(Expected::Stored),
        1 => Just(Expected::Stale),
    ];
    let change = prop_oneof![
        6 => contents().prop_map(ChangeSpec::Put),
        3 => Just(ChangeSpec::Delete),
        1 => Just(ChangeSpec::Check),
    ];
    let author = proptest::option::weighted(0.2, 0..3_u8);
    (collection(), id(), expected, change, author).prop_map(
        |(collection, id, expected, change, author)| WriteSpec {
            collection,
            id,
            expected,
            change,
            author,
        },
    )
}

fn record() -> impl Strategy<Value = RecordSpec> {
    let above = prop_oneof![4 => Just(1_i64), 2 => Just(0), 1 => Just(-1), 1 => 2..6_i64];
    let contents = proptest::option::weighted(0.7, contents());
    (collection(), id(), above, contents, proptest::bool::weighted(0.2)).prop_map(
        |(collection, id, above, contents, echo)| RecordSpec {
            collection,
            id,
            above,
            contents,
            echo,
        },
    )
}

fn version() -> impl Strategy<Value = VersionSpec> {
    let change = prop_oneof![
        3 => proptest::option::weighted(0.7, fields()).prop_map(VersionChange::Add),
        1 => Just(VersionChange::AddRemoved),
        1 => Just(VersionChange::Clear),
        1 => Just(VersionChange::Remove),
        1 => (0..3_u8).prop_map(VersionChange::Attribute),
    ];
    (id(), 0..4_u64, change).prop_map(|(id, below, change)| VersionSpec { id, below, change })
}

/// What is asked of histories.
fn past() -> impl Strategy<Value = Operation> {
    let age = || prop_oneof![Just(0), 1..2_000_u64];
    let begins = proptest::option::weighted(0.8, age());
    prop_oneof![
        2 => (collection(), begins).prop_map(|(c, age)| Operation::History(c, age)),
        3 => (collection(), vec(id(), 0..5), 1..9_usize)
            .prop_map(|(c, ids, most)| Operation::Versions(c, ids, most)),
        1 => (collection(), vec(version(), 0..4))
            .prop_map(|(c, versions)| Operation::WriteVersions(c, versions)),
        2 => (collection(), age()).prop_map(|(c, age)| Operation::AsOf(c, age)),
    ]
}

/// One step.
pub fn operation() -> impl Strategy<Value = Operation> {
    let milliseconds = prop_oneof![Just(0), 1..20_u64];
    prop_oneof![
        10 => write().prop_map(|write| Operation::Commit(vec![write])),
        6 => vec(write(), 0..7).prop_map(Operation::Commit),
        6 => (collection(), query()).prop_map(|(c, query)| Operation::Query(c, query)),
        3 => (collection(), filter()).prop_map(|(c, filter)| Operation::Count(c, filter)),
        3 => (collection(), aggregation())
            .prop_map(|(c, aggregation)| Operation::Aggregate(c, aggregation)),
        3 => (collection(), vec(id(), 0..5)).prop_map(|(c, ids)| Operation::Get(c, ids)),
        4 => vec(record(), 0..5).prop_map(Operation::Apply),
        2 => (collection(), milliseconds).prop_map(|(c, age)| Operation::Purge(c, age)),
        1 => (collection(), 0..12_u64).prop_map(|(c, floor)| Operation::RaiseFloor(c, floor)),
        1 => any::<bool>().prop_map(Operation::Migration),
        1 => (collection(), 1..4_usize, 1..9_usize)
            .prop_map(|(c, segments, batch)| Operation::Scan(c, segments, batch)),
        1 => Just(Operation::Unprepared),
        1 => Just(Operation::Checkpoint),
        1 => proptest::bool::weighted(0.75).prop_map(Operation::Capture),
        3 => Just(Operation::ReadFeed),
        1 => Just(Operation::TrimFeed),
        8 => past(),
        1 => Just(Operation::Reopen),
        4 => select(&[1, 999, 1_000, 5_000, 1_000_001][..]).prop_map(Operation::Wait),
    ]
}

/// A history of 1 to `longest` steps.
pub fn history(longest: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..=longest)
}
