//! A store that the version before layout 2 wrote, byte for byte.

use super::{Fixture, snapshot};
use crate::hooks::{Hooks, Step};
use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _, StoreId, StoreUpdate};
use repo_core::{CollectionName, Document, EntityId, ErrorKind, Key};

const META: &[u8] = include_bytes!("layout_1/meta");
const JOURNAL: &[u8] = include_bytes!("layout_1/journal");
const DATA: &[u8] = include_bytes!("layout_1/request_database.json");

/// It holds the template `t-1`, and the tombstone of `t-2` at version 2.
fn older() -> Fixture {
    let fixture = Fixture::single();
    std::fs::create_dir_all(fixture.path()).unwrap();
    std::fs::write(fixture.file(".meta"), META).unwrap();
    std::fs::write(fixture.file(".journal"), JOURNAL).unwrap();
    std::fs::write(fixture.file("request_database.json"), DATA).unwrap();
    fixture
}

fn key(collection: &str, id: &str) -> Key {
    Key::new(CollectionName::new(collection).unwrap(), EntityId::new(id).unwrap())
}

async fn holds_both(store: &dyn StorageStrategy) {
    let ids = ["t-1", "t-2"].map(|id| EntityId::new(id).unwrap());
    let found = store.get_many(&key("templates", "t-1").collection, &ids).await.unwrap();
    let seen: Vec<_> = found.iter().flatten().map(|r| (r.is_live(), r.version().get())).collect();
    assert_eq!(seen, [(true, 1), (false, 2)]);
}

async fn layout(store: &dyn StorageStrategy) -> (u32, Option<StoreId>) {
    let record = store.store_record().await.unwrap();
    (record.layout_version, record.id)
}

#[tokio::test]
async fn it_is_used_as_it_is_until_it_is_upgraded() {
    let fixture = older();
    let store = fixture.open_read_only();
    holds_both(&store).await;
    assert_eq!(layout(&store).await, (1, None));
    let store = fixture.open();
    let document = Document::parse(r#"{"id":"m"}"#).unwrap();
    store.save(key("machines", "m"), document).await.unwrap();
    store.prepare(&[super::schemas().get(&key("machines", "m").collection)]).await.unwrap();
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    let store = fixture.open();
    holds_both(&store).await;
    assert_eq!(layout(&store).await, (1, None));
    let (expected, id) = (StoreId::random().unwrap(), StoreId::random().unwrap());
    let refused = store.update_store_record(StoreUpdate::Id { expected, id }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    // The version that wrote it reads nothing but layout 1.
    assert_eq!(std::fs::read(fixture.file(".meta")).unwrap()[8..12], 1_u32.to_le_bytes());
}

#[tokio::test]
async fn an_upgrade_gives_it_an_id_and_changes_nothing_else() {
    let fixture = older();
    let store = fixture.open();
    assert_eq!(store.upgrade_layout().await.unwrap(), Some(1));
    let (version, id) = layout(&store).await;
    assert_eq!(version, 3);
    assert!(id.is_some());
    assert_eq!(store.upgrade_layout().await.unwrap(), None);
    holds_both(&store).await;
    let reader = fixture.open_read_only();
    assert_eq!(layout(&reader).await, (version, id));
    assert_eq!(std::fs::read(fixture.file("request_database.json")).unwrap(), DATA);
    store.close().await.unwrap();
    let store = fixture.open();
    assert_eq!(layout(&store).await, (version, id));
    holds_both(&store).await;
}

#[tokio::test]
async fn an_upgrade_that_is_broken_off_is_there_or_not() {
    for (step, upgraded) in [
        (Step::FilesWritten, false),
        (Step::BackedUp, false),
        (Step::FramePublished, true),
        (Step::Renamed, true),
        (Step::AllRenamed, true),
    ] {
        let fixture = older();
        let fail = move |at| if at == step { Err(std::io::Error::other("off")) } else { Ok(()) };
        let hooks = Hooks { at: Some(std::sync::Arc::new(fail)), ..Hooks::default() };
        let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
        store.upgrade_layout().await.unwrap_err();
        drop(store);
        let before = snapshot(&fixture.path());
        let reader = fixture.open_read_only();
        holds_both(&reader).await;
        assert_eq!(layout(&reader).await.1.is_some(), upgraded, "{step:?}");
        assert_eq!(snapshot(&fixture.path()), before);
        let store = fixture.open();
        holds_both(&store).await;
        assert_eq!(store.upgrade_layout().await.unwrap(), (!upgraded).then_some(1));
        assert_eq!(layout(&store).await.0, 3);
    }
}

/// The number of a layout that nobody knows yet.
#[tokio::test]
async fn a_newer_layout_is_refused() {
    let fixture = older();
    let mut meta = META.to_vec();
    meta[8] = 5;
    std::fs::write(fixture.file(".meta"), meta).unwrap();
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.context_value("layout"), Some("5"));
    assert_eq!(error.context_value("known"), Some("4"));
}
