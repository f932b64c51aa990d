//! What records were before travels with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::TryStreamExt as _;
use repo_core::strategy::{
    HistoryState, OpenOptions, Retention, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{
    Attribution, Document, EntityId, ErrorKind, Key, ManualClock, MemoryStrategy, Precondition,
    Schemas, Timestamp, Write,
};
use repo_history::{History, KnownVersion, OlderState, TagName};
use repo_migrate::{
    BackupOptions, CompressionLevel, MigrationOptions, Outcome, RestoreOptions, Silent,
    VerifyOptions, archived_schemas, back_up, migrate, restore, verify,
};

use crate::places::Place;
use crate::stores::{
    Probe, Store, batches_of, cut_off, empty, name, options, schema, schemas, time, with_backup,
};

/// How many entities are written to, and how often.
const IDS: u64 = 25;
const WRITES: usize = 400;
const QUESTIONS: usize = 1_000;

/// What reading an id answered from a time on: its version, and the document where it
/// was live.
type Recorded = BTreeMap<(String, i64), (u64, Option<String>)>;

/// A store that was written to at random, and what it held after each write.
pub struct World {
    pub store: Store,
    clock: Arc<ManualClock>,
    began: i64,
    recorded: Recorded,
}

fn machines(store: &Store) -> History {
    History::of(store.clone(), name("machines"))
}

fn id(number: u64) -> EntityId {
    format!("m-{number:02}").parse().unwrap()
}

fn document(id: &EntityId, n: u64) -> Document {
    Document::parse(&format!("{{\"id\":\"{id}\",\"n\":{n}.50}}")).unwrap()
}

impl World {
    /// In memory.
    pub async fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(time(1_000_000)));
        let options = OpenOptions::default().with_clock(clock.clone());
        Self::of(Arc::new(MemoryStrategy::new(options)), clock, seed).await
    }

    async fn of(store: Store, clock: Arc<ManualClock>, seed: u64) -> Self {
        store.prepare(&[schema("machines"), schema("requests")]).await.unwrap();
        let mut world = Self { store, clock, began: 0, recorded: Recorded::new() };
        let mut random = fastrand::Rng::with_seed(seed);
        for n in 0..WRITES {
            if n == WRITES / 10 {
                world.begin().await;
            }
            world.write(&mut random, n as u64).await;
        }
        world
    }

    async fn begin(&mut self) {
        self.clock.advance(std::time::Duration::from_micros(5));
        self.began = repo_core::Clock::now(&*self.clock).as_micros();
        let history = machines(&self.store).with_clock(self.clock.clone());
        history.begin(Retention::EVERYTHING).await.unwrap();
        self.clock.advance(std::time::Duration::from_micros(5));
    }

    async fn write(&mut self, random: &mut fastrand::Rng, n: u64) {
        self.clock.advance(std::time::Duration::from_micros(random.u64(1..50)));
        let at = repo_core::Clock::now(&*self.clock).as_micros();
        let id = id(random.u64(0..IDS));
        let key = Key::new(name("machines"), id.clone());
        let (write, text) = if random.u8(0..5) == 0 {
            (Write::delete(key, Precondition::Any), None)
        } else {
            let document = document(&id, n);
            let text = document.to_string();
            (Write::put(key, document, Precondition::Any), Some(text))
        };
        let by = (random.u8(0..3) == 0).then(|| {
            let author = format!("author {}", n % 3);
            Arc::new(Attribution::new(Some(&author), Some("a\nreason")).unwrap())
        });
        let written = self.store.commit(vec![write.attributed_to(by)]).await.unwrap().remove(0);
        if let Some(version) = written.version() {
            self.recorded.insert((id.to_string(), at), (version.get(), text));
        }
    }

    /// Compares who wrote each version.
    async fn check_authors(&self, store: &Store, what: &str) {
        let mut known = 0;
        for id in (0..IDS).map(id) {
            let (ours, theirs) = (machines(&self.store), machines(store));
            let (ours, theirs) = (ours.all_versions(&id), theirs.all_versions(&id));
            let ours: Vec<KnownVersion> = ours.try_collect().await.unwrap();
            let theirs: Vec<KnownVersion> = theirs.try_collect().await.unwrap();
            assert_eq!(ours, theirs, "{what}: {id}");
            let has_author =
                |it: &&KnownVersion| matches!(it, KnownVersion::Kept { by: Some(_), .. });
            known += ours.iter().filter(has_author).count();
        }
        assert!(known > 50, "{what}: {known}");
    }

    /// What was recorded of an id at a time.
    fn expected(&self, id: &EntityId, at: i64) -> Option<(u64, Option<String>)> {
        let all = self.recorded.range((id.to_string(), i64::MIN)..=(id.to_string(), at));
        all.last().map(|(_, held)| held.clone())
    }

    /// Asks a store what it held, and compares with what was recorded.
    pub async fn check(&self, store: &Store, what: &str) {
        let history = machines(store);
        let mut random = fastrand::Rng::with_seed(7);
        let last = repo_core::Clock::now(&*self.clock).as_micros() + 20;
        for _ in 0..QUESTIONS {
            let (id, at) = (id(random.u64(0..IDS)), random.i64(self.began..last));
            let found = history.as_of(&id, time(at)).await.unwrap();
            assert_eq!(found.missing, None);
            let found = found.version.map(|version| {
                let document = match version.state {
                    OlderState::Live { document, .. } => Some(document.to_string()),
                    _ => None,
                };
                (version.version.get(), document)
            });
            assert_eq!(found, self.expected(&id, at), "{what}: {id} at {at}");
        }
        let error = history.as_of(&id(1), time(self.began - 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{what}: before it began");
    }
}

async fn state(store: &Store) -> Option<HistoryState> {
    store.store_record().await.unwrap().history.get(&name("machines")).copied()
}

fn both() -> Schemas {
    schemas(&["machines", "requests"])
}

fn backup_options(folder: &Path) -> BackupOptions {
    BackupOptions {
        collections: None,
        folder: folder.to_owned(),
        compression: CompressionLevel::default(),
        batch_size: batches_of(10).batch_size,
        without_history: false,
    }
}

#[tokio::test]
async fn a_time_is_answered_the_same_on_both_sides_between_every_pair() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (from, into)) in Place::pairs().into_iter().enumerate() {
        let what = format!("{} into {}", from.name, into.name);
        let here = folder.path().join(number.to_string());
        let clock = Arc::new(ManualClock::new(time(1_000_000)));
        let source = from.open_at(&here.join("a"), &both(), clock.clone()).await.unwrap();
        let world = World::of(source.clone(), clock, number as u64).await;
        world.check(&source, &what).await;
        let (first, second) = (TagName::new("first").unwrap(), TagName::new("second").unwrap());
        let newest = machines(&source).newest_version(&id(3)).await.unwrap();
        machines(&source).tag(&id(3), newest, &first, None).await.unwrap();
        machines(&source).tag(&id(3), newest, &second, Some("why".to_owned())).await.unwrap();
        // What is still in the journal, and what is in files.
        if number % 2 == 0 {
            source.checkpoint().await.unwrap();
        }
        let backup = with_backup(&here.join("backups"));
        for (name, options) in [("b", batches_of(7)), ("c", backup)] {
            let target = into.open(&here.join(name), &both(), false).await.unwrap();
            let report = migrate(&source, &target, &both(), &options, &Silent).await.unwrap();
            assert_eq!(report.outcome, Outcome::Verified, "{what}");
            let verified = report.verification.unwrap().collections.remove(0).history.unwrap();
            assert!(verified.equal && verified.times_equal && verified.source_versions > 100);
            assert_eq!(verified.source_digest, verified.target_digest);
            assert_eq!(state(&target).await, state(&source).await, "{what}");
            world.check(&target, &what).await;
            world.check_authors(&target, &what).await;
            let tags = machines(&target).tags(&id(3)).await.unwrap();
            assert_eq!(tags, machines(&source).tags(&id(3)).await.unwrap());
            target.close().await.unwrap();
        }
        let archive = back_up(&source, &both(), &backup_options(&here), &Silent).await.unwrap();
        let target = into.open(&here.join("d"), &both(), false).await.unwrap();
        let wanted = RestoreOptions::default();
        let schemas = archived_schemas(&archive, &both()).unwrap();
        for _ in 0..2 {
            let report = restore(&archive, &target, &schemas, &wanted, &Silent).await.unwrap();
            assert_eq!(report.outcome, Outcome::Verified, "{what}");
        }
        world.check(&target, &what).await;
        world.check_authors(&target, &what).await;
        assert_eq!(machines(&target).tags(&id(3)).await.unwrap().len(), 2);
        target.close().await.unwrap();
        source.close().await.unwrap();
    }
}

/// A run that is cut off at any write of versions, or of records, is resumed by the same
/// call until it is done; no version is lost, and none is taken for another.
#[tokio::test]
async fn cut_off_at_any_write_the_same_call_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(11).await;
    for backup in [true, false] {
        let target = empty();
        let options = match backup {
            true => MigrationOptions {
                batch_size: batches_of(9).batch_size,
                ..with_backup(folder.path())
            },
            false => batches_of(9),
        };
        let mut runs = 0;
        loop {
            runs += 1;
            let mut probe = Probe::new(target.clone());
            probe.on_apply =
                Box::new(|number, records| if number > 2 { Err(cut_off()) } else { Ok(records) });
            probe.on_versions = Box::new(move |number, writes| {
                // Sometimes nothing arrives, sometimes the answer alone is lost.
                if number > runs % 3 { Err(cut_off()) } else { Ok(writes) }
            });
            let into: Store = Arc::new(probe);
            match migrate(&world.store, &into, &both(), &options, &Silent).await {
                Ok(report) => {
                    assert_eq!(report.outcome, Outcome::Verified);
                    break;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
            assert!(runs < 200, "no progress");
            if !backup && runs > 6 {
                // Without an archive each run begins with the first version.
                let report = migrate(&world.store, &target, &both(), &options, &Silent).await;
                assert_eq!(report.unwrap().outcome, Outcome::Verified);
                break;
            }
        }
        assert!(runs > 5, "it was cut off: {runs}");
        world.check(&target, "resumed").await;
        world.check_authors(&target, "resumed").await;
        assert_eq!(state(&target).await, state(&world.store).await);
        assert!(target.store_record().await.unwrap().job.is_none());
    }
}

#[tokio::test]
async fn a_run_that_was_begun_without_histories_ends_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(5).await;
    let target = empty();
    let mut probe = Probe::new(target.clone());
    probe.on_apply = Box::new(|number, it| if number > 1 { Err(cut_off()) } else { Ok(it) });
    let into: Store = Arc::new(probe);
    let kept =
        MigrationOptions { batch_size: batches_of(9).batch_size, ..with_backup(folder.path()) };
    let without = MigrationOptions { without_history: true, ..kept.clone() };
    migrate(&world.store, &into, &both(), &without, &Silent).await.unwrap_err();
    let report = migrate(&world.store, &target, &both(), &kept, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified, "{:?}", report.warnings);
    world.check(&target, "resumed").await;
}

#[tokio::test]
async fn requests_are_those_of_batches_and_pages_are_bounded() {
    let source = empty();
    source.prepare(&[schema("machines")]).await.unwrap();
    machines(&source).begin(Retention::EVERYTHING).await.unwrap();
    for round in 0..3 {
        for n in 0..500 {
            let id: EntityId = format!("e-{n}").parse().unwrap();
            let key = Key::new(name("machines"), id.clone());
            source.save(key, document(&id, round)).await.unwrap();
        }
    }
    let long: EntityId = "long".parse().unwrap();
    for n in 0..1_500 {
        source.save(Key::new(name("machines"), long.clone()), document(&long, n)).await.unwrap();
    }
    let (from, into) = (Arc::new(Probe::new(source)), Arc::new(Probe::new(empty())));
    let (source, target): (Store, Store) = (from.clone(), into.clone());
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    let history = report.collections[0].history.as_ref().unwrap();
    assert_eq!((history.versions.read, history.versions.applied), (2_499, 2_499));
    for (side, times) in [(&from, 2), (&into, 1)] {
        assert!(side.most_versions.load(Ordering::SeqCst) <= 200);
        let asked = side.asked_versions.load(Ordering::SeqCst);
        assert!(asked <= times * 60, "{asked} requests for 501 records");
    }
    assert!(into.version_writes.load(Ordering::SeqCst) <= 30);
}

#[tokio::test]
async fn differences_of_the_past_are_named_by_id_and_version() {
    use repo_core::strategy::VersionWrite;
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(3).await;
    let target = empty();
    migrate(&world.store, &target, &both(), &options(), &Silent).await.unwrap();
    let older = async |id: &EntityId| {
        let newest = repo_core::Version::new(repo_core::Version::MAX).unwrap();
        let all = repo_core::strategy::OlderThan::new(id.clone(), newest);
        let most = std::num::NonZeroUsize::new(100).unwrap();
        target.older_versions(&name("machines"), &[all], most).await.unwrap()
    };
    let (gone, changed) = (older(&id(1)).await.remove(0), older(&id(2)).await.remove(0));
    let mut other = changed.clone();
    other.state = OlderState::Live {
        created_at: time(1),
        document: Document::parse("{\"id\":\"m-02\",\"n\":-1}").unwrap(),
    };
    let remove =
        |one: &repo_history::OlderVersion| VersionWrite::Remove(one.id.clone(), one.version);
    let machines = name("machines");
    for writes in [vec![remove(&gone), remove(&changed)], vec![VersionWrite::Add(other)]] {
        target.write_versions(&machines, writes).await.unwrap();
    }
    let state = folder.path().join("state");
    for kept in [None, Some(state)] {
        let wanted = VerifyOptions { state: kept, ..VerifyOptions::default() };
        let report = verify(&world.store, &target, &wanted, &Silent).await.unwrap();
        assert!(!report.equal && report.collections[0].differs == 0);
        let found = report.collections[0].history.clone().unwrap();
        assert_eq!((found.missing, found.unexpected, found.differs), (1, 0, 1));
        let mut named: Vec<String> = found
            .differences
            .iter()
            .map(|one| format!("{} {} {:?}", one.id, one.version, one.kind))
            .collect();
        named.sort();
        let expected =
            [format!("m-01 {} Missing", gone.version), format!("m-02 {} Differs", changed.version)];
        assert_eq!(named, expected);
    }
    let without = VerifyOptions { without_history: true, ..VerifyOptions::default() };
    assert!(verify(&world.store, &target, &without, &Silent).await.unwrap().equal);
    // The other way round it is one that the source lacks.
    let report = verify(&target, &world.store, &VerifyOptions::default(), &Silent).await.unwrap();
    assert_eq!(report.collections[0].history.as_ref().unwrap().unexpected, 1);
}

/// What the target held of its own has no past before the run.
#[tokio::test]
async fn a_target_with_records_of_its_own_begins_its_history_later() {
    let world = World::new(9).await;
    let target = empty();
    target.prepare(&[schema("machines")]).await.unwrap();
    let own: EntityId = "own".parse().unwrap();
    target.save(Key::new(name("machines"), own.clone()), document(&own, 1)).await.unwrap();
    let newer = MigrationOptions { on_conflict: repo_migrate::OnConflict::Newer, ..options() };
    let report = migrate(&world.store, &target, &both(), &newer, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Partly);
    assert!(report.warnings.iter().any(|text| text.contains("later than in the source")));
    let kept = state(&target).await.unwrap();
    assert!(kept.since > time(world.began));
    assert_eq!(report.collections[0].history.as_ref().unwrap().target.unwrap().since, kept.since);
    // The versions are there all the same.
    let theirs = machines(&target).newest_version(&id(4)).await.unwrap();
    let page = machines(&target).versions(&id(4), None, std::num::NonZeroUsize::MIN).await;
    assert_eq!(page.unwrap().versions.len(), 1, "{theirs}");
}

/// A target that keeps a history already, but no record, answers for all that the source
/// does, and keeps the retention that was chosen for it.
#[tokio::test]
async fn the_retention_of_the_target_stays() {
    let world = World::new(2).await;
    let target = empty();
    target.prepare(&[schema("machines"), schema("requests")]).await.unwrap();
    let retention = Retention { max_age_seconds: Some(60), max_versions: None };
    let since = Timestamp::parse("2026-11-29T00:00:00Z").unwrap();
    let history = Some(HistoryState::new(since).with_retention(retention));
    let begin = StoreUpdate::History { collection: name("machines"), expected: None, history };
    target.update_store_record(begin).await.unwrap();
    migrate(&world.store, &target, &both(), &options(), &Silent).await.unwrap();
    let kept = state(&target).await.unwrap();
    assert_eq!((kept.since, kept.retention), (time(world.began), retention));
    world.check(&target, "began later").await;
}

/// What changed in the source since is brought over with what it was in between.
#[tokio::test]
async fn a_second_run_brings_what_was_written_in_between() {
    let mut world = World::new(4).await;
    let target = empty();
    let newer = MigrationOptions { on_conflict: repo_migrate::OnConflict::Newer, ..options() };
    for round in 0..3_u64 {
        let report = migrate(&world.store, &target, &both(), &newer, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified, "{round}: {report:?}");
        world.check(&target, "again").await;
        world.check_authors(&target, "again").await;
        assert_eq!(state(&target).await, state(&world.store).await);
        let mut random = fastrand::Rng::with_seed(100 + round);
        for n in 0..40 {
            world.write(&mut random, 1_000 * round + n).await;
        }
    }
}
