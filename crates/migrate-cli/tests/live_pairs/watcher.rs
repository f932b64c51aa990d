//! A consumer of the changes, which follows its store.

use std::time::Duration;

use repo_core::ErrorKind;
use repo_core::strategy::RecordChange;
use repo_engine::Store;
use repo_feed::{Consumer, ConsumerName, Consumers, FollowOptions};

use crate::logs::Logs;

pub(crate) const NAME: &str = "watcher";

/// Notes what it sees until it is killed.
pub(crate) async fn watch([source, target]: [String; 2], logs: &Logs) {
    let mut log = logs.own();
    let store = loop {
        match Store::open(&source).route(&target).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            opened => break opened.unwrap(),
        }
    };
    let lease = Duration::from_secs(1);
    let consumers = Consumers::new(store.strategy().clone()).with_lease(lease);
    let name = ConsumerName::new(NAME).unwrap();
    let options = FollowOptions::default().with_poll(Duration::from_millis(50));
    loop {
        let ended = match Consumer::open(&consumers, &name).await {
            Ok(mut consumer) => {
                let note = async |changes: &[RecordChange]| {
                    for change in changes {
                        log.saw(change.key.id.as_str(), change.version.get());
                    }
                    Ok(())
                };
                consumer.follow(&options, note).await.unwrap_err()
            }
            Err(error) => error,
        };
        // The lease of one that was killed, a store that is away.
        use ErrorKind::{Locked, OutcomeUnknown, Unavailable};
        assert!([Locked, OutcomeUnknown, Unavailable].contains(&ended.kind()), "{ended:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
