//! Writers wait no longer than the operator allows, whatever the work behind the fence waits for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use repo_core::strategy::{Changes, FeedPosition, LiveId, StorageStrategyExt as _, StoreRole};
use repo_core::{ErrorKind, Result};
use repo_layers::{Inner, Layer};
use repo_migrate::live::{self, LivePlace, LiveStores, SwitchOptions};

use super::support::{Move, Place, Store, document, key, ready};

const ALLOWED: Duration = Duration::from_millis(400);

/// A store whose feed gives no answer any more once it is fenced.
#[derive(Debug)]
struct Hangs;

impl Layer for Hangs {
    async fn changes(
        &self,
        inner: &Inner,
        after: Option<&FeedPosition>,
        most: std::num::NonZeroUsize,
    ) -> Result<Changes> {
        if inner.store_record().await?.role.role == StoreRole::Fenced {
            std::future::pending::<()>().await;
        }
        inner.changes(after, most).await
    }
}

#[derive(Debug)]
struct HangingPlace(Place);

#[async_trait]
impl LivePlace for HangingPlace {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Store> {
        Ok(Hangs.around(LivePlace::open(&self.0, works_for).await?))
    }
}

async fn a_pause_that_is_too_long_is_given_up(source: &str, target: &str) {
    let moving = Move::new(source, target).await;
    ready(&moving).await;
    let hanging = HangingPlace(moving.source.clone());
    let stores = LiveStores { source: &hanging, target: &moving.target };
    let routed = moving.routed().await;
    let before = moving.source.store().await.store_record().await.unwrap().role;
    let options = SwitchOptions::default().with_max_pause(ALLOWED);
    let writing = async {
        // Begins before the fence or behind it, and is acknowledged in either case.
        tokio::time::sleep(ALLOWED / 2).await;
        routed.save(key("waits"), document("waits", 1)).await
    };
    let begun = Instant::now();
    let (switched, written) = tokio::join!(live::switch(stores, options), writing);
    let error = switched.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.context_value("max_pause_ms"), Some("400"), "{error}");
    // Less than what lifts a fence whose operator is dead.
    assert!(begun.elapsed() < ALLOWED + Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(written.unwrap().version.get(), 1);
    let after = moving.source.store().await.store_record().await.unwrap().role;
    assert_eq!((after.role, after.epoch), (StoreRole::Authority, before.epoch));
    assert_eq!(after.attempt, before.attempt + 2, "the fence, and its end");
    // What was given up is no obstacle.
    assert!(moving.switch().await.unwrap().switched);
    let kept = Arc::clone(&routed).get(&key("waits").collection, &key("waits").id).await.unwrap();
    assert_eq!(kept.map(|record| record.version.get()), Some(1));
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_given_up_in_memory() {
    a_pause_that_is_too_long_is_given_up("memory", "memory").await;
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_given_up_from_sqlite_to_json() {
    a_pause_that_is_too_long_is_given_up("sqlite", "json").await;
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_given_up_from_json_to_sqlite() {
    a_pause_that_is_too_long_is_given_up("json", "sqlite").await;
}
