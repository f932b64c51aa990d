//! What was valid at a time, over what a store keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_core::{Clock as _, Document, Entity, Timestamp};
use repo_history::History;

use super::history_support::{keeping, offered};
use super::support::{Sequence, collection, delete, key, record, save};
use crate::Fixture;

/// Ids that are written to.
const IDS: u64 = 12;
/// Writes of the run.
const WRITES: u64 = 150;
/// Times and ids that are asked for.
const ASKED: u64 = 1_000;

/// For random ids and times of a recorded run, over checkpoints and a restart, `as_of`
/// is what reading the id answered then; and so is the scan of all.
pub async fn as_of_is_what_reading_answered(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let mut store = keeping(&f).await;
    let mut random = Sequence(7);
    let mut seen: Vec<(Timestamp, BTreeMap<String, Document>)> = Vec::new();
    let mut live: BTreeMap<String, Document> = BTreeMap::new();
    for step in 0..WRITES {
        let id = format!("k{}", random.below(IDS));
        let of = key("items", &id);
        if random.below(4) == 0 && live.remove(&id).is_some() {
            delete(&store, &of).await;
        } else {
            save(&store, &of, &format!("\"n\":{step}")).await;
            let stored = record(&store, &of).await.and_then(|record| record.into_live());
            live.insert(id, stored.unwrap().document);
        }
        seen.push((f.clock.now(), live.clone()));
        f.clock.advance(Duration::from_micros(random.below(5)));
        match step {
            50 | 100 => store.checkpoint().await.unwrap(),
            75 => store = f.reopen(store).await,
            _ => {}
        }
    }
    // Of writes at one time the last one counts.
    let seen: BTreeMap<Timestamp, BTreeMap<String, Document>> = seen.into_iter().collect();
    let times: Vec<&Timestamp> = seen.keys().collect();
    let history = History::of(store.clone(), collection("items"));
    for _ in 0..ASKED {
        let at = *times[(random.below(times.len() as u64)) as usize];
        let id = format!("k{}", random.below(IDS));
        let found = history.as_of(&key("items", &id).id, at).await.unwrap();
        let found = found.into_entity(collection("items")).map(|entity| entity.document.to_value());
        assert_eq!(found, seen[&at].get(&id).map(Document::to_value), "{id} at {at}");
    }
    for at in times.into_iter().step_by(10) {
        let scan = history.scan_as_of(*at).await.unwrap();
        let found: Vec<Entity> = scan.try_concat().await.unwrap();
        assert_eq!(found.len(), seen[at].len(), "at {at}");
        for entity in found {
            assert!(entity.document.equals(&seen[at][entity.id.as_str()]), "at {at}");
        }
    }
}
