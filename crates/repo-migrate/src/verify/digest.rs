//! Digests of records, summed so that order does not matter.
//!
//! A record's digest covers its collection, id, version, liveness and
//! canonical document. Sums are kept by bucket of the id's hash, so that a
//! difference leads to a small part of the collection, in fixed memory.

use std::collections::HashMap;
use std::fmt;

use repo_core::strategy::{OlderState, Record};
use repo_core::{CollectionName, EntityId};
use serde::{Deserialize, Serialize};

use crate::past::PastVersion;
use crate::verify::report::Depth;

/// Buckets of a collection, however many records it holds: 512 KiB of sums at
/// most. A power of two.
pub(crate) const BUCKETS: usize = 16_384;

/// A sum of 256-bit digests, modulo 2²⁵⁶.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    fn of(digest: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        }
        Self(words)
    }

    /// The sum of both.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        let mut carry = false;
        let mut words = [0; 4];
        for (word, (a, b)) in words.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            let (sum, over) = a.overflowing_add(b);
            let (sum, over_too) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = over || over_too;
        }
        Self(words)
    }

    /// What has to be added to get zero.
    #[must_use]
    fn negated(self) -> Self {
        Self(self.0.map(|word| !word)).plus(Self([1, 0, 0, 0]))
    }

    /// The sum without the other.
    #[must_use]
    pub(crate) fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }
}

/// Hexadecimal, the most significant digit first.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

/// Room for what a fingerprint is the hash of: lengths, a collection and an id
/// as they mostly are, version, liveness, digest.
const FINGERPRINTED_BYTES: usize = 160;

/// What a record adds to the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Hash of the id, which chooses the bucket.
    id_hash: u64,
    /// Collection, id, version, liveness, canonical document.
    pub(crate) content: Sum,
    /// The id with its times, which are compared apart.
    times: u64,
    live: bool,
    /// Whether it is one of those that are counted.
    counts: bool,
}

impl Fingerprint {
    /// Of a whole record.
    pub(crate) fn of(record: &Record) -> Self {
        Self::to(Depth::Complete, record)
    }

    /// Of what is compared of an older version.
    pub(crate) fn of_version(
        depth: Depth,
        collection: &CollectionName,
        version: &PastVersion,
    ) -> Self {
        let mut bytes = key_bytes(collection, &version.id);
        bytes.extend_from_slice(&version.version.get().to_le_bytes());
        let what_it_was = bytes.len();
        match &version.state {
            Some(OlderState::Deleted) => bytes.push(0),
            Some(OlderState::Live { document, .. }) => {
                bytes.push(1);
                if depth.has_documents() {
                    bytes.extend_from_slice(document.digest().as_bytes());
                }
            }
            Some(OlderState::Removed) => bytes.push(2),
            None => bytes.push(3),
        }
        if let Some(by) = &version.by {
            for text in [by.author(), by.reason()].map(Option::unwrap_or_default) {
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        let content = blake3::hash(&bytes);
        bytes.truncate(what_it_was);
        if let Some(OlderState::Live { created_at, .. }) = &version.state {
            bytes.extend_from_slice(&created_at.as_micros().to_le_bytes());
        }
        bytes.extend_from_slice(&version.updated_at.as_micros().to_le_bytes());
        Self {
            id_hash: id_hash(&version.id),
            content: Sum::of(content.as_bytes()),
            times: first_word(&blake3::hash(&bytes)),
            live: matches!(version.state, Some(OlderState::Live { .. })),
            counts: version.state.is_some(),
        }
    }

    /// Of what is compared of a record.
    pub(crate) fn to(depth: Depth, record: &Record) -> Self {
        let mut bytes = key_bytes(record.collection(), record.id());
        let key_bytes = bytes.len();
        if depth.has_versions() {
            bytes.extend_from_slice(&record.version().get().to_le_bytes());
        }
        bytes.push(u8::from(record.is_live()));
        if let (Record::Live(entity), true) = (record, depth.has_documents()) {
            bytes.extend_from_slice(entity.document.digest().as_bytes());
        }
        // All at once: a hasher that takes parts is two kilobytes to make.
        let content = blake3::hash(&bytes);
        bytes.truncate(key_bytes);
        if let Record::Live(entity) = record {
            bytes.extend_from_slice(&entity.created_at.as_micros().to_le_bytes());
        }
        bytes.extend_from_slice(&record.updated_at().as_micros().to_le_bytes());
        let times = blake3::hash(&bytes);
        Self {
            id_hash: id_hash(record.id()),
            content: Sum::of(content.as_bytes()),
            times: first_word(&times),
            live: record.is_live(),
            counts: true,
        }
    }
}

/// The fingerprints of older versions.
pub(crate) fn version_prints(
    depth: Depth,
    collection: &CollectionName,
    versions: &[PastVersion],
) -> Vec<Fingerprint> {
    versions.iter().map(|version| Fingerprint::of_version(depth, collection, version)).collect()
}

fn key_bytes(collection: &CollectionName, id: &EntityId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FINGERPRINTED_BYTES);
    for text in [collection.as_str(), id.as_str()] {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn first_word(hash: &blake3::Hash) -> u64 {
    Sum::of(hash.as_bytes()).0[0]
}

fn bucket(id_hash: u64) -> usize {
    usize::try_from(id_hash & (BUCKETS as u64 - 1)).unwrap_or(0)
}

/// The bucket of an id, below [`BUCKETS`].
pub(crate) fn bucket_of(id: &EntityId) -> usize {
    bucket(id_hash(id))
}

fn id_hash(id: &EntityId) -> u64 {
    first_word(&blake3::hash(id.as_str().as_bytes()))
}

/// The sums of one side of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sums {
    buckets: Buckets,
    times: u64,
    pub(crate) records: u64,
    pub(crate) tombstones: u64,
}

/// Most buckets that are kept one by one: 20 KiB.
const FEW: usize = 512;

/// Sums by bucket. A small collection has a sum in few of them, and there may be
/// thousands of small ones. Which form it is depends on the buckets alone, so
/// equal sums have equal forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Buckets {
    /// In the order of their numbers; the others hold nothing.
    Few(Vec<(usize, Sum)>),
    /// All of them.
    All(Vec<Sum>),
}

impl Buckets {
    fn add(&mut self, bucket: usize, sum: Sum) {
        match self {
            Self::Few(few) => match few.binary_search_by_key(&bucket, |(number, _)| *number) {
                Ok(at) => few[at].1 = few[at].1.plus(sum),
                Err(at) if few.len() < FEW => few.insert(at, (bucket, sum)),
                Err(_) => {
                    let mut all = vec![Sum::default(); BUCKETS];
                    few.iter().for_each(|&(number, sum)| all[number % BUCKETS] = sum);
                    *self = Self::All(all);
                    self.add(bucket, sum);
                }
            },
            Self::All(all) => {
                if let Some(kept) = all.get_mut(bucket) {
                    *kept = kept.plus(sum);
                }
            }
        }
    }

    fn get(&self, bucket: usize) -> Sum {
        match self {
            Self::Few(few) => few
                .binary_search_by_key(&bucket, |(number, _)| *number)
                .map_or(Sum::default(), |at| few[at].1),
            Self::All(all) => all.get(bucket).copied().unwrap_or_default(),
        }
    }

    /// Those that may hold something.
    fn iter(&self) -> impl Iterator<Item = (usize, Sum)> {
        let (few, all) = match self {
            Self::Few(few) => (few.as_slice(), [].as_slice()),
            Self::All(all) => ([].as_slice(), all.as_slice()),
        };
        few.iter().copied().chain(all.iter().copied().enumerate())
    }
}

impl Sums {
    /// No record.
    pub(crate) fn new() -> Self {
        Self { buckets: Buckets::Few(Vec::new()), times: 0, records: 0, tombstones: 0 }
    }

    /// How many live entities they are of.
    pub(crate) fn live(&self) -> u64 {
        self.records.saturating_sub(self.tombstones)
    }

    pub(crate) fn add(&mut self, print: &Fingerprint) {
        self.buckets.add(bucket(print.id_hash), print.content);
        self.times = self.times.wrapping_add(print.times);
        self.records += u64::from(print.counts);
        self.tombstones += u64::from(print.counts && !print.live);
    }

    /// Adds what another part of the same side adds up to.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, sum) in other.buckets.iter() {
            self.buckets.add(bucket, sum);
        }
        self.times = self.times.wrapping_add(other.times);
        self.records += other.records;
        self.tombstones += other.tombstones;
    }

    /// The sum of a bucket.
    pub(crate) fn sum_of(&self, bucket: usize) -> Sum {
        self.buckets.get(bucket)
    }

    /// The buckets that may hold something.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().map(|(bucket, _)| bucket)
    }

    /// The sum over all buckets.
    pub(crate) fn total(&self) -> Sum {
        self.buckets.iter().fold(Sum::default(), |total, (_, sum)| total.plus(sum))
    }

    /// Whether both sides' times add up to the same.
    pub(crate) fn same_times(&self, other: &Self) -> bool {
        self.times == other.times
    }
}

/// How many ids there are in each bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdCounts(Vec<u32>);

impl IdCounts {
    pub(crate) fn new() -> Self {
        Self(vec![0; BUCKETS])
    }

    pub(crate) fn add(&mut self, bucket: usize) {
        if let Some(count) = self.0.get_mut(bucket) {
            *count = count.wrapping_add(1);
        }
    }

    /// Whether the counts of a bucket differ.
    pub(crate) fn differs_at(&self, other: &Self, bucket: usize) -> bool {
        self.0.get(bucket) != other.0.get(bucket)
    }
}

/// By how much the target is meant to differ from the source, by bucket.
/// Empty unless something is left differing on purpose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deltas(HashMap<usize, Sum>);

impl Deltas {
    /// The target is meant to hold `target` where the source holds `source`.
    pub(crate) fn expect(
        &mut self,
        bucket: usize,
        source: Option<&Fingerprint>,
        target: Option<&Fingerprint>,
    ) {
        let content = |print: Option<&Fingerprint>| print.map(|it| it.content).unwrap_or_default();
        let delta = self.0.entry(bucket).or_default();
        *delta = delta.plus(content(target)).minus(content(source));
    }

    /// The buckets that are meant to differ.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }

    /// What the target's bucket is meant to add up to.
    pub(crate) fn expected(&self, source: &Sums, bucket: usize) -> Sum {
        let delta = self.0.get(&bucket).copied().unwrap_or_default();
        source.sum_of(bucket).plus(delta)
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
