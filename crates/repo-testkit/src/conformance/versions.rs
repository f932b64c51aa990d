//! Versions count up by one with every write of a key, and never down.

use repo_core::StorageStrategyExt as _;

use super::support::{document, key};
use crate::Fixture;

/// The first version is 1, and each write makes it one higher.
pub async fn the_first_version_is_one_and_each_write_adds_one(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    for expected in 1..=5 {
        let entity = store.save(key.clone(), document(&key, "")).await.unwrap();
        assert_eq!(entity.version.get(), expected);
    }
    assert_eq!(store.delete(key.clone()).await.unwrap().map(repo_core::Version::get), Some(6));
}
