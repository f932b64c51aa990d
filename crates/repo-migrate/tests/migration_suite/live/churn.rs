//! A program deletes a few records, makes them again and purges them, all the time: from before a
//! live migration begins until after its end, while another program leaves a transaction open in
//! the source.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use repo_core::strategy::{Purged, Record, StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    Clock as _, EntityId, Error, ErrorKind, Precondition, Result, SystemClock, Timestamp, Version,
    Write,
};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePhase, SwitchOptions};
use repo_routed::RoutedStrategy;
use tokio::sync::watch;

use super::support::{Move, Place, all, document, items, key, pausing_writer};
use crate::places::pairs_of;

const KINDS: [&str; 4] = ["memory", "json", "sqlite", "postgresql"];
/// How many records are deleted again and again.
const CHURNED: u64 = 3;
/// How often the program goes on before the live migration takes its next step: each record
/// more than once.
const MORE: u64 = 2 * CHURNED;

/// A transaction of another program that stays open in a store, where the store has such.
enum Idle {
    None,
    /// A reader, with what it sees.
    Sqlite(rusqlite::Connection, String),
    /// One with a snapshot and a number of its own, as a writer has it; both in words.
    Postgresql(tokio_postgres::Client, String),
}

impl Idle {
    async fn begin(place: &Place) -> Self {
        match place {
            Place::Memory(_) | Place::Json(_) => Self::None,
            Place::Sqlite(folder) => {
                let file = folder.path().join("store.db");
                let reader = rusqlite::Connection::open(file).unwrap();
                reader.execute_batch("BEGIN").unwrap();
                let seen = seen_in_sqlite(&reader);
                Self::Sqlite(reader, seen)
            }
            Place::Postgresql(_) => {
                let writer = connected().await;
                writer.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
                let seen = seen_in_postgresql(&writer).await;
                Self::Postgresql(writer, seen)
            }
        }
    }

    /// It was open all the time.
    async fn end(self) {
        match self {
            Self::None => {}
            Self::Sqlite(reader, seen) => {
                assert_eq!(seen_in_sqlite(&reader), seen);
                reader.execute_batch("COMMIT").unwrap();
            }
            Self::Postgresql(writer, seen) => {
                assert_eq!(seen_in_postgresql(&writer).await, seen);
                writer.batch_execute("COMMIT").await.unwrap();
            }
        }
    }
}

fn seen_in_sqlite(reader: &rusqlite::Connection) -> String {
    let sum = "SELECT count(*) || ' ' || sum(\"_version\") FROM items_records";
    reader.query_row(sum, [], |row| row.get(0)).unwrap()
}

/// A transaction that has read the records and does nothing more, where the store is on the
/// server: no step up to `finish` waits for a reader.
async fn reader_of(place: &Place) -> Option<tokio_postgres::Client> {
    let Place::Postgresql(schema) = place else { return None };
    let reader = connected().await;
    let read = format!("BEGIN; SELECT count(*) FROM \"{}\".items_records", schema.name());
    reader.batch_execute(&read).await.unwrap();
    Some(reader)
}

async fn connected() -> tokio_postgres::Client {
    let server = repo_testkit::servers::postgres();
    let (client, connection) =
        tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// It reads no table of the store: `finish` drops triggers, and would wait for it.
async fn seen_in_postgresql(writer: &tokio_postgres::Client) -> String {
    let seen = "SELECT txid_current()::text || ' ' || pg_current_snapshot()::text";
    writer.query_one(seen, &[]).await.unwrap().get(0)
}

/// How far the program is.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    purged: u64,
    refused: u64,
}

/// The program, and what it was acknowledged.
struct Churn {
    store: Arc<RoutedStrategy>,
    /// The last version of each record, also of one that is deleted or purged.
    last: BTreeMap<String, Version>,
    /// The live record, and what was written to it last.
    kept: u64,
    /// Whether a purge was made, each time that it became another answer.
    made: Vec<bool>,
    done: watch::Sender<Done>,
}

impl Churn {
    /// Runs it until it is told to end.
    fn start(
        store: Arc<RoutedStrategy>,
        ended: Arc<AtomicBool>,
    ) -> (tokio::task::JoinHandle<Self>, watch::Receiver<Done>) {
        let (done, receiver) = watch::channel(Done::default());
        let (last, made) = (BTreeMap::new(), Vec::new());
        let mut churn = Self { store, last, kept: 0, made, done };
        let task = tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                churn.round().await;
                // Some stores never wait for anything.
                tokio::task::yield_now().await;
            }
            churn
        });
        (task, receiver)
    }

    async fn round(&mut self) {
        self.kept += 1;
        let n = self.kept;
        let id = format!("churned-{}", n % CHURNED);
        // One that has come back is there already.
        let made = self.put(&id, n, Precondition::Absent).await;
        let changed = self.put(&id, n, Precondition::Version(made)).await;
        assert_eq!(changed.get(), made.get() + 1, "{id}");
        let deleted = self.store.delete_version(key(&id), changed).await.unwrap();
        self.acknowledged(&id, deleted);
        self.put("kept", n, Precondition::Any).await;
        self.purge(&id, deleted).await;
    }

    async fn put(&mut self, id: &str, n: u64, expected: Precondition) -> Version {
        let write = Write::put(key(id), document(id, n), expected);
        let written = self.store.commit(vec![write]).await.unwrap();
        let version = written[0].version().unwrap();
        self.acknowledged(id, version);
        version
    }

    fn acknowledged(&mut self, id: &str, version: Version) {
        let before = self.last.insert(id.to_owned(), version);
        assert!(before.is_none_or(|before| before < version), "{id}: {before:?}, {version}");
    }

    /// Purges everything that is deleted: it is done, or it is refused and nothing has changed.
    async fn purge(&mut self, id: &str, deleted: Version) {
        let floor = floor_of(self.store.as_ref()).await;
        let made = match self.asked_to_purge().await {
            Ok(purged) => {
                assert!(purged.removed > 0 && purged.floor >= deleted.get(), "{purged:?}");
                assert!(purged.floor >= floor, "{floor}: {purged:?}");
                assert_eq!(self.stored(id).await, None);
                true
            }
            Err(error) => {
                assert_refused(&error);
                let stored = self.stored(id).await.expect("the tombstone is there");
                assert!(!stored.is_live() && stored.version() == deleted, "{stored:?}");
                assert_eq!(floor_of(self.store.as_ref()).await, floor);
                false
            }
        };
        if self.made.last() != Some(&made) {
            self.made.push(made);
        }
        self.done.send_modify(|done| match made {
            true => done.purged += 1,
            false => done.refused += 1,
        });
    }

    /// A purge and a step of the move may each have what the other waits for; the server ends
    /// one of them then, and says so.
    async fn asked_to_purge(&self) -> Result<Purged> {
        loop {
            match self.store.purge(&items(), later()).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                answer => return answer,
            }
        }
    }

    async fn stored(&self, id: &str) -> Option<Record> {
        let ids = [EntityId::new(id).unwrap()];
        self.store.get_many(&items(), &ids).await.unwrap().remove(0)
    }

    /// What the store holds of it in the end.
    fn check(&self, stored: &BTreeMap<String, Record>) {
        for (id, last) in &self.last {
            match stored.get(id) {
                Some(record) => {
                    assert_eq!(record.version(), *last, "{id}");
                    assert_eq!(record.is_live(), id == "kept", "{id}");
                }
                None => assert_ne!(id, "kept"),
            }
        }
        let kept = document("kept", self.kept);
        assert!(stored["kept"].document().is_some_and(|there| there.equals(&kept)));
    }
}

/// After every tombstone that there is.
fn later() -> Timestamp {
    SystemClock.now().saturating_add(Duration::from_secs(3_600))
}

async fn floor_of(store: &dyn StorageStrategy) -> u64 {
    store.store_record().await.unwrap().collections[&items()].floor
}

/// What a purge is told while a store takes part in a live migration, or has moved.
fn assert_refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    let words = error.to_string();
    assert!(words.contains("takes part in a live migration") || words.contains("moved"), "{words}");
    assert!(error.hint_text().is_some_and(|hint| !hint.is_empty()), "{error}");
}

/// Waits until the program has gone on.
async fn more(done: &mut watch::Receiver<Done>, of: fn(&Done) -> u64) {
    let enough = of(&done.borrow()) + MORE;
    done.wait_for(|done| of(done) >= enough).await.expect("the program has failed");
}

/// Neither store is purged by a program that asks one of them, whatever it is at the moment.
async fn check_refused_by_both(moving: &Move) {
    for place in [&moving.source, &moving.target] {
        let store = place.store().await;
        let floor = floor_of(store.as_ref()).await;
        assert_refused(&store.purge(&items(), later()).await.unwrap_err());
        assert_eq!(floor_of(store.as_ref()).await, floor);
        store.close().await.unwrap();
    }
}

async fn churned(source: &str, target: &str) {
    let moving = Move::new(source, target).await;
    let idle = Idle::begin(&moving.source).await;
    let routed = moving.routed().await;
    let ended = Arc::new(AtomicBool::new(false));
    let (churn, mut done) = Churn::start(Arc::clone(&routed), Arc::clone(&ended));
    let pause = Some(Duration::from_millis(2));
    let writer = pausing_writer(Arc::clone(&routed), 0, Arc::clone(&ended), pause);
    more(&mut done, |done| done.purged).await;
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    let readers = [reader_of(&moving.source).await, reader_of(&moving.target).await];
    for to_target in [true, false, true] {
        more(&mut done, |done| done.refused).await;
        check_refused_by_both(&moving).await;
        let report = match to_target {
            true => moving.switch().await.unwrap(),
            false => live::back(moving.stores(), SwitchOptions::default()).await.unwrap(),
        };
        assert!(report.switched && report.differences == 0, "{report:?}");
    }
    more(&mut done, |done| done.refused).await;
    check_refused_by_both(&moving).await;
    let found = live::verify(moving.stores(), &LiveOptions::default(), &Silent).await.unwrap();
    assert_eq!((found.finished, found.differences), (true, 0), "{found:?}");
    for reader in readers.into_iter().flatten() {
        reader.batch_execute("COMMIT").await.unwrap();
    }
    live::finish(moving.stores()).await.unwrap();
    more(&mut done, |done| done.purged).await;
    ended.store(true, Ordering::Relaxed);
    let (churn, acknowledged) = (churn.await.unwrap(), writer.await.unwrap());
    mover.await.unwrap().unwrap();
    drop(stop);
    idle.end().await;

    assert_eq!(churn.made, [true, false, true], "{source} to {target}");
    let authority = moving.target.store().await;
    let stored = all(authority.as_ref()).await;
    churn.check(&stored);
    for (id, version) in acknowledged {
        assert_eq!(stored[&id].version().get(), version, "{id}");
    }
    // The one that was deleted before everything is purged as well.
    assert_eq!(stored.keys().filter(|id| id.starts_with("old-")).count(), 299);
    for (id, last) in &churn.last {
        let again = authority.save(key(id), document(id, 0)).await.unwrap();
        assert!(again.version > *last, "{id}: {last}, {}", again.version);
    }
    // What has moved is not purged any more.
    let error = moving.source.store().await.purge(&items(), later()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert_eq!(error.context_value("successor"), Some(authority.location()));
}

/// The pairs in which the server takes part, or the others.
async fn every_pair(with_server: bool) {
    let mut pairs = pairs_of(&KINDS);
    pairs.retain(|(source, target)| [source, target].contains(&&"postgresql") == with_server);
    let moves = futures::stream::iter(pairs);
    moves.for_each_concurrent(2, |(source, target)| churned(source, target)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_made_and_purged_moves_along() {
    every_pair(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_made_and_purged_moves_along_with_postgresql() {
    every_pair(true).await;
}
