//! Reads that a replica of PostgreSQL answers, against tokio-postgres on the same replica.

use std::time::{Duration, Instant};

use repo_core::strategy::with_consistency;
use repo_core::{Consistency, Error, ErrorKind, Result};

use super::postgres::{Sides, open_beside};
use super::servers::elsewhere;
use crate::bench::Bench;
use crate::errors;
use crate::grouping::grouped;
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::raw::postgres::Raw;
use crate::row::{Measure, Row};

static GET: Row = Row {
    name: "replica.get",
    what: "one get with a bound of its age, which a replica of PostgreSQL answers",
    against: "the prepared SELECT of the same columns by id, of the same replica",
    measure: Measure::Time,
    bound: None,
};

pub(super) static ROWS: [&Row; 1] = [&GET];

/// What a read may lack: so much that the replica always has what is asked for.
const BOUND: Consistency = Consistency::BoundedStaleness(Duration::from_secs(3_600));

/// How long the replica may take to get as far as the server, and to count what it did.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// The address of the replica, if a row needs it. Where there is none, that is said.
pub(super) fn find(bench: &Bench) -> Option<String> {
    if !bench.wants(&GET) {
        return None;
    }
    if bench.options.replica.is_none() {
        bench.say(&format!(
            "{}: left out, because there is no replica of PostgreSQL; start one with \
             `scripts/services replica up` and take its address with \
             `eval \"$(scripts/services env)\"`",
            GET.name
        ));
    }
    bench.options.replica.clone()
}

pub(super) async fn run(bench: &mut Bench, url: &str, address: &str) -> Result<()> {
    let there = elsewhere(url, address).await?;
    let machines = bench.scale().store;
    bench.say(&format!("replica: making two stores of {} entities", grouped(machines)));
    let sides = Sides::make(url, machines).await?;
    let done = gets(bench, &sides, [url, address, &there]).await;
    sides.remove().await?;
    done
}

async fn gets(bench: &mut Bench, sides: &Sides, [url, address, there]: [&str; 3]) -> Result<()> {
    let scale = bench.scale();
    let store = open_beside(url, &sides.ours, 1, &[address]).await?;
    let on_replica = Raw::connect(there, "pg_catalog").await?;
    caught_up(&store, &on_replica).await?;
    let raw = Raw::connect(there, &sides.theirs).await?;

    let (mut mine, mut theirs) = (Book::new(scale.store), Book::new(scale.store));
    let at = format!("{} entities", grouped(scale.store));
    // A round trip each, as of the server itself.
    let reads = scale.reads.div_ceil(4);
    let ours = async || with_consistency(BOUND, ours::gets(&store, &mine.ids(reads))).await;
    let by_hand = async || raw.gets(&theirs.ids(reads)).await;
    bench.compare_finely(&GET, at, ours, by_hand).await?;

    // A connection that ends leaves its counts behind.
    store.close().await?;
    answered(&on_replica, &sides.ours, mine.planned()).await
}

/// Lets the handle know where the server is, and waits until the replica is there too: from
/// then on the replica has what each read asks for.
async fn caught_up(store: &Store, replica: &Raw) -> Result<()> {
    const NEW: &str = "start a new one: `scripts/services replica down`, then `replica up`";
    if replica.number("SELECT pg_is_in_recovery()::int::bigint").await? == 0 {
        let why = "the server is no replica, or was promoted";
        return Err(Error::new(ErrorKind::ConfigInvalid, "read from a replica", why).hint(NEW));
    }
    let position = store.token().await?.position().ok_or_else(|| {
        let why = "the server names no position, so that no replica is read from";
        Error::new(ErrorKind::Unsupported, "read from a replica", why)
    })?;
    let sql = "SELECT coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint";
    let wanted = i64::try_from(position.at).unwrap_or(i64::MAX);
    if grown(replica, sql, wanted).await? >= wanted {
        return Ok(());
    }
    let why = "the replica does not get as far as the server, or repeats another one";
    Err(Error::new(ErrorKind::Unavailable, "read from a replica", why).hint(NEW))
}

/// Whoever asked the server itself would be compared with another one. A read goes there
/// where the replica does not answer at once, which one in a hundred may.
async fn answered(replica: &Raw, schema: &str, reads: usize) -> Result<()> {
    let sql = format!(
        "SELECT coalesce(sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)), 0)::bigint \
         FROM pg_stat_user_tables WHERE schemaname = '{schema}' AND relname = 'machines_records'"
    );
    let wanted = i64::try_from(reads - reads.div_ceil(100)).unwrap_or(i64::MAX);
    match grown(replica, &sql, wanted).await? {
        found if found >= wanted => Ok(()),
        found => {
            let found = usize::try_from(found).unwrap_or(0);
            Err(errors::other_work("read from a replica", reads, found))
        }
    }
}

/// What a statement answers once it is as much as that, or after a while.
async fn grown(raw: &Raw, sql: &str, wanted: i64) -> Result<i64> {
    let begin = Instant::now();
    loop {
        let found = raw.number(sql).await?;
        if found >= wanted || begin.elapsed() > PATIENCE {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
