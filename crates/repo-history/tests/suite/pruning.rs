//! Pruning beside who sets tags, and beside another prune.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::{
    LiveId, OpenOptions, Retention, RoleChange, StorageStrategy as _, StorageStrategyExt as _,
    StoreUpdate, SystemCollection, SystemWrite,
};
use repo_core::{
    Clock as _, CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, ManualClock,
    MemoryStrategy, Timestamp, Version,
};
use repo_history::{History, TagName, prune_under_way};

const ONE: Retention = Retention { max_age_seconds: None, max_versions: Some(NonZeroU32::MIN) };

struct World {
    store: Arc<MemoryStrategy>,
    clock: Arc<ManualClock>,
    history: History,
}

impl World {
    /// A history of nine versions of `a`.
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000).unwrap()));
        let options = OpenOptions::default().with_clock(clock.clone());
        let store = Arc::new(MemoryStrategy::new(options));
        let things = CollectionName::new("things").unwrap();
        store.prepare(&[CollectionSchema::undeclared(things.clone())]).await.unwrap();
        let history = History::of(store.clone(), things.clone()).with_clock(clock.clone());
        history.begin(Retention::EVERYTHING).await.unwrap();
        for n in 0..9 {
            let document = Document::parse(&format!(r#"{{"id":"a","n":{n}}}"#)).unwrap();
            store.save(Key::new(things.clone(), a()), document).await.unwrap();
        }
        Self { store, clock, history }
    }

    /// What a prune leaves behind that was killed.
    async fn prune_is_broken_off(&self) {
        let until = self.clock.now().saturating_add(Duration::from_secs(60));
        let value = Some(format!("\"{until}\""));
        let write = SystemWrite::new(SystemCollection::Prunes, "things", None, value);
        self.store.write_system_items(vec![write]).await.unwrap();
    }
}

fn a() -> EntityId {
    EntityId::new("a").unwrap()
}

fn tag() -> TagName {
    TagName::new("kept").unwrap()
}

fn third() -> Version {
    Version::new(3).unwrap()
}

#[tokio::test]
async fn no_tag_is_set_and_no_other_prune_runs_while_one_does() {
    let world = World::new().await;
    world.prune_is_broken_off().await;
    let refused = world.history.tag(&a(), third(), &tag(), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    assert!(world.history.tags(&a()).await.unwrap().is_empty());
    assert_eq!(world.history.prune(ONE).await.unwrap_err().kind(), ErrorKind::Locked);
    assert!(world.history.at_version(&a(), third()).await.is_ok());

    world.clock.advance(Duration::from_secs(61));
    world.history.tag(&a(), third(), &tag(), None).await.unwrap();
    assert_eq!(world.history.prune(ONE).await.unwrap().tagged, 1);
    assert_eq!(world.history.at_tag(&a(), &tag()).await.unwrap().version, third());
    // It left nothing behind.
    let left = world.store.system_item(SystemCollection::Prunes, "things").await.unwrap();
    assert_eq!(left, None);
}

/// Whoever is first: a tag that was set names a version that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_was_set_beside_a_prune_keeps_its_version() {
    for _ in 0..100 {
        let world = World::new().await;
        let (pruning, tagging) = (world.history.clone(), world.history.clone());
        let prune = tokio::spawn(async move { pruning.prune(ONE).await });
        let tagged = tokio::spawn(async move { tagging.tag(&a(), third(), &tag(), None).await });
        prune.await.unwrap().unwrap();
        match tagged.await.unwrap() {
            Ok(_) => {
                let kept = world.history.at_tag(&a(), &tag()).await.unwrap();
                assert_eq!(kept.version, third());
            }
            Err(error) => {
                let expected = [ErrorKind::Locked, ErrorKind::NotFound];
                assert!(expected.contains(&error.kind()), "{error:?}");
                assert!(world.history.tags(&a()).await.unwrap().is_empty());
            }
        }
    }
}

/// A store that moves loses nothing that its target then has: neither versions nor records.
#[tokio::test]
async fn a_store_that_moves_is_neither_pruned_nor_erased_from() {
    let world = World::new().await;
    let role = world.store.store_record().await.unwrap().role;
    let mut moving = role.clone();
    moving.live = Some(LiveId::from_bytes([7; LiveId::BYTES]));
    let begin = StoreUpdate::Role(Box::new(RoleChange::new(role, moving)));
    world.store.update_store_record(begin).await.unwrap();
    let before = world.history.newest_version(&a()).await.unwrap();
    let pruned = world.history.prune(ONE).await.map(drop);
    let erased = world.history.erase(&a(), "asked for").await.map(drop);
    for refused in [pruned, erased] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("finish or abort")), "{error}");
    }
    assert_eq!(world.history.newest_version(&a()).await.unwrap(), before);
    assert!(world.history.at_version(&a(), third()).await.is_ok());
    let left = world.store.system_item(SystemCollection::Prunes, "things").await.unwrap();
    assert_eq!(left, None);
}

#[tokio::test]
async fn a_prune_is_seen_by_others_until_it_is_broken_off() {
    let world = World::new().await;
    let seen = async || prune_under_way(&*world.store, world.clock.now()).await.unwrap();
    assert_eq!(seen().await, None);
    world.prune_is_broken_off().await;
    assert_eq!(seen().await.as_deref(), Some("things"));
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(seen().await, None);
}
