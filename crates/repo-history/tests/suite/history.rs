//! Versions, times, tags and retention, over the memory strategy.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use repo_core::strategy::{
    OlderState, OlderVersion, OpenOptions, Record, Retention, StorageStrategy,
    StorageStrategyExt as _, Tombstone, VersionWrite,
};
use repo_core::{
    Clock, CollectionName, CollectionSchema, Document, Entity, EntityId, ErrorKind, Key,
    ManualClock, MemoryStrategy, Precondition, Timestamp, Version,
};
use repo_history::{History, KnownVersion, TagName};

struct World {
    store: Arc<MemoryStrategy>,
    clock: Arc<ManualClock>,
    history: History,
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn most(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn keep(age: Option<u64>, versions: Option<u32>) -> Retention {
    Retention { max_age_seconds: age, max_versions: versions.and_then(NonZeroU32::new) }
}

/// A prepared store without a history.
async fn bare() -> World {
    let clock = Arc::new(ManualClock::new(at(1_000_000)));
    let options = OpenOptions::default().with_clock(clock.clone());
    let store = Arc::new(MemoryStrategy::new(options));
    let things = CollectionName::new("things").unwrap();
    store.prepare(&[CollectionSchema::undeclared(things.clone())]).await.unwrap();
    let history = History::of(store.clone(), things).with_clock(clock.clone());
    World { store, clock, history }
}

async fn world() -> World {
    let world = bare().await;
    world.history.begin(Retention::EVERYTHING).await.unwrap();
    world
}

impl World {
    fn key(&self, of: &str) -> Key {
        Key::new(CollectionName::new("things").unwrap(), id(of))
    }

    async fn save(&self, of: &str, n: u64) -> Entity {
        let document = Document::parse(&format!("{{\"id\":\"{of}\",\"n\":{n}}}")).unwrap();
        self.store.save(self.key(of), document).await.unwrap()
    }

    /// Saves this many versions, a second apart.
    async fn saves(&self, of: &str, count: u64) {
        for n in 0..count {
            self.save(of, n).await;
            self.clock.advance(Duration::from_secs(1));
        }
    }

    async fn numbers(&self, of: &str) -> Vec<u64> {
        let page = self.history.versions(&id(of), None, most(1_000)).await.unwrap();
        let number = |known: KnownVersion| match known {
            KnownVersion::Kept {
                version: OlderVersion { state: OlderState::Removed, version, .. },
                ..
            } => 1_000 + version.get(),
            KnownVersion::Kept { version: older, .. } => older.version.get(),
            KnownVersion::Missing { first, last } => first * 1_000_000 + last,
        };
        page.versions.into_iter().map(number).collect()
    }

    async fn kind_as_of(&self, of: &str, time: Timestamp) -> ErrorKind {
        self.history.as_of(&id(of), time).await.unwrap_err().kind()
    }
}

#[tokio::test]
async fn pages_of_versions_leave_nothing_out() {
    let world = world().await;
    world.saves("a", 250).await;
    let all: Vec<KnownVersion> = world.history.all_versions(&id("a")).try_collect().await.unwrap();
    let expected: Vec<u64> = (1..=250).rev().collect();
    assert_eq!(world.numbers("a").await, expected);
    assert_eq!(all.len(), 250);
    let mut paged = Vec::new();
    let mut below = None;
    loop {
        let page = world.history.versions(&id("a"), below, most(7)).await.unwrap();
        assert!(page.versions.len() <= 7);
        paged.extend(page.versions);
        match page.next {
            Some(next) => below = Some(next),
            None => break,
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn gaps_are_named_and_never_filled() {
    let world = world().await;
    world.save("a", 1).await;
    let deleted = Tombstone {
        collection: CollectionName::new("things").unwrap(),
        id: id("a"),
        version: version(5),
        deleted_at: at(9_000_000),
    };
    world.store.apply(vec![Record::Tombstone(deleted)]).await.unwrap();
    assert_eq!(world.numbers("a").await, [5, 2_000_004, 1]);
    let between = world.history.as_of(&id("a"), at(5_000_000)).await.unwrap();
    assert_eq!(between.missing, Some(2..=4));
    assert_eq!(between.version.unwrap().version.get(), 1);
    let error = world.history.at_version(&id("a"), version(3)).await.unwrap_err();
    assert!(error.to_string().contains("written elsewhere"), "{error}");
}

#[tokio::test]
async fn a_version_that_is_not_there_is_refused_in_words() {
    let world = bare().await;
    let read = async |of: &str, number| {
        world.history.at_version(&id(of), version(number)).await.unwrap_err()
    };
    assert_eq!(read("a", 1).await.kind(), ErrorKind::NotFound);
    world.saves("a", 2).await;
    world.history.begin(Retention::EVERYTHING).await.unwrap();
    world.saves("a", 2).await;
    for (of, number, why) in [
        ("a", 1, "from before the history"),
        ("a", 9, "no such version yet"),
        ("b", 1, "no such entity"),
    ] {
        let error = read(of, number).await;
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(world.kind_as_of("a", at(1_500_000)).await, ErrorKind::NotFound);
    assert_eq!(world.numbers("a").await, [4, 3, 2]);
    for error in [
        world.history.diff(&id("a"), version(1), version(3)).await.map(drop),
        world.history.restore(&id("a"), version(1), Precondition::Any).await.map(drop),
        world.history.versions(&id("b"), None, most(1)).await.map(drop),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn an_older_version_becomes_the_newest() {
    let world = world().await;
    let first = world.save("a", 1).await;
    world.store.delete(world.key("a")).await.unwrap();
    let restored = world.history.restore(&id("a"), version(1), Precondition::Absent).await.unwrap();
    assert_eq!(restored.version.get(), 3);
    assert!(restored.document.equals(&first.document));
    let stale = Precondition::Version(version(2));
    let refused = world.history.restore(&id("a"), version(1), stale).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let deleted = world.history.restore(&id("a"), version(2), Precondition::Any).await.unwrap_err();
    assert_eq!(deleted.kind(), ErrorKind::Invalid);
    let diff = world.history.diff(&id("a"), version(2), version(3)).await.unwrap();
    assert_eq!(diff.to_json(), r#"[{"op":"replace","path":"","value":{"id":"a","n":1}}]"#);
}

#[tokio::test]
async fn a_tag_names_a_version_and_keeps_it() {
    let world = world().await;
    world.saves("a", 6).await;
    let (name, other) = (TagName::new("v1.0").unwrap(), TagName::new("b").unwrap());
    let tag = world.history.tag(&id("a"), version(2), &name, Some("why".to_owned())).await.unwrap();
    assert_eq!(world.history.tag(&id("a"), version(2), &name, None).await.unwrap(), tag);
    let taken = world.history.tag(&id("a"), version(3), &name, None).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let absent = world.history.tag(&id("a"), version(9), &other, None).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert_eq!(world.history.tags(&id("a")).await.unwrap(), [tag]);
    assert_eq!(world.history.tags(&id("b")).await.unwrap(), []);

    let pruned = world.history.prune(keep(None, Some(1))).await.unwrap();
    assert_eq!((pruned.removed, pruned.tagged), (3, 1));
    // Version 1 was valid before the tagged one, and 3 and 4 after it.
    assert_eq!(world.numbers("a").await, [6, 5, 1_004, 3_000_003, 2, 1_001]);
    assert_eq!(world.kind_as_of("a", at(1_000_000)).await, ErrorKind::NotFound);
    assert_eq!(world.kind_as_of("a", at(4_500_000)).await, ErrorKind::NotFound);
    assert_eq!(world.history.at_tag(&id("a"), &name).await.unwrap().version.get(), 2);
    world.history.untag(&id("a"), &name).await.unwrap();
    for error in [
        world.history.untag(&id("a"), &name).await.map(drop),
        world.history.at_tag(&id("a"), &name).await.map(drop),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
    for bad in ["", "a b", "ä", &"x".repeat(65)] {
        assert_eq!(TagName::new(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
    }
}

#[tokio::test]
async fn retention_by_count_leaves_a_mark() {
    let world = world().await;
    world.saves("a", 6).await;
    world.saves("b", 2).await;
    for round in 0..2 {
        let pruned = world.history.prune(keep(None, Some(2))).await.unwrap();
        assert_eq!(pruned.removed, if round == 0 { 3 } else { 0 });
        assert_eq!(world.numbers("a").await, [6, 5, 4, 1_003]);
        assert_eq!(world.numbers("b").await, [2, 1]);
    }
    // Version 4 was written 3 seconds after the first.
    let valid = world.history.as_of(&id("a"), at(4_000_000)).await.unwrap();
    assert_eq!(valid.version.unwrap().version.get(), 4);
    assert_eq!(world.kind_as_of("a", at(3_999_999)).await, ErrorKind::NotFound);
    assert_eq!(world.kind_as_of("a", at(1_000_000)).await, ErrorKind::NotFound);
    let scan = world.history.scan_as_of(at(3_000_000)).await.unwrap();
    assert_eq!(scan.try_concat().await.unwrap_err().kind(), ErrorKind::NotFound);
    world.save("a", 9).await;
    world.history.prune(keep(None, Some(2))).await.unwrap();
    assert_eq!(world.numbers("a").await, [7, 6, 5, 1_004]);
}

#[tokio::test]
async fn retention_by_age_still_answers_for_the_time_that_it_keeps() {
    let world = world().await;
    world.saves("a", 6).await;
    world.save("still", 1).await;
    world.clock.advance(Duration::from_secs(1));
    // It is 8 s now, and version n was written in second n.
    let pruned = world.history.prune(keep(Some(4), None)).await.unwrap();
    assert_eq!((pruned.removed, pruned.state.since), (3, at(4_000_000)));
    assert_eq!(world.numbers("a").await, [6, 5, 4]);
    assert_eq!(world.numbers("still").await, [1]);
    let valid = world.history.as_of(&id("a"), at(4_000_000)).await.unwrap();
    assert_eq!(valid.version.unwrap().version.get(), 4);
    assert_eq!(world.kind_as_of("a", at(3_999_999)).await, ErrorKind::NotFound);
    let pruned = world.history.prune(keep(Some(60), None)).await.unwrap();
    assert_eq!((pruned.removed, pruned.state.since), (0, at(4_000_000)));
}

/// Whatever was written, deleted and pruned, and however the clock ran: `as_of` is
/// what reading answered then, for each id and in the scan of all.
#[tokio::test]
async fn as_of_is_what_reading_answered() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = world().await;
        // Everything that reading answered, at each time.
        let mut seen: Vec<(Timestamp, BTreeMap<String, Document>)> = Vec::new();
        let mut live: BTreeMap<String, Document> = BTreeMap::new();
        for step in 0..300 {
            let of = format!("k{}", random.u8(0..9));
            if random.u8(0..4) == 0 {
                world.store.delete(world.key(&of)).await.unwrap();
                live.remove(&of);
            } else {
                let entity = world.save(&of, step).await;
                live.insert(of, entity.document);
            }
            seen.push((world.clock.now(), live.clone()));
            world.clock.advance(Duration::from_micros(random.u64(1..9)));
        }
        let began = if random.bool() {
            let age = Duration::from_micros(700);
            let since = world.clock.now().saturating_sub(age);
            let kept = repo_core::strategy::HistoryState::new(since);
            let collection = CollectionName::new("things").unwrap();
            let expected = world.history.kept().await.unwrap();
            let update = repo_core::strategy::StoreUpdate::History {
                collection,
                expected,
                history: Some(kept),
            };
            world.store.update_store_record(update).await.unwrap();
            since
        } else {
            at(1_000_000)
        };
        for (time, expected) in seen.iter().filter(|(time, _)| *time >= began) {
            let scan = world.history.scan_as_of(*time).await.unwrap();
            let found: Vec<Entity> = scan.try_concat().await.unwrap();
            assert_eq!(found.len(), expected.len());
            for entity in found {
                assert!(entity.document.equals(&expected[entity.id.as_str()]), "seed {seed}");
            }
            let of = format!("k{}", random.u8(0..9));
            let valid = world.history.as_of(&id(&of), *time).await.unwrap();
            let valid = valid.into_entity(CollectionName::new("things").unwrap());
            assert_eq!(
                valid.map(|entity| entity.document.to_value()),
                expected.get(&of).map(Document::to_value)
            );
        }
    }
}

/// A history that was cut by hand and by retention is never answered from what is left.
#[tokio::test]
async fn what_is_cleared_is_refused() {
    let world = world().await;
    world.saves("a", 3).await;
    let collection = CollectionName::new("things").unwrap();
    let clear = vec![VersionWrite::Clear(id("a"), version(2))];
    world.store.write_versions(&collection, clear).await.unwrap();
    let error = world.history.at_version(&id("a"), version(2)).await.unwrap_err();
    assert!(error.to_string().contains("retention removed"), "{error}");
    assert_eq!(world.kind_as_of("a", at(2_000_000)).await, ErrorKind::NotFound);
    assert_eq!(
        world.history.as_of(&id("a"), at(1_000_000)).await.unwrap().version.unwrap().version.get(),
        1
    );
}

#[tokio::test]
async fn a_page_may_begin_above_the_newest_version() {
    let world = world().await;
    world.saves("a", 3).await;
    let page = world.history.versions(&id("a"), Some(version(100)), most(9)).await.unwrap();
    let numbers: Vec<u64> = page
        .versions
        .iter()
        .map(|known| match known {
            KnownVersion::Kept { version: older, .. } => older.version.get(),
            KnownVersion::Missing { .. } => panic!("a gap where nothing is known"),
        })
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
}

/// What is left of an id whose tombstone was purged is no answer.
#[tokio::test]
async fn a_purged_id_is_not_there() {
    let world = world().await;
    world.saves("a", 2).await;
    let name = TagName::new("kept").unwrap();
    world.history.tag(&id("a"), version(1), &name, None).await.unwrap();
    world.store.delete(world.key("a")).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.history.prune(keep(Some(0), None)).await.unwrap();
    let things = CollectionName::new("things").unwrap();
    assert_eq!(world.store.purge(&things, world.clock.now()).await.unwrap().removed, 1);
    let now = world.history.as_of(&id("a"), world.clock.now()).await.unwrap();
    assert_eq!(now.version, None);
    assert_eq!(world.history.at_tag(&id("a"), &name).await.unwrap().version.get(), 1);
    world.history.end().await.unwrap();
    world.history.begin(Retention::EVERYTHING).await.unwrap();
    assert_eq!(world.history.all_tags().await.unwrap(), []);
}

/// A scan that pruning overtakes ends with an error, not early.
#[tokio::test]
async fn a_scan_that_is_overtaken_fails() {
    let world = world().await;
    for n in 0..3_000 {
        world.save(&format!("k{n}"), 1).await;
        world.save(&format!("k{n}"), 2).await;
    }
    let time = world.clock.now();
    world.clock.advance(Duration::from_secs(9));
    let mut scan = world.history.scan_as_of(time).await.unwrap();
    assert!(!scan.try_next().await.unwrap().unwrap().is_empty());
    world.history.prune(keep(Some(0), None)).await.unwrap();
    assert_eq!(scan.try_concat().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_erased_record_is_known_by_its_mark_alone() {
    let world = world().await;
    world.saves("a", 120).await;
    world.saves("b", 2).await;
    let name = TagName::new("x").unwrap();
    world.history.tag(&id("a"), version(3), &name, Some("a secret".to_owned())).await.unwrap();
    world.history.tag(&id("b"), version(1), &name, None).await.unwrap();
    let refused = world.history.erase(&id("a"), "two\nlines").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let unknown = world.history.erase(&id("nobody"), "asked").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let before = world.clock.now();
    world.clock.advance(Duration::from_secs(1));
    let erased = world.history.erase(&id("a"), "asked for it").await.unwrap();
    assert_eq!((erased.mark.through, erased.versions, erased.tags), (version(121), 120, 1));
    let key = world.key("a");
    let mark = repo_core::strategy::Erasure::read(&*world.store, &key).await.unwrap();
    assert_eq!(mark, Some(erased.mark));
    let page = world.history.versions(&id("a"), None, most(9)).await.unwrap();
    assert!(
        matches!(&page.versions[..], [KnownVersion::Kept { version: only, .. }]
            if only.state == OlderState::Deleted && only.version == version(121)),
        "{page:?}"
    );
    for (at_time, left) in [(before, 1), (world.clock.now(), 1)] {
        let scan = world.history.scan_as_of(at_time).await.unwrap();
        let all: Vec<Entity> = scan.try_concat().await.unwrap();
        assert_eq!(all.len(), left);
    }
    assert_eq!(world.history.all_tags().await.unwrap().len(), 1);
    // Again, and after somebody wrote another record under the id.
    let again = world.history.erase(&id("a"), "again").await.unwrap();
    assert_eq!((again.mark.through, again.versions), (version(121), 0));
    world.save("a", 7).await;
    let another = world.history.erase(&id("a"), "again").await.unwrap();
    assert_eq!((another.mark.through, another.versions), (version(123), 2));
}

#[tokio::test]
async fn a_record_is_erased_where_no_history_is_kept() {
    let world = bare().await;
    world.saves("a", 3).await;
    let erased = world.history.erase(&id("a"), "asked").await.unwrap();
    assert_eq!((erased.mark.through, erased.versions, erased.tags), (version(4), 0, 0));
    world.clock.advance(Duration::from_secs(9));
    world.store.purge(&world.key("a").collection, world.clock.now()).await.unwrap();
    let again = world.history.erase(&id("a"), "again").await.unwrap();
    assert_eq!(again.mark.through, version(4), "the mark outlives the tombstone");
}
