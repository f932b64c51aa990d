//! What a history costs, and how fast it is asked.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use repo_core::strategy::{
    Applied, HistoryState, OlderThan, OlderVersion, Record, StoreUpdate, VersionWrite,
};
use repo_core::{Document, Entity, EntityId, Error, ErrorKind, Result, Timestamp, Version};
use repo_history::History;

use super::kind::{Kind, Made};
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
/// Ids whose versions are counted by one request.
const IDS_AT_ONCE: usize = 100;

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
    let on = async || ours::updates(&kept.store, &mine.updates(scale.commits)).await;
    let off = async || ours::updates(&plain.store, &theirs.updates(scale.commits)).await;
    let at = format!("{} entities", grouped(scale.store));
    bench.compare_finely(&kind.rows().history, at, on, off).await?;
    check_kept(&kept.store, &mine).await?;
    kept.end().await?;
    plain.end().await
}

/// Every update kept what it replaced, and nothing else was kept.
async fn check_kept(store: &Store, book: &Book) -> Result<()> {
    let collection = data::collection()?;
    let updated: Vec<(String, u64)> = book.updated().collect();
    let mut found = 0;
    for part in updated.chunks(IDS_AT_ONCE) {
        let replaced: u64 = part.iter().map(|(_, version)| version - 1).sum();
        // One more than there should be would be found as well.
        let most = usize::try_from(replaced).ok().and_then(|most| NonZeroUsize::new(most + 1));
        let of = part
            .iter()
            .map(|(id, version)| Ok(OlderThan::new(EntityId::new(id)?, Version::new(*version)?)));
        let of: Vec<OlderThan> = of.collect::<Result<_>>()?;
        let most = most.unwrap_or(NonZeroUsize::MAX);
        found += store.older_versions(&collection, &of, most).await?.len();
    }
    errors::expect("keep what updates replaced", book.planned(), found)
}

pub(super) async fn as_of(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let scale = bench.scale();
    // JSON files search for each version by itself while a past is added: two minutes for
    // 100,000 entities.
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
    let (name, begin) = (kind.name(), Instant::now());
    let size = format!("{} entities of {VERSIONS} versions", grouped(machines));
    bench.say(&format!("{name}: making a store of {size}"));
    let made = kind.empty(bench, "as_of", 1).await?;
    let schema = [data::schema()?];
    made.store.prepare_for_load(&schema).await?;
    for start in (0..machines).step_by(ours::BATCH) {
        let numbers = start..machines.min(start + ours::BATCH);
        let records = numbers.map(|number| at_version(number, VERSIONS).map(Record::Live));
        ours::apply(&made.store, records.collect::<Result<_>>()?).await?;
    }
    made.store.prepare(&schema).await?;
    bench.say(&format!("{name}: the newest versions are there after {:.1?}", begin.elapsed()));
    keep(&made.store).await?;
    add_older(&made.store, machines).await?;
    made.settle().await?;
    bench.say(&format!("{name}: all versions are there after {:.1?}", begin.elapsed()));
    Ok(made)
}

/// Adds all versions before the newest one.
async fn add_older(store: &Store, machines: usize) -> Result<()> {
    let collection = data::collection()?;
    let each = usize::try_from(VERSIONS - 1).unwrap_or(usize::MAX);
    let at_once = VersionWrite::MOST / each;
    for start in (0..machines).step_by(at_once) {
        let numbers = start..machines.min(start + at_once);
        let asked = numbers.len() * each;
        let older = numbers.flat_map(|number| {
            (1..VERSIONS).map(move |version| {
                let entity = at_version(number, version)?;
                Ok(VersionWrite::Add(OlderVersion::from(Record::Live(entity))))
            })
        });
        let answers = store.write_versions(&collection, older.collect::<Result<_>>()?).await?;
        let added = answers.iter().filter(|answer| **answer == Applied::Applied).count();
        errors::expect("add older versions", asked, added)?;
    }
    Ok(())
}

/// A machine as it was at a version, with the document of that version.
fn at_version(number: usize, version: u64) -> Result<Entity> {
    let number = number as u64;
    Ok(Entity {
        collection: data::collection()?,
        id: data::entity_id(number)?,
        version: Version::new(version)?,
        created_at: Timestamp::from_micros(LOADED_AT)?,
        updated_at: Timestamp::from_micros(written_at(version)?)?,
        document: Document::parse(&data::document_text(number, version))?,
    })
}
