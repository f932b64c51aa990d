//! PostgreSQL against tokio-postgres: one connection each, two schemas with
//! the same tables.

use repo_core::Result;
use repo_core::strategy::{Record, StrategyFactory as _};
use repo_sql::PostgresFactory;
use serde_json::json;

use super::servers::{postgres, unique};
use crate::bench::Bench;
use crate::data::{self, Totals};
use crate::errors;
use crate::grouping::grouped;
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::raw::postgres::Raw;
use crate::row::{Bound, Measure, Row};

static UPDATE: Row = Row {
    name: "postgresql.update",
    what: "one conditional update",
    against: "the prepared conditional UPDATE",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.1)),
};
static GET: Row = Row {
    name: "postgresql.get",
    what: "one get",
    against: "the prepared SELECT of the same columns by id",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.1)),
};
static COMMIT: Row = Row {
    name: "postgresql.commit_10",
    what: "one commit of 10 conditional updates",
    against: "10 prepared UPDATEs in a transaction, sent together",
    measure: Measure::Time,
    bound: None,
};
static LOAD: Row = Row {
    name: "postgresql.load",
    what: "apply of batches of 1,000 into an empty table",
    against: "one binary COPY into the same table",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.9)),
};
static QUERY: Row = Row {
    name: "postgresql.query",
    what: "a query on an indexed field that finds 10",
    against: "the prepared SELECT by that column",
    measure: Measure::Time,
    bound: None,
};
static SCAN: Row = Row {
    name: "postgresql.scan",
    what: "scan of all records",
    against: "one SELECT of all rows by id",
    measure: Measure::Rate,
    bound: None,
};

static GROUPS: Row = Row {
    name: "postgresql.aggregate",
    what: "one aggregate: how many entities have each status",
    against: "SELECT status, count(*) … GROUP BY status",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.3)),
};

static SUMS: Row = Row {
    name: "postgresql.aggregate_sum",
    what: "one aggregate: entities of each status, and the sum of a field that has no column",
    against: "SELECT status, count(*), sum(…) … GROUP BY status",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.3)),
};
static LEASE: Row = Row {
    name: "postgresql.lease_raw",
    what: "a lease acquired and given back, nobody else wanting it",
    against: "the prepared conditional UPDATE",
    measure: Measure::Time,
    bound: None,
};

pub(super) static ROWS: [&Row; 9] =
    [&UPDATE, &GET, &COMMIT, &LEASE, &LOAD, &QUERY, &SCAN, &GROUPS, &SUMS];

/// Ours in one schema, the raw driver in another.
pub(super) struct Sides {
    pub(super) store: Store,
    pub(super) ours: String,
    pub(super) raw: Raw,
    pub(super) theirs: String,
}

/// A server for stores in schemas of their own.
pub(crate) struct Server {
    url: String,
}

impl Server {
    /// The server that the environment names.
    ///
    /// # Errors
    /// `ConfigInvalid` without one, `Unavailable` when it does not answer.
    pub(crate) async fn postgres() -> Result<Self> {
        Ok(Self { url: postgres().await? })
    }

    /// The server of a URL.
    pub(super) fn at(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    /// An empty store in a new schema, with one connection.
    pub(crate) async fn open(&self, word: &str) -> Result<(Store, String)> {
        let schema = unique(word);
        Ok((open(&self.url, &schema, 1).await?, schema))
    }

    /// Does what the server does by itself some time after a load: without
    /// statistics it plans a query as if the table were small.
    pub(crate) async fn settle(&self, schema: &str) -> Result<()> {
        let raw = Raw::connect(&self.url, schema).await?;
        raw.run("VACUUM ANALYZE \"machines_records\"").await
    }

    /// Drops a schema.
    pub(crate) async fn remove(&self, schema: &str) -> Result<()> {
        let raw = Raw::connect(&self.url, schema).await?;
        raw.run(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE")).await
    }
}

/// Opens the store in a schema. Without TLS, which the raw side has not either, and
/// which ours would use where the server offers it.
pub(super) async fn open(url: &str, schema: &str, connections: u32) -> Result<Store> {
    open_beside(url, schema, connections, &[]).await
}

/// The same, where servers of these addresses repeat what that one does.
pub(super) async fn open_beside(
    url: &str,
    schema: &str,
    connections: u32,
    replicas: &[&str],
) -> Result<Store> {
    let url = format!("{url}?schema={schema}&sslmode=disable");
    let mut settings = PostgresFactory.settings_from_url(&url)?.unwrap_or_default();
    settings["pool_size"] = json!(connections);
    settings["max_overflow"] = json!(0);
    settings["replicas"] = json!(replicas);
    ours::open(&PostgresFactory, &settings, false).await
}

impl Sides {
    /// Two schemas with so many machines each.
    pub(super) async fn make(url: &str, machines: usize) -> Result<Self> {
        let (ours, theirs) = (unique("ours"), unique("raw"));
        let store = open(url, &ours, 1).await?;
        let other = open(url, &theirs, 1).await?;
        for store in [&store, &other] {
            ours::fill(store, machines).await?;
        }
        other.close().await?;
        let raw = Raw::connect(url, &theirs).await?;
        let sides = Self { store, ours, raw, theirs };
        if machines > 0 {
            for schema in [&sides.ours, &sides.theirs] {
                let settle = format!("VACUUM ANALYZE \"{schema}\".\"machines_records\"");
                sides.raw.run(&settle).await?;
            }
        }
        Ok(sides)
    }

    /// Empties a table, ours or the other.
    async fn empty(&self, ours: bool) -> Result<()> {
        let schema = if ours { &self.ours } else { &self.theirs };
        self.raw.run(&format!("TRUNCATE \"{schema}\".\"machines_records\"")).await
    }

    pub(super) async fn remove(self) -> Result<()> {
        self.store.close().await?;
        for schema in [&self.ours, &self.theirs] {
            self.raw.run(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await?;
        }
        Ok(())
    }
}

pub(super) async fn run(bench: &mut Bench, url: &str) -> Result<()> {
    if bench.wants_any(&[&UPDATE, &GET, &COMMIT, &LEASE]) {
        let machines = bench.scale().store;
        let sides = make(bench, url, machines).await?;
        let done = single(bench, &sides).await;
        sides.remove().await?;
        done?;
    }
    if bench.wants(&LOAD) {
        let sides = make(bench, url, 0).await?;
        let done = load(bench, &sides).await;
        sides.remove().await?;
        done?;
    }
    if bench.wants_any(&[&QUERY, &SCAN, &GROUPS, &SUMS]) {
        let machines = bench.scale().large;
        let sides = make(bench, url, machines).await?;
        let done = reads(bench, &sides).await;
        sides.remove().await?;
        done?;
    }
    Ok(())
}

async fn make(bench: &Bench, url: &str, machines: usize) -> Result<Sides> {
    bench.say(&format!("postgresql: making two stores of {} entities", grouped(machines)));
    Sides::make(url, machines).await
}

async fn single(bench: &mut Bench, Sides { store, raw, .. }: &Sides) -> Result<()> {
    let scale = bench.scale();
    let (mut mine, mut theirs) = (Book::new(scale.store), Book::new(scale.store));
    let at = format!("{} entities", grouped(scale.store));

    let ours = async || ours::updates(store, &mine.updates(scale.commits)).await;
    let by_hand = async || raw.updates(&theirs.updates(scale.commits)).await;
    bench.compare_finely(&UPDATE, at.clone(), ours, by_hand).await?;

    // A round trip each, so fewer than of SQLite.
    let reads = scale.reads.div_ceil(4);
    let ours = async || ours::gets(store, &mine.ids(reads)).await;
    let by_hand = async || raw.gets(&theirs.ids(reads)).await;
    bench.compare_finely(&GET, at.clone(), ours, by_hand).await?;

    let ours = async || ours::commits(store, &mine.updates(scale.commits), 10).await;
    let by_hand = async || raw.commits(&theirs.updates(scale.commits), 10).await;
    bench.compare_finely(&COMMIT, at.clone(), ours, by_hand).await?;

    let leases = ours::leases(store).await?;
    let lease = async || ours::lease_turns(&leases, scale.commits).await;
    let by_hand = async || raw.updates(&theirs.updates(scale.commits)).await;
    bench.compare_finely(&LEASE, at, lease, by_hand).await
}

async fn load(bench: &mut Bench, sides: &Sides) -> Result<()> {
    let count = bench.scale().load;
    let records = data::records(0..count)?;
    let batches: Vec<Vec<Record>> = records.chunks(ours::BATCH).map(<[Record]>::to_vec).collect();
    let ours = async || {
        sides.empty(true).await?;
        ours::load(&sides.store, batches.clone()).await
    };
    let by_hand = async || {
        sides.empty(false).await?;
        let time = sides.raw.load(&batches).await?;
        errors::expect("load", count, time.operations)?;
        Ok(time)
    };
    bench.compare(&LOAD, format!("{} entities", grouped(count)), ours, by_hand).await
}

async fn reads(bench: &mut Bench, Sides { store, raw, .. }: &Sides) -> Result<()> {
    let scale = bench.scale();
    let (mut mine, mut theirs) = (Book::new(scale.large), Book::new(scale.large));
    let at = format!("{} entities", grouped(scale.large));
    let requests = scale.large / data::MACHINES_OF_A_REQUEST;

    let ours = async || ours::queries(store, &mine.numbers(scale.queries, requests)).await;
    let by_hand = async || raw.queries(&theirs.numbers(scale.queries, requests)).await;
    bench.compare_finely(&QUERY, at.clone(), ours, by_hand).await?;

    let ours = async || ours::scan(store, scale.large).await;
    bench.compare(&SCAN, at.clone(), ours, async || raw.scan(scale.large).await).await?;

    let ours = async || ours::groups(store, scale.large).await;
    bench.compare(&GROUPS, at.clone(), ours, async || raw.groups(scale.large).await).await?;

    let totals = Totals::of(scale.large);
    let ours = async || ours::sums(store, totals).await;
    bench.compare(&SUMS, at, ours, async || raw.sums(totals).await).await
}
