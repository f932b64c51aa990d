//! What is too much is refused in words.

use std::num::NonZeroU64;

use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{ErrorKind, HealthDepth};

use super::{Fixture, all, delete, document, key, save};

#[tokio::test]
async fn an_index_has_a_limit() {
    let mut fixture = Fixture::new();
    fixture.settings.max_index_bytes = NonZeroU64::new(1_500).unwrap();
    let store = fixture.prepared().await;
    let mut refused = None;
    for n in 0..20 {
        let id = format!("m-{n:02}");
        let created = store.create(key("machines", &id), document(&id, "")).await;
        if let Err(error) = created {
            refused = Some((n, error));
            break;
        }
    }
    let (count, error) = refused.unwrap();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.hint_text().unwrap().contains("max_index_bytes"));
    assert_eq!(count, 10);
    // What is there is changed, deleted and read; nothing is added.
    assert_eq!(save(&store, "m-03", "2").await, 2);
    delete(&store, "m-03").await;
    assert_eq!(all(&store).await.len(), 10);
    let health = store.health(&HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
    store.close().await.unwrap();
    fixture.settings.max_index_bytes = NonZeroU64::new(1_000).unwrap();
    let error = fixture.try_open(fixture.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    fixture.settings.max_index_bytes = NonZeroU64::new(2_000).unwrap();
    assert_eq!(all(&fixture.open().await).await.len(), 10);
}

/// Records that come with their versions fit into as many objects as they need.
#[tokio::test]
async fn a_large_apply_is_several_objects() {
    let fixture = Fixture::new();
    let store = fixture.prepared().await;
    let text = "x".repeat(300_000);
    let record = |n: u64| {
        let id = format!("m-{n:02}");
        let at = repo_core::Timestamp::from_micros(1).unwrap();
        repo_core::strategy::Record::Live(repo_core::Entity {
            collection: super::name("machines"),
            id: id.parse().unwrap(),
            version: repo_core::Version::new(n + 1).unwrap(),
            created_at: at,
            updated_at: at,
            document: document(&id, &text),
        })
    };
    let before = store.store().state().position;
    store.apply((0..40).map(record).collect()).await.unwrap();
    let frames = store.store().state().position - before;
    assert!((2..=4).contains(&frames), "{frames}");
    assert_eq!(all(&store).await.len(), 40);
}
