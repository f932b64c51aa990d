//! Random histories beside those of the memory strategy: after each step both know the
//! same older versions.

use std::num::NonZeroUsize;

use repo_core::MemoryStrategy;
use repo_core::strategy::{
    HistoryState, OlderThan, Record, StorageStrategy, StorageStrategyExt as _, Tombstone,
    VersionWrite,
};
use repo_core::{Clock as _, Entity, EntityId, Version, Write};
use serde_json::json;

use super::history::{added, at, clear, files, is_sound, remove, set_history, version};
use super::{Fixture, document, key, name};
use crate::strategy::JsonStrategy;

const IDS: [&str; 5] = ["a", "b", "b-", "ü", "z"];

/// Numbers that look random, and are the same for one seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn id(&mut self) -> &'static str {
        IDS[usize::try_from(self.below(5)).unwrap()]
    }
}

struct Both {
    fixture: Fixture,
    files: JsonStrategy,
    reference: MemoryStrategy,
    chance: Chance,
}

impl Both {
    async fn new(settings: serde_json::Value, seed: u64) -> Self {
        let fixture = Fixture::new(settings);
        let files = fixture.prepared().await;
        let reference = MemoryStrategy::new(fixture.options(false));
        reference.prepare(&super::schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
        let both = Self { fixture, files, reference, chance: Chance(seed) };
        both.keep(true).await;
        both
    }

    fn each(&self) -> [&dyn StorageStrategy; 2] {
        [&self.files, &self.reference]
    }

    async fn keep(&self, on: bool) {
        for store in self.each() {
            set_history(store, on.then(|| HistoryState::new(at(7)))).await;
        }
    }

    async fn apply(&mut self, tombstone: bool) {
        let (id, number, time) =
            (self.chance.id(), self.chance.below(60) + 1, self.chance.below(9));
        let (collection, id) = (name("machines"), EntityId::new(id).unwrap());
        let (version, time) = (version(number), at(time.cast_signed()));
        let record = match tombstone {
            true => Record::Tombstone(Tombstone { collection, id, version, deleted_at: time }),
            false => {
                let document = document(id.as_str(), number);
                let (created_at, updated_at) = (time, time);
                Record::Live(Entity { collection, id, version, created_at, updated_at, document })
            }
        };
        let mut answers = Vec::new();
        for store in self.each() {
            answers.push(store.apply(vec![record.clone()]).await.unwrap());
        }
        assert_eq!(answers[0], answers[1]);
    }

    async fn write_versions(&mut self) {
        let mut writes: Vec<VersionWrite> = Vec::new();
        for _ in 0..=self.chance.below(4) {
            let (id, number) = (self.chance.id(), self.chance.below(60) + 1);
            if writes.iter().all(|write| write.of() != clear(id, number).of()) {
                writes.push(match self.chance.below(3) {
                    0 => added(id, number),
                    1 => clear(id, number),
                    _ => remove(id, number),
                });
            }
        }
        let mut answers = Vec::new();
        for store in self.each() {
            answers.push(store.write_versions(&name("machines"), writes.clone()).await.unwrap());
        }
        assert_eq!(answers[0], answers[1], "{writes:?}");
    }

    async fn put(&mut self) -> &'static str {
        let id = self.chance.id();
        let document = document(id, self.chance.below(1_000));
        let write = Write::put(key("machines", id), document, repo_core::Precondition::Any);
        for store in self.each() {
            store.commit(vec![write.clone()]).await.unwrap();
        }
        "put"
    }

    async fn delete(&mut self) -> &'static str {
        let id = self.chance.id();
        for store in self.each() {
            store.delete(key("machines", id)).await.unwrap();
        }
        "delete"
    }

    /// One step; what was done.
    async fn step(&mut self) -> &'static str {
        match self.chance.below(40) {
            0..14 => self.put().await,
            14..17 => self.delete().await,
            17..22 => {
                let tombstone = self.chance.below(2) == 0;
                self.apply(tombstone).await;
                "apply"
            }
            22..29 => {
                self.write_versions().await;
                "write versions"
            }
            29..30 => {
                for store in self.each() {
                    store.purge(&name("machines"), self.fixture.clock.now()).await.unwrap();
                }
                "purge"
            }
            30..36 => {
                self.files.checkpoint().await.unwrap();
                "checkpoint"
            }
            36 if self.chance.below(4) == 0 => {
                self.keep(false).await;
                self.keep(true).await;
                "begin anew"
            }
            // As after a crash: what is in the journal is read again.
            _ => {
                self.files = self.fixture.open();
                "open again"
            }
        }
    }

    async fn compare(&mut self, at: &str) {
        let of: Vec<OlderThan> = IDS
            .iter()
            .map(|id| {
                let below = version(self.chance.below(70) + 1);
                let below = if self.chance.below(2) == 0 { version(Version::MAX) } else { below };
                OlderThan::new(EntityId::new(id).unwrap(), below)
            })
            .collect();
        let most = usize::try_from(self.chance.below(12) + 1).unwrap();
        for most in [most, 10_000] {
            let most = NonZeroUsize::new(most).unwrap();
            let mut found = Vec::new();
            for store in self.each() {
                found.push(store.older_versions(&name("machines"), &of, most).await.unwrap());
            }
            assert_eq!(found[0], found[1], "{at}, {most} of {of:?}");
        }
    }
}

#[tokio::test]
async fn files_know_what_the_reference_knows() {
    let more = std::env::var("REPO_TESTKIT_OPERATIONS").ok().and_then(|text| text.parse().ok());
    let operations: u64 = more.unwrap_or(3_000);
    // A fifth: the differential test asks the same of every store, and this one looks at
    // every entity after each step.
    for seed in 0..(operations / 5).div_ceil(150) {
        let layout = if seed % 2 == 0 { "single_file" } else { "split_files" };
        let settings = json!({ "storage_type": layout, "sync_writes": false });
        let mut both = Both::new(settings, seed).await;
        for step in 0..150 {
            both.fixture.clock.advance(std::time::Duration::from_micros(1));
            let did = both.step().await;
            both.compare(&format!("seed {seed}, step {step}: {did}")).await;
        }
        assert!(is_sound(&both.files, true).await, "seed {seed}");
        both.files.checkpoint().await.unwrap();
        let listed = both.files.store().state().history_files().count();
        assert_eq!(files(&both.fixture).len(), listed, "seed {seed}");
    }
}
