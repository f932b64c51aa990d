//! Reads from a real replica: paused, promoted, killed, and behind.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::replica::Replica;
use crate::postgres::role::Role;
use crate::postgres::{PostgresPlace, eventually};
use futures::future::join_all;
use repo_core::strategy::{LevelCosts, StorageStrategyExt as _, with_consistency};
use repo_core::{Consistency, ErrorKind, Filter, Query, Token};
use serde_json::{Value as Json, json};
use tokio::time::sleep;
use tokio_postgres::Client;

const HOUR: Consistency = Consistency::BoundedStaleness(Duration::from_secs(3_600));
/// How long something is waited for that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store through two handles, of which one reads from a replica.
struct World {
    writer: Store,
    reader: Store,
    replica: Replica,
    tool: Client,
    role: Role,
    place: PostgresPlace,
    /// Reads that were made so that the replica answers.
    warming: i64,
}

impl World {
    /// With machine `a` in version 1, which the replica has.
    async fn new(max_staleness_ms: u32) -> Self {
        let place = PostgresPlace::new();
        let role = Role::owner_of(&place).await;
        let writer =
            place.open_with(&role.with(&Json::Null), options(&[machines()])).await.unwrap();
        writer.prepare(&[machines()]).await.unwrap();
        writer.save(key("a"), machine("a", "")).await.unwrap();
        let replica = Replica::start().await;
        let further = role.with(&replica.settings(max_staleness_ms));
        let reader = place.open_with(&further, options(&[machines()])).await.unwrap();
        let tool = replica.tool().await;
        // Not by a look into the table: who reads it there is counted.
        eventually(&tool, &reached(writer.token().await.unwrap())).await;
        Self { writer, reader, replica, tool, role, place, warming: 0 }
    }

    /// Reads until the replica has answered something.
    async fn warmed(max_staleness_ms: u32) -> Self {
        let mut world = Self::new(max_staleness_ms).await;
        let sessions = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE {})",
            world.role.sessions()
        );
        let begin = Instant::now();
        while !world.tool.query_one(&sessions, &[]).await.unwrap().get::<_, bool>(0) {
            assert!(begin.elapsed() < PATIENCE, "no read went to the replica");
            assert_eq!(world.version(HOUR).await.unwrap(), 1);
            world.warming += 1;
        }
        let token = world.writer.token().await.unwrap();
        eventually(&world.tool, &reached(token)).await;
        world
    }

    /// How often the replica was read from, as far as its connections have reported it.
    async fn reads_of_the_replica(&self) -> i64 {
        let sql = format!(
            "SELECT coalesce(sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)), 0)::bigint \
             FROM pg_stat_user_tables \
             WHERE schemaname = '{}' AND relname = 'machines_records'",
            self.place.schema
        );
        self.tool.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// The version of machine `a` at a level.
    async fn version(&self, level: Consistency) -> repo_core::Result<u64> {
        let name = collection("machines");
        let found = with_consistency(level, self.reader.get(&name, &key("a").id)).await?;
        Ok(found.expect("it was never deleted").version.get())
    }

    /// The same by a query that says nothing about a level.
    async fn eventual_version(&self) -> u64 {
        let page = self.reader.query(&collection("machines"), &Query::all()).await.unwrap();
        page.entities[0].version.get()
    }

    async fn write(&self) -> u64 {
        self.writer.save(key("a"), machine("a", "")).await.unwrap().version.get()
    }

    async fn pause(&self) {
        self.tool.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
        eventually(&self.tool, "SELECT pg_get_wal_replay_pause_state() = 'paused'").await;
    }

    async fn go_on(&self) {
        self.tool.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    }

    /// Writes a machine and reads it at the level of the write's own token.
    async fn named(&self, id: &str, read: Named) {
        let saved = self.writer.save(key(id), machine(id, "")).await.unwrap();
        let token = self.writer.token().await.unwrap();
        if read.once_there {
            eventually(&self.tool, &reached(token)).await;
        }
        let (level, name) = (Consistency::AtLeast(token), collection("machines"));
        let seen = if read.by_query {
            let filter = Filter::parse(&format!(r#"{{"machine_id":"{id}"}}"#)).unwrap();
            let query = Query::new(filter).with_consistency(level);
            self.reader.query(&name, &query).await.unwrap().entities.pop()
        } else {
            with_consistency(level, self.reader.get(&name, &key(id).id)).await.unwrap()
        };
        assert_eq!(seen.map(|entity| entity.version), Some(saved.version), "{id}");
    }

    /// Writes as fast as it can until it is over.
    async fn write_until(&self, over: &AtomicBool, id: &str) {
        while !over.load(Ordering::Relaxed) {
            self.writer.save(key(id), machine(id, "")).await.unwrap();
        }
    }

    /// Stops the replica and lets it go on, again and again until it is over.
    async fn disturb_until(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            self.pause().await;
            sleep(Duration::from_millis(20)).await;
            self.go_on().await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads at a level until the answer is that version.
    async fn until(&self, level: Consistency, version: u64) {
        let begin = Instant::now();
        while self.version(level).await.unwrap() != version {
            assert!(begin.elapsed() < PATIENCE, "version {version} did not come");
        }
    }
}

/// How what a token names is read.
#[derive(Clone, Copy)]
struct Named {
    by_query: bool,
    /// Only after the replica has it, so that it can answer.
    once_there: bool,
}

/// Whether a replica has what a token names.
fn reached(token: Token) -> String {
    let at = token.position().expect("the server has positions").at;
    format!("SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint >= {at}")
}

/// What a paused replica has is read as long as it is young enough, and no longer.
#[tokio::test]
async fn no_read_is_older_than_its_bound() {
    let world = World::warmed(400).await;
    assert_eq!(world.reader.capabilities().levels, LevelCosts::REPLICAS);
    assert_eq!(world.writer.capabilities().levels, LevelCosts::STRONG);
    world.pause().await;
    assert_eq!(world.write().await, 2);
    let acknowledged = Instant::now();
    // The replica answers, with what it had.
    world.until(HOUR, 1).await;
    let bound = Duration::from_millis(400);
    let (mut old, mut new) = (0, 0);
    while new < 100 {
        let begun = Instant::now();
        let level = Consistency::BoundedStaleness(bound);
        let seen = world.version(level).await.unwrap();
        let eventual_begun = Instant::now();
        let eventual = world.eventual_version().await;
        if begun.duration_since(acknowledged) >= bound {
            assert_eq!(seen, 2);
            new += 1;
        } else {
            old += 1;
        }
        if eventual_begun.duration_since(acknowledged) >= bound {
            assert_eq!(eventual, 2);
        }
    }
    println!("{old} reads within the bound, {new} after it");
    assert_eq!(world.version(Consistency::Strong).await.unwrap(), 2);
    assert_eq!(world.version(Consistency::BoundedStaleness(Duration::ZERO)).await.unwrap(), 2);
    world.go_on().await;
    world.until(HOUR, 2).await;
}

/// What a token names is seen, whether the replica has it or not.
#[tokio::test]
async fn a_token_is_waited_for_by_nobody() {
    let world = World::warmed(1_000).await;
    let before = world.writer.token().await.unwrap();
    world.write().await;
    // The replica has what it names before it is paused.
    eventually(&world.tool, &reached(before)).await;
    world.pause().await;
    let version = world.write().await;
    let after = world.writer.token().await.unwrap();
    for _ in 0..50 {
        assert_eq!(world.version(Consistency::AtLeast(after)).await.unwrap(), version);
    }
    let begin = Instant::now();
    while world.version(Consistency::AtLeast(before)).await.unwrap() == version {
        assert!(begin.elapsed() < PATIENCE, "an old token is never read from the replica");
    }
}

/// A handle sees its own writes at every level, however far behind the replica is.
#[tokio::test]
async fn a_handle_sees_its_own_writes() {
    let world = World::warmed(1_000).await;
    world.pause().await;
    let token = world.writer.token().await.unwrap();
    for _ in 0..20 {
        let saved = world.reader.save(key("a"), machine("a", "")).await.unwrap();
        let version = saved.version.get();
        for level in [Consistency::Eventual, HOUR, Consistency::AtLeast(token)] {
            assert_eq!(world.version(level).await.unwrap(), version, "{level:?}");
        }
        assert_eq!(world.eventual_version().await, version);
    }
}

/// A replica that became a primary server is refused in words at every level that it could
/// answer, and what was written there is never read; strong reads go on.
#[tokio::test]
async fn a_promoted_replica_is_refused() {
    let world = World::warmed(1_000).await;
    world.tool.batch_execute("SELECT pg_promote()").await.unwrap();
    eventually(&world.tool, "SELECT NOT pg_is_in_recovery()").await;
    let apart = format!("UPDATE {}.machines_records SET _version = 99", world.place.schema);
    world.tool.batch_execute(&apart).await.unwrap();
    let version = world.write().await;
    let token = world.writer.token().await.unwrap();
    for level in [Consistency::AtLeast(token), HOUR, Consistency::Eventual] {
        let begin = Instant::now();
        let error = loop {
            match world.version(level).await {
                Ok(found) => assert_eq!(found, version, "{level:?}"),
                Err(error) => break error,
            }
            assert!(begin.elapsed() < PATIENCE, "nobody noticed: {level:?}");
        };
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert!(error.to_string().contains("promoted"), "{error}");
        assert!(error.context_value("replica").unwrap().contains("127.0.0.1"), "{error}");
        assert!(error.hint_text().unwrap().contains("replicas"), "{error}");
    }
    for level in [Consistency::Strong, Consistency::BoundedStaleness(Duration::ZERO)] {
        assert_eq!(world.version(level).await.unwrap(), version, "{level:?}");
    }
}

/// A server that was never a replica, here the primary one itself, is refused as well.
#[tokio::test]
async fn a_server_that_is_no_replica_is_refused() {
    let place = PostgresPlace::new();
    let [host, port, ..] = repo_testkit::servers::postgres_parts();
    let further = json!({ "replicas": [format!("postgresql://{host}:{port}")] });
    let store = place.open_with(&further, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    let begin = Instant::now();
    let name = collection("machines");
    let error = loop {
        match store.query(&name, &Query::all()).await {
            Ok(page) => assert!(page.entities.is_empty()),
            Err(error) => break error,
        }
        assert!(begin.elapsed() < PATIENCE, "nobody noticed");
    };
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
}

/// When the replica is gone the primary server answers, and no caller notices.
#[tokio::test]
async fn a_killed_replica_costs_no_read() {
    let world = World::warmed(1_000).await;
    let version = world.write().await;
    world.until(HOUR, version).await;
    let reading = async {
        // Either server answers, and the replica may be behind: all that counts is an answer.
        for _ in 0..300 {
            assert!(world.version(HOUR).await.unwrap() <= version);
            assert!(world.eventual_version().await <= version);
        }
    };
    // Reads are under way while it is killed.
    tokio::join!(reading, world.replica.kill());
    for _ in 0..100 {
        assert_eq!(world.version(HOUR).await.unwrap(), version);
    }
    // Nor does anybody wait for what it will never have.
    let version = world.write().await;
    let token = world.writer.token().await.unwrap();
    let zero = Consistency::BoundedStaleness(Duration::ZERO);
    for level in [Consistency::AtLeast(token), Consistency::Strong, zero, Consistency::Eventual] {
        for _ in 0..20 {
            assert_eq!(world.version(level).await.unwrap(), version, "{level:?}");
        }
    }
    assert_eq!(world.eventual_version().await, version);
}

/// Writers and readers side by side, while the replica stops and goes on all the time: each
/// read sees what its token names, whichever server answers, and both do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_hold_under_load() {
    let world = World::warmed(1_000).await;
    let reads: usize = std::env::var("REPO_TEST_REPLICA_READS")
        .map_or(400, |text| text.parse().expect("REPO_TEST_REPLICA_READS is a number"));
    let over = AtomicBool::new(false);
    let readers = (0..4).map(|n: usize| {
        let (world, id) = (&world, format!("m{n}"));
        async move {
            for turn in 0..reads.div_ceil(4) {
                let read = Named { by_query: turn % 2 == 1, once_there: turn % 4 >= 2 };
                world.named(&id, read).await;
            }
        }
    });
    let reading = async {
        join_all(readers).await;
        // What a connection did is known a second later, and only if it does more.
        let begin = Instant::now();
        while world.reads_of_the_replica().await <= world.warming {
            assert!(begin.elapsed() < 3 * PATIENCE, "the replica never answered");
            world.named("m0", Named { by_query: false, once_there: true }).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let writers = ["w0", "w1", "w2", "w3"].map(|id| world.write_until(&over, id));
    tokio::join!(reading, join_all(writers), world.disturb_until(&over));
}
