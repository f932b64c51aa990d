//! SQLite against rusqlite, on two copies of one file.

use std::path::{Path, PathBuf};

use repo_core::Result;
use repo_core::strategy::Record;

use crate::bench::Bench;
use crate::data::{self, Totals};
use crate::errors;
use crate::grouping::grouped;
use crate::measure::Timed;
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::raw::sqlite::Raw;
use crate::row::{Bound, Measure, Row};

static UPDATE: Row = Row {
    name: "sqlite.update",
    what: "one conditional update",
    against: "the prepared conditional UPDATE, a transaction each",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.15)),
};
static GET: Row = Row {
    name: "sqlite.get",
    what: "one get",
    against: "the prepared SELECT of the same columns by id",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.3)),
};
static AT_ONCE: Row = Row {
    name: "sqlite.concurrent",
    what: "conditional updates of 64 callers at the same time",
    against: "64 prepared UPDATEs in each transaction",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.8)),
};
static COMMIT: Row = Row {
    name: "sqlite.commit_10",
    what: "one commit of 10 conditional updates",
    against: "10 prepared UPDATEs in a transaction",
    measure: Measure::Time,
    bound: None,
};
static LOAD: Row = Row {
    name: "sqlite.load",
    what: "apply of batches of 1,000 into an empty table",
    against: "the prepared upsert, 1,000 in each transaction",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.85)),
};
static APPLY: Row = Row {
    name: "sqlite.apply_10000",
    what: "one apply of 10,000 records into an empty table",
    against: "the prepared upsert, 10,000 in one transaction",
    measure: Measure::Rate,
    bound: None,
};
static QUERY: Row = Row {
    name: "sqlite.query",
    what: "a query on an indexed field that finds 10",
    against: "the prepared SELECT by that column",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.5)),
};
static SCAN: Row = Row {
    name: "sqlite.scan",
    what: "scan of all records",
    against: "one SELECT of all rows by id",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.85)),
};

static GROUPS: Row = Row {
    name: "sqlite.aggregate",
    what: "one aggregate: how many entities have each status",
    against: "SELECT status, count(*) … GROUP BY status",
    measure: Measure::Time,
    bound: None,
};

static SUMS: Row = Row {
    name: "sqlite.aggregate_sum",
    what: "one aggregate: entities of each status, and the sum of a field that has no column",
    against: "SELECT status, count(*), sum(…) … GROUP BY status",
    measure: Measure::Time,
    bound: None,
};
static LEASE: Row = Row {
    name: "sqlite.lease_raw",
    what: "a lease acquired and given back, nobody else wanting it",
    against: "the prepared conditional UPDATE, a transaction each",
    measure: Measure::Time,
    bound: None,
};

pub(super) static ROWS: [&Row; 11] =
    [&UPDATE, &GET, &AT_ONCE, &COMMIT, &LEASE, &LOAD, &APPLY, &QUERY, &SCAN, &GROUPS, &SUMS];

pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if bench.wants_any(&[&UPDATE, &GET, &AT_ONCE, &COMMIT, &LEASE]) {
        single(bench).await?;
    }
    if bench.wants_any(&[&LOAD, &APPLY]) {
        loads(bench).await?;
    }
    if bench.wants_any(&[&QUERY, &SCAN, &GROUPS, &SUMS]) {
        reads(bench).await?;
    }
    Ok(())
}

/// Makes a store of so many machines and closes it.
pub(super) async fn make(bench: &Bench, name: &str, machines: usize) -> Result<PathBuf> {
    bench.say(&format!("sqlite: making a store of {} entities", grouped(machines)));
    let file = bench.path(name);
    let store = ours::open_sqlite(&file, false).await?;
    ours::fill(&store, machines).await?;
    store.close().await?;
    Ok(file)
}

/// The same file twice, open on both sides. Both are copies: a file that was
/// written page by page is slower to read than one written in a piece.
async fn sides(bench: &Bench, name: &str, machines: usize) -> Result<(Store, Raw)> {
    let file = make(bench, &format!("{name}.db"), machines).await?;
    let [mine, theirs] = ["ours", "raw"].map(|side| bench.path(&format!("{name}-{side}.db")));
    for copy in [&mine, &theirs] {
        std::fs::copy(&file, copy).map_err(errors::raw("copy a file"))?;
    }
    std::fs::remove_file(&file).map_err(errors::raw("remove a file"))?;
    Ok((ours::open_sqlite(&mine, false).await?, Raw::open(&theirs)?))
}

async fn single(bench: &mut Bench) -> Result<()> {
    let scale = bench.scale();
    let (store, mut raw) = sides(bench, "sqlite-single", scale.store).await?;
    let (mut mine, mut theirs) = (Book::new(scale.store), Book::new(scale.store));
    let at = format!("{} entities", grouped(scale.store));

    let ours = async || ours::updates(&store, &mine.updates(scale.commits)).await;
    let by_hand = async || raw.updates(&theirs.updates(scale.commits));
    bench.compare_finely(&UPDATE, at.clone(), ours, by_hand).await?;

    let ours = async || ours::gets(&store, &mine.ids(scale.reads)).await;
    let by_hand = async || raw.gets(&theirs.ids(scale.reads));
    bench.compare_finely(&GET, at.clone(), ours, by_hand).await?;

    let (callers, count) = (scale.callers, scale.callers * scale.commits_each);
    let ours = async || ours::updates_at_once(&store, mine.updates(count), callers).await;
    let by_hand = async || raw.commits(&theirs.updates(count), callers, false);
    bench.compare_finely(&AT_ONCE, format!("{callers} callers"), ours, by_hand).await?;

    let ours = async || ours::commits(&store, &mine.updates(scale.commits), 10).await;
    let by_hand = async || raw.commits(&theirs.updates(scale.commits), 10, true);
    bench.compare_finely(&COMMIT, at.clone(), ours, by_hand).await?;

    let leases = ours::leases(&store).await?;
    let lease = async || ours::lease_turns(&leases, scale.commits).await;
    let by_hand = async || raw.updates(&theirs.updates(scale.commits));
    bench.compare_finely(&LEASE, at, lease, by_hand).await?;
    store.close().await
}

async fn reads(bench: &mut Bench) -> Result<()> {
    let scale = bench.scale();
    let (store, raw) = sides(bench, "sqlite-large", scale.large).await?;
    let (mut mine, mut theirs) = (Book::new(scale.large), Book::new(scale.large));
    let at = format!("{} entities", grouped(scale.large));
    let requests = scale.large / data::MACHINES_OF_A_REQUEST;

    let ours = async || ours::queries(&store, &mine.numbers(scale.queries, requests)).await;
    let by_hand = async || raw.queries(&theirs.numbers(scale.queries, requests));
    bench.compare_finely(&QUERY, at.clone(), ours, by_hand).await?;

    let ours = async || ours::scan(&store, scale.large).await;
    bench.compare(&SCAN, at.clone(), ours, async || raw.scan(scale.large)).await?;

    let ours = async || ours::groups(&store, scale.large).await;
    bench.compare(&GROUPS, at.clone(), ours, async || raw.groups(scale.large)).await?;

    let totals = Totals::of(scale.large);
    let ours = async || ours::sums(&store, totals).await;
    bench.compare(&SUMS, at, ours, async || raw.sums(totals)).await?;
    store.close().await
}

async fn loads(bench: &mut Bench) -> Result<()> {
    let scale = bench.scale();
    let empty = make(bench, "sqlite-empty.db", 0).await?;
    let (to, copy) = (bench.path("sqlite-load-ours.db"), bench.path("sqlite-load-raw.db"));
    for (row, size, count) in
        [(&LOAD, ours::BATCH, scale.load), (&APPLY, 10_000, scale.load.min(10_000))]
    {
        if !bench.wants(row) {
            continue;
        }
        let records = data::records(0..count)?;
        let batches: Vec<Vec<Record>> = records.chunks(size).map(<[Record]>::to_vec).collect();
        let ours = async || load_ours(&empty, &to, batches.clone()).await;
        let by_hand = async || load_raw(&empty, &copy, &batches);
        bench.compare(row, format!("{} entities", grouped(count)), ours, by_hand).await?;
    }
    Ok(())
}

async fn load_ours(empty: &Path, file: &Path, batches: Vec<Vec<Record>>) -> Result<Timed> {
    renew(empty, file)?;
    let store = ours::open_sqlite(file, false).await?;
    let time = ours::load(&store, batches).await?;
    store.close().await?;
    Ok(time)
}

fn load_raw(empty: &Path, file: &Path, batches: &[Vec<Record>]) -> Result<Timed> {
    renew(empty, file)?;
    Raw::open(file)?.load(batches)
}

/// Puts a copy of the empty store in the place of what an earlier time left.
pub(super) fn renew(empty: &Path, file: &Path) -> Result<()> {
    std::fs::copy(empty, file).map(drop).map_err(errors::raw("copy a file"))
}
