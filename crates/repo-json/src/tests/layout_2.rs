//! A store that the version before layout 3 wrote, byte for byte.

use repo_core::strategy::{CaptureHolder, HistoryState, StorageStrategy, StoreUpdate};
use repo_core::{EntityId, ErrorKind, Timestamp};

use super::{Fixture, key, save, snapshot};
use crate::hooks::{Hooks, Step};

/// It holds the template `t-1`, and in its journal the tombstone of `t-2`.
fn older() -> Fixture {
    let fixture = Fixture::single();
    std::fs::create_dir_all(fixture.path()).unwrap();
    for (name, content) in [
        (".meta", include_bytes!("layout_2/meta").as_slice()),
        (".journal", include_bytes!("layout_2/journal")),
        ("request_database.json", include_bytes!("layout_2/request_database.json")),
    ] {
        std::fs::write(fixture.file(name), content).unwrap();
    }
    fixture
}

fn hold() -> StoreUpdate {
    StoreUpdate::HoldCapture(CaptureHolder::new("consumer", "a").unwrap())
}

async fn holds_both(store: &dyn StorageStrategy) {
    let ids = ["t-1", "t-2"].map(|id| EntityId::new(id).unwrap());
    let found = store.get_many(&key("templates", "t-1").collection, &ids).await.unwrap();
    let seen: Vec<_> = found.iter().flatten().map(|r| (r.is_live(), r.version().get())).collect();
    assert_eq!(seen, [(true, 1), (false, 2)]);
}

#[tokio::test]
async fn it_keeps_no_changes_until_it_is_upgraded() {
    let fixture = older();
    let store = fixture.open();
    let before = store.store_record().await.unwrap();
    assert_eq!(before.layout_version, 2);
    let history = StoreUpdate::History {
        collection: key("templates", "t-1").collection,
        expected: None,
        history: Some(HistoryState::new(Timestamp::from_micros(0).unwrap())),
    };
    for error in [
        store.head().await.unwrap_err(),
        store.update_store_record(hold()).await.unwrap_err(),
        store.update_store_record(history).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint_text().unwrap().contains("upgrade_layout"), "{error}");
    }
    save(&store, "templates", "t-3", 1).await;
    store.checkpoint().await.unwrap();
    // The version that wrote it reads nothing but layouts 1 and 2.
    assert_eq!(std::fs::read(fixture.file(".meta")).unwrap()[8..12], 2_u32.to_le_bytes());
    assert_eq!(store.upgrade_layout().await.unwrap(), Some(2));
    assert_eq!(store.upgrade_layout().await.unwrap(), None);
    let after = store.store_record().await.unwrap();
    assert_eq!((after.layout_version, after.id), (3, before.id));
    assert!(before.id.is_some());
    holds_both(&store).await;
    store.update_store_record(hold()).await.unwrap();
    // Which refuses the version before, also one that is open.
    assert_eq!(std::fs::read(fixture.file(".meta")).unwrap()[8..12], 3_u32.to_le_bytes());
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
        let layout = if upgraded { 3 } else { 2 };
        let reader = fixture.open_read_only();
        assert_eq!(reader.store_record().await.unwrap().layout_version, layout, "{step:?}");
        assert_eq!(snapshot(&fixture.path()), before);
        let store = fixture.open();
        holds_both(&store).await;
        assert_eq!(store.upgrade_layout().await.unwrap(), (!upgraded).then_some(2));
        assert_eq!(store.store_record().await.unwrap().layout_version, 3);
    }
}
