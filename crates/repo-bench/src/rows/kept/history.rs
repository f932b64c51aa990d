//! What a history costs, and how fast it is asked.

use std::num::NonZeroUsize;
use std::sync::Arc;

use repo_core::strategy::{
    HistoryState, OlderThan, OlderVersion, Record, StoreUpdate, VersionWrite,
};
use repo_core::{Error, ErrorKind, Result, Timestamp, Version};
use repo_history::History;

use super::{Kind, Made};
use crate::bench::Bench;
use crate::data::{self, LOADED_AT};
use crate::errors;
use crate::grouping::grouped;
use crate::measure::{Timed, timed};
use crate::ours::{self, Store};
use crate::plan::Book;

/// Versions of each entity, a second after each other.
const VERSIONS: u64 = 10;
const SECOND: i64 = 1_000_000;

async fn keep(store: &Store) -> Result<()> {
    let history = Some(HistoryState::new(Timestamp::from_micros(0)?));
    let begin = StoreUpdate::History { collection: data::collection()?, expected: None, history };
    store.update_store_record(begin).await.map(drop)
}

/// Two stores that differ in nothing but the history.
pub(super) async fn updates(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let scale = bench.scale();
    let kept = kind.filled(bench, "history", scale.store, 1).await?;
    let plain = kind.filled(bench, "no_history", scale.store, 1).await?;
    keep(&kept.store).await?;
    let (mut mine, mut theirs) = (Book::new(scale.store), Book::new(scale.store));
    let mut last = None;
    let on = async || {
        let plan = mine.updates(scale.commits);
        last = plan.last().cloned();
        ours::updates(&kept.store, &plan).await
    };
    let off = async || ours::updates(&plain.store, &theirs.updates(scale.commits)).await;
    let at = format!("{} entities", grouped(scale.store));
    bench.compare_finely(&kind.rows().history, at, on, off).await?;
    if let Some(update) = last {
        let id = data::key(&update.id)?.id;
        let of = [OlderThan { id, version: Version::new(update.expected + 1)? }];
        let older = kept.store.older_versions(&data::collection()?, &of, NonZeroUsize::MIN).await?;
        errors::expect("keep the version before an update", 1, older.len())?;
    }
    kept.end().await?;
    plain.end().await
}

pub(super) async fn as_of(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let scale = bench.scale();
    // The versions of a million would be 5 GB of journal.
    let machines = if matches!(kind, Kind::Json) { scale.store } else { scale.large };
    let made = with_versions(bench, kind, machines).await?;
    let history = History::of(Arc::clone(&made.store), data::collection()?);
    let (mut mine, mut theirs) = (Book::new(machines), Book::new(machines));
    let past = async || ask(&history, &mine.numbers(scale.reads, machines)).await;
    let get = async || ours::gets(&made.store, &theirs.ids(scale.reads)).await;
    let at = format!("{} entities of {VERSIONS} versions", grouped(machines));
    bench.compare_finely(&kind.rows().as_of, at, past, get).await?;
    made.end().await
}

/// Each machine at a time of its own.
async fn ask(history: &History, machines: &[u64]) -> Result<Timed> {
    timed(machines.len(), async {
        for machine in machines {
            let version = 1 + data::mix(*machine) % VERSIONS;
            // Between two versions.
            let at = Timestamp::from_micros(written_at(version)? + SECOND / 2)?;
            let found = history.as_of(&data::entity_id(*machine)?, at).await?;
            let found = found.version.map(|found| found.version.get());
            if found != Some(version) {
                let why = format!("version {found:?} in the place of {version}");
                return Err(Error::new(ErrorKind::Corrupt, "ask the history", why));
            }
        }
        Ok(())
    })
    .await
}

fn written_at(version: u64) -> Result<i64> {
    let seconds = i64::try_from(version).map_err(errors::raw("make a time"))?;
    Ok(LOADED_AT + (seconds - 1) * SECOND)
}

/// A store whose machines have a past, added as a migration adds it.
async fn with_versions(bench: &Bench, kind: &Kind, machines: usize) -> Result<Made> {
    let name = kind.name();
    let size = format!("{} entities of {VERSIONS} versions", grouped(machines));
    bench.say(&format!("{name}: making a store of {size}"));
    let made = kind.empty(bench, "as_of", 1).await?;
    let schema = [data::schema()?];
    made.store.prepare_for_load(&schema).await?;
    for start in (0..machines).step_by(ours::BATCH) {
        let numbers = start..machines.min(start + ours::BATCH);
        let records: Result<Vec<Record>> = numbers.map(|n| newest(n as u64)).collect();
        made.store.apply(records?).await?;
    }
    made.store.prepare(&schema).await?;
    keep(&made.store).await?;
    let collection = data::collection()?;
    let each = usize::try_from(VERSIONS - 1).unwrap_or(usize::MAX);
    let at_once = VersionWrite::MOST / each;
    for start in (0..machines).step_by(at_once) {
        let numbers = start..machines.min(start + at_once);
        let older =
            numbers.flat_map(|n| (1..VERSIONS).map(move |version| older(n as u64, version)));
        let writes = older.map(|older| older.map(VersionWrite::Add));
        made.store.write_versions(&collection, writes.collect::<Result<_>>()?).await?;
    }
    made.settle().await?;
    Ok(made)
}

/// The machine as it is now.
fn newest(number: u64) -> Result<Record> {
    let mut record = data::record(number)?;
    if let Record::Live(entity) = &mut record {
        entity.version = Version::new(VERSIONS)?;
        entity.updated_at = Timestamp::from_micros(written_at(VERSIONS)?)?;
    }
    Ok(record)
}

fn older(number: u64, version: u64) -> Result<OlderVersion> {
    let Record::Live(entity) = data::record(number)? else {
        return Err(Error::new(ErrorKind::Invalid, "make a version", "it is no entity"));
    };
    let mut older = OlderVersion::from(Record::Live(entity));
    older.version = Version::new(version)?;
    older.updated_at = Timestamp::from_micros(written_at(version)?)?;
    Ok(older)
}
