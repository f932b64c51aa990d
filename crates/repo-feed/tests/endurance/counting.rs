//! A second consumer, whose chain counts the versions of each key.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use repo_core::strategy::{RecordChange, StorageStrategy};
use repo_feed::{Chain, ConsumerName, FollowOptions, HandlerError};
use serde::{Deserialize, Serialize};

use crate::{KEYS, consumers, opened};

/// The state of a key.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) count: u64,
}

pub(crate) fn name() -> ConsumerName {
    ConsumerName::new("counting").unwrap()
}

/// Counts until it is killed, or to the head. A version that comes to a state twice, or
/// after a later one, ends the process.
pub(crate) async fn count(store: &Arc<dyn StorageStrategy>, options: FollowOptions) {
    let key = |change: &RecordChange| Some(change.key.id.to_string());
    let fold = |state: &mut Counted, change: &RecordChange| {
        let version = change.version.get();
        assert!(version > state.last, "{} of version {version}: {state:?}", change.key);
        if state.count == 0 {
            state.first = version;
        }
        (state.last, state.count) = (version, state.count + 1);
        Ok::<(), HandlerError>(())
    };
    let chain = Chain::new().aggregate("versions", key, fold).unwrap();
    let mut consumer = opened(store, &name()).await;
    consumer.run(&options, &chain).await.unwrap();
    consumer.close().await.unwrap();
}

/// The states in the end.
pub(crate) async fn states(store: &Arc<dyn StorageStrategy>) -> BTreeMap<String, Counted> {
    let most = NonZeroUsize::new(10 * KEYS).unwrap();
    let states = consumers(store).states(&name(), "versions", None, most).await.unwrap();
    states.into_iter().collect()
}
