//! JSON files: commits against appending with a sync, opening against parsing.

use std::path::{Path, PathBuf};

use repo_core::Result;
use repo_core::strategy::StorageStrategyExt as _;

use crate::bench::Bench;
use crate::child::memory_of_opening;
use crate::data::{self, COLLECTION, Totals};
use crate::errors;
use crate::grouping::grouped;
use crate::measure::{Spread, Timed, timed};
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::raw::json::{Appender, parse_by_serde, parse_by_sonic, sum_by_serde};
use crate::report::{Figures, Line};
use crate::row::{Bound, Measure, Row};

static COMMIT: Row = Row {
    name: "json.commit",
    what: "one durable commit of one conditional update",
    against: "append and fdatasync of as many bytes",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.3)),
};
static GROWTH: Row = Row {
    name: "json.commit_growth",
    what: "the same commit into the large store",
    against: "into one of 100 entities",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.2)),
};
static AT_ONCE: Row = Row {
    name: "json.concurrent",
    what: "commits of 64 callers at the same time",
    against: "of one caller",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(10.0)),
};
static OPEN: Row = Row {
    name: "json.open",
    what: "opening the file of another tool, read-only",
    against: "reading and parsing it by sonic-rs",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.5)),
};
static OPEN_SERDE: Row = Row {
    name: "json.open_serde",
    what: "opening the file of another tool, read-only",
    against: "reading and parsing it by serde_json",
    measure: Measure::Rate,
    bound: None,
};
static OPEN_META: Row = Row {
    name: "json.open_meta",
    what: "opening a store that was closed, to write",
    against: "reading and parsing its file by sonic-rs",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(5.0)),
};
static MEMORY: Row = Row {
    name: "json.memory",
    what: "resident memory of an open store, for each entity",
    against: "nothing",
    measure: Measure::Memory,
    bound: Some(Bound::AtMost(150.0)),
};
static SUMS: Row = Row {
    name: "json.aggregate_sum",
    what: "one aggregate: entities of each status, and the sum of a field",
    against: "reading the file and adding up in a loop, what is needed parsed by serde_json",
    measure: Measure::Time,
    bound: None,
};
static LEASE: Row = Row {
    name: "json.lease_raw",
    what: "a lease acquired and given back, nobody else wanting it",
    against: "append and fdatasync of as many bytes as one update takes",
    measure: Measure::Time,
    bound: None,
};

pub(super) static ROWS: [&Row; 9] =
    [&COMMIT, &GROWTH, &AT_ONCE, &LEASE, &OPEN, &OPEN_SERDE, &OPEN_META, &MEMORY, &SUMS];

/// The data file of the single-file layout.
const DATA_FILE: &str = repo_json::DEFAULT_SINGLE_FILE;
const JOURNAL_FILE: &str = ".journal";

pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if bench.wants_any(&[&COMMIT, &GROWTH, &AT_ONCE, &LEASE]) {
        commits(bench).await?;
    }
    if bench.wants_any(&[&OPEN, &OPEN_SERDE, &OPEN_META, &MEMORY]) {
        for entities in bench.scale().opened {
            opening(bench, entities).await?;
        }
    }
    if bench.wants(&SUMS) {
        sums(bench).await?;
    }
    Ok(())
}

/// A store with its book.
struct Written {
    folder: PathBuf,
    store: Store,
    book: Book,
}

impl Written {
    async fn make(bench: &Bench, name: &str, machines: usize) -> Result<Self> {
        let folder = bench.path(name);
        let store = ours::open_json(&folder, false).await?;
        ours::fill(&store, machines).await?;
        store.checkpoint().await?;
        Ok(Self { folder, store, book: Book::new(machines) })
    }

    async fn updates(&mut self, count: usize) -> Result<Timed> {
        let plan = self.book.updates(count);
        ours::updates(&self.store, &plan).await
    }

    /// The bytes that the journal grows by with one commit.
    async fn bytes_of_a_commit(&mut self) -> Result<usize> {
        let journal = self.folder.join(JOURNAL_FILE);
        let length =
            || std::fs::metadata(&journal).map(|m| m.len()).map_err(errors::raw("read a file"));
        // The first commit also takes the lock.
        self.updates(1).await?;
        let (before, commits) = (length()?, 10);
        self.updates(commits).await?;
        let grown = usize::try_from(length()?.saturating_sub(before)).unwrap_or(usize::MAX);
        Ok(grown / commits)
    }
}

async fn commits(bench: &mut Bench) -> Result<()> {
    let scale = bench.scale();
    let mut large = Written::make(bench, "json-large", scale.store).await?;
    let mut small = Written::make(bench, "json-small", scale.small).await?;
    let bytes = large.bytes_of_a_commit().await?;
    let mut file = Appender::new(&bench.path("json-appended"))?;

    let at = format!("{} entities, {bytes} B", grouped(scale.store));
    let count = scale.commits;
    let append = async || file.append(bytes, count);
    bench.compare_finely(&COMMIT, at, async || large.updates(count).await, append).await?;

    let at = format!("{} : {} entities", grouped(scale.store), grouped(scale.small));
    let into_small = async || small.updates(count).await;
    bench.compare_finely(&GROWTH, at, async || large.updates(count).await, into_small).await?;

    let at = format!("{} callers : 1", scale.callers);
    let (store, callers) = (large.store.clone(), scale.callers);
    let mut book = large.book;
    // Two halves of one book would be two plans: each side takes its turn.
    let book = std::cell::RefCell::new(&mut book);
    let many = async || {
        let plan = book.borrow_mut().updates(callers * scale.commits_each);
        ours::updates_at_once(&store, plan, callers).await
    };
    let one = async || {
        let plan = book.borrow_mut().updates(count);
        ours::updates(&store, &plan).await
    };
    bench.compare_finely(&AT_ONCE, at, many, one).await?;

    let leases = ours::leases(&store).await?;
    let lease = async || ours::lease_turns(&leases, count).await;
    let append = async || file.append(bytes, count);
    let at = format!("{} entities, {bytes} B", grouped(scale.store));
    bench.compare_finely(&LEASE, at, lease, append).await?;
    store.close().await?;
    small.store.close().await
}

async fn sums(bench: &mut Bench) -> Result<()> {
    let machines = bench.scale().large;
    let at = format!("{} entities", grouped(machines));
    bench.say(&format!("json: making a store of {at}"));
    let Written { folder, store, .. } = Written::make(bench, "json-sums", machines).await?;
    let (file, totals) = (folder.join(DATA_FILE), Totals::of(machines));
    let ours = async || ours::sums(&store, totals).await;
    bench.compare(&SUMS, at, ours, async || sum_by_serde(&file, COLLECTION, totals)).await?;
    store.close().await?;
    std::fs::remove_dir_all(folder).map_err(errors::raw("remove a folder"))
}

async fn opening(bench: &mut Bench, entities: usize) -> Result<()> {
    let at = format!("{} entities", grouped(entities));
    bench.say(&format!("json: making a store of {at}"));
    let (ours_in, bare) = (
        bench.path(&format!("json-open-{entities}")),
        bench.path(&format!("json-bare-{entities}")),
    );
    let store = ours::open_json(&ours_in, false).await?;
    ours::fill(&store, entities).await?;
    store.close().await?;
    // What another tool would have left: the data file alone.
    let copied = std::fs::create_dir(&bare)
        .and_then(|()| std::fs::copy(ours_in.join(DATA_FILE), bare.join(DATA_FILE)));
    copied.map_err(errors::raw("copy a file"))?;
    let file = bare.join(DATA_FILE);

    let by_sonic = async || parse_by_sonic(&file, entities);
    bench.compare(&OPEN, at.clone(), async || open(&bare, true, entities).await, by_sonic).await?;
    let by_serde = async || parse_by_serde(&file, entities);
    let ours = async || open(&bare, true, entities).await;
    bench.compare(&OPEN_SERDE, at.clone(), ours, by_serde).await?;
    let ours = async || open(&ours_in, false, entities).await;
    bench.compare(&OPEN_META, at.clone(), ours, by_sonic).await?;
    if bench.wants(&MEMORY) {
        memory(bench, &ours_in, entities, at)?;
    }
    for folder in [ours_in, bare] {
        std::fs::remove_dir_all(folder).map_err(errors::raw("remove a folder"))?;
    }
    Ok(())
}

/// Opens a store and reads one entity of it; closing it does not count.
async fn open(folder: &Path, read_only: bool, entities: usize) -> Result<Timed> {
    let mut opened = None;
    let collection = data::collection()?;
    let some = data::entity_id(entities as u64 / 2)?;
    let time = timed(entities, async {
        let store = ours::open_json(folder, read_only).await?;
        let found = store.get(&collection, &some).await?;
        opened = Some(store);
        errors::expect("open", 1, usize::from(found.is_some()))
    })
    .await?;
    if let Some(store) = opened {
        store.close().await?;
    }
    Ok(time)
}

fn memory(bench: &mut Bench, folder: &Path, entities: usize, at: String) -> Result<()> {
    let mut each = Vec::with_capacity(bench.pairs());
    for _ in 0..bench.pairs() {
        let bytes = memory_of_opening(bench.program(), folder)?;
        // Far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        each.push(bytes as f64 / entities as f64);
    }
    let figures = Figures::Bytes { each: Spread::of(each) };
    bench.push(Line::new(&MEMORY, at, bench.pairs(), figures));
    Ok(())
}
