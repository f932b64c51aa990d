//! From a step of a history to a call: versions are filled in from what the
//! reference holds.

use std::num::NonZeroUsize;
use std::time::Duration;

use repo_core::strategy::{
    JobFingerprint, JobId, JobKind, Record, StoreUpdate, Tombstone, UnfinishedJob,
};
use repo_core::{
    Change, Clock as _, Document, Entity, EntityId, Filter, Key, ManualClock, Precondition, Query,
    Result, Timestamp, Version, Write,
};

use super::answer::Call;
use super::feed::capture;
use super::keys::{collection, key, stored};
use super::past;
use crate::Store;
use crate::generate::{ChangeSpec, Contents, Expected, Operation, RecordSpec, WriteSpec};

fn document(contents: &Contents, key: &Key) -> Document {
    match contents {
        Contents::Valid(fields) => fields.document(key, key.id.as_str()),
        Contents::WrongId(fields) => fields.document(key, "another id"),
        Contents::LongText => {
            let status = format!("\"{}\"", "x".repeat(1_001));
            let fields = [("status".to_owned(), status)].into_iter().collect();
            crate::generate::Fields(fields).document(key, key.id.as_str())
        }
    }
}

async fn write(reference: &Store, spec: &WriteSpec) -> Result<Write> {
    let key = key(spec.collection, spec.id);
    let number = stored(reference, &key).await?.map_or(1, |record| record.version().get());
    let precondition = match spec.expected {
        Expected::Any => Precondition::Any,
        Expected::Absent => Precondition::Absent,
        Expected::Exists => Precondition::Exists,
        Expected::Stored => Precondition::Version(Version::new(number)?),
        Expected::Stale => Precondition::Version(Version::new(number + 1)?),
    };
    let change = match &spec.change {
        ChangeSpec::Put(contents) => Change::Put(document(contents, &key)),
        ChangeSpec::Delete => Change::Delete,
        ChangeSpec::Check => Change::Check,
    };
    Ok(Write { key, precondition, change, attribution: spec.author.map(past::person) })
}

async fn record(reference: &Store, spec: &RecordSpec, now: Timestamp) -> Result<Record> {
    let key = key(spec.collection, spec.id);
    let stored = stored(reference, &key).await?;
    let number = stored.as_ref().map_or(0, |record| record.version().get());
    if let (true, Some(stored)) = (spec.echo, stored) {
        return Ok(stored);
    }
    let version = Version::new(number.saturating_add_signed(spec.above).max(1))?;
    let Key { collection, id } = key.clone();
    Ok(match &spec.contents {
        Some(contents) => Record::Live(Entity {
            collection,
            id,
            version,
            created_at: now.saturating_sub(Duration::from_secs(60)),
            updated_at: now,
            document: document(contents, &key),
        }),
        None => Record::Tombstone(Tombstone { collection, id, version, deleted_at: now }),
    })
}

/// The call of a step; `None` for steps that call nothing.
pub(super) async fn call(
    reference: &Store,
    clock: &ManualClock,
    operation: &Operation,
) -> Result<Option<Call>> {
    let at_least_one = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
    Ok(Some(match operation {
        Operation::Get(name, ids) => {
            let ids = ids.iter().map(|id| EntityId::new(id)).collect::<Result<_>>()?;
            Call::Get(collection(name), ids)
        }
        Operation::Commit(specs) => {
            let mut writes = Vec::new();
            for spec in specs {
                writes.push(write(reference, spec).await?);
            }
            Call::Commit(writes)
        }
        Operation::Query(name, spec) => Call::Query(collection(name), spec.query()),
        Operation::Count(name, filter) => Call::Count(collection(name), Filter::parse(filter)?),
        Operation::Aggregate(name, spec) => Call::Aggregate(collection(name), spec.aggregation()),
        Operation::Apply(specs) => {
            let mut records = Vec::new();
            for spec in specs {
                records.push(record(reference, spec, clock.now()).await?);
            }
            Call::Apply(records)
        }
        Operation::Purge(name, age) => {
            let older_than = clock.now().saturating_sub(Duration::from_millis(*age));
            Call::Purge(collection(name), older_than)
        }
        Operation::RaiseFloor(name, floor) => {
            Call::Update(StoreUpdate::RaiseFloor { collection: collection(name), floor: *floor })
        }
        Operation::Migration(begin) => Call::Update(migration(*begin)),
        Operation::Scan(name, segments, batch) => {
            Call::Scan(collection(name), at_least_one(*segments), at_least_one(*batch))
        }
        Operation::Unprepared => Call::Query(collection("nowhere"), Query::all()),
        Operation::Checkpoint => Call::Checkpoint,
        Operation::Capture(on) => Call::Update(capture(*on)?),
        Operation::History(name, age) => {
            Call::Update(past::switch(reference, clock, name, *age).await?)
        }
        Operation::Versions(name, ids, most) => {
            let of = past::older_than(reference, name, ids).await?;
            Call::Versions(collection(name), of, at_least_one(*most))
        }
        Operation::WriteVersions(name, specs) => {
            let writes = past::writes(reference, name, specs, clock.now()).await?;
            Call::WriteVersions(collection(name), writes)
        }
        Operation::AsOf(name, age) => Call::AsOf(collection(name), past::ago(clock, *age)),
        Operation::Reopen | Operation::Wait(_) | Operation::ReadFeed | Operation::TrimFeed => {
            return Ok(None);
        }
    }))
}

fn migration(begin: bool) -> StoreUpdate {
    let id = JobId::new(JobKind::Migration, JobFingerprint::new("plan").unwrap());
    if begin {
        let job = Some(UnfinishedJob::new(id, "{\"done\":1}").unwrap());
        StoreUpdate::Job { expected: None, job }
    } else {
        StoreUpdate::Job { expected: Some(id), job: None }
    }
}
