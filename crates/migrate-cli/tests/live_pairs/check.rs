//! What has to be true in the end.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use repo_core::strategy::{OlderState, ScanOptions};
use repo_engine::Store;
use repo_history::{History, KnownVersion};
use serde_json::Value as Json;

use crate::writer::items;

/// Prints every record of a store, one a line.
pub(crate) async fn read(url: &str) {
    let store = Store::open(url).read_only().await.unwrap();
    // The line that the harness began.
    println!();
    let mut batches = store.strategy().scan(&items(), ScanOptions::default()).await.unwrap();
    while let Some(batch) = batches.next().await {
        for record in batch.unwrap().records {
            let content = record.document().map(|document| {
                let fields: Json = serde_json::from_str(document.as_str()).unwrap();
                fields["n"].to_string()
            });
            let (id, version) = (record.id(), record.version());
            println!("record {id} {version} {}", content.as_deref().unwrap_or("-"));
        }
    }
    read_past(&store).await;
    store.close().await.unwrap();
}

/// Prints what is kept of older versions.
async fn read_past(store: &Store) {
    let history = History::of(store.strategy().clone(), items());
    let mut ids = store.strategy().scan(&items(), ScanOptions::default()).await.unwrap();
    while let Some(batch) = ids.next().await {
        for record in batch.unwrap().records {
            let mut versions = history.all_versions(record.id());
            while let Some(version) = versions.next().await {
                let KnownVersion::Kept { version, .. } = version.unwrap() else { continue };
                let content = match &version.state {
                    OlderState::Live { document, .. } => {
                        let fields: Json = serde_json::from_str(document.as_str()).unwrap();
                        fields["n"].to_string()
                    }
                    OlderState::Deleted => "-".to_owned(),
                    OlderState::Removed => continue,
                };
                println!("kept {} {} {content}", version.id, version.version);
            }
        }
    }
}

/// What the writers noted, compared with what the authority holds.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acknowledged: usize,
    /// Acknowledged writes that the authority does not hold, nor anything later of their key.
    pub(crate) lost: usize,
    /// Versions of a key that were acknowledged twice.
    pub(crate) doubled: usize,
    /// Records of the last acknowledged version with another content.
    pub(crate) diverged: usize,
    /// Acknowledged writes that the history does not have as they were.
    pub(crate) unkept: usize,
    /// Records whose last acknowledged version no consumer saw.
    pub(crate) unseen: usize,
    /// Changes that the consumer saw, some of them again.
    pub(crate) seen: usize,
    /// Reads that were older than what their process knew.
    pub(crate) stale: usize,
    /// Commits whose outcome nobody knows.
    pub(crate) unknown: usize,
    /// Commits that were refused for a while.
    pub(crate) refused: usize,
    /// The longest that a commit took, in milliseconds.
    pub(crate) held_ms: u64,
}

impl Outcome {
    pub(crate) fn of(noted: impl IntoIterator<Item = String>, records: &str) -> Self {
        let mut outcome = Self::default();
        let stored: BTreeMap<&str, (u64, &str)> = records
            .lines()
            .filter_map(|line| line.strip_prefix("record "))
            .map(version_of)
            .map(|(id, version, content)| (id, (version, content)))
            .collect();
        let kept: BTreeMap<(&str, u64), &str> = records
            .lines()
            .filter_map(|line| line.strip_prefix("kept "))
            .map(version_of)
            .map(|(id, version, content)| ((id, version), content))
            .collect();
        let mut known: BTreeMap<(String, u64), String> = BTreeMap::new();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for line in noted {
            let (what, rest) = line.split_once(' ').unwrap();
            match what {
                "waited" => outcome.held_ms = outcome.held_ms.max(rest.parse().unwrap()),
                "wrote" => outcome.add(rest, &stored, &mut known),
                "saw" => {
                    let (id, version) = rest.split_once(' ').unwrap();
                    let highest = seen.entry(id.to_owned()).or_default();
                    *highest = version.parse::<u64>().unwrap().max(*highest);
                    outcome.seen += 1;
                }
                "stale" => outcome.stale += 1,
                "failed" if rest.starts_with("OutcomeUnknown") => outcome.unknown += 1,
                "failed" => outcome.refused += 1,
                _ => panic!("{line}"),
            }
            if ["stale", "failed"].contains(&what) {
                println!("  {line}");
            }
        }
        outcome.compare(&known, &kept, &seen);
        outcome
    }

    /// What was acknowledged, with what is kept of it and what a consumer saw.
    fn compare(
        &mut self,
        known: &BTreeMap<(String, u64), String>,
        kept: &BTreeMap<(&str, u64), &str>,
        seen: &BTreeMap<String, u64>,
    ) {
        // Of the program of the layout before some are from before there was a history.
        for ((id, version), content) in known.iter().filter(|(_, content)| *content != "?") {
            let there = kept.get(&(id.as_str(), *version));
            if there.is_none_or(|there| *there != content) {
                println!("  unkept {id} {version} {content}: {there:?}");
                self.unkept += 1;
            }
            if seen.get(id).is_none_or(|highest| highest < version) {
                println!("  unseen {id} {version}: {:?}", seen.get(id));
                self.unseen += 1;
            }
        }
    }

    fn add(
        &mut self,
        write: &str,
        stored: &BTreeMap<&str, (u64, &str)>,
        known: &mut BTreeMap<(String, u64), String>,
    ) {
        let (id, version, content) = version_of(write);
        self.acknowledged += 1;
        if known.insert((id.to_owned(), version), content.to_owned()).is_some() {
            println!("  doubled {write}");
            self.doubled += 1;
        }
        match stored.get(id) {
            Some((held, _)) if *held > version => {}
            Some((held, there)) if *held == version => {
                if *there != content && content != "?" {
                    println!("  diverged {write}: {there}");
                    self.diverged += 1;
                }
            }
            held => {
                println!("  lost {write}: {held:?}");
                self.lost += 1;
            }
        }
    }
}

fn version_of(line: &str) -> (&str, u64, &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [id, version, content] = words[..] else { panic!("{line}") };
    (id, version.parse().unwrap(), content)
}
