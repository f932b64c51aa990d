//! What has to be true in the end.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use repo_core::strategy::ScanOptions;
use repo_engine::Store;
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
    store.close().await.unwrap();
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
        let mut known: BTreeMap<(String, u64), String> = BTreeMap::new();
        for line in noted {
            let (what, rest) = line.split_once(' ').unwrap();
            match what {
                "waited" => outcome.held_ms = outcome.held_ms.max(rest.parse().unwrap()),
                "wrote" => outcome.add(rest, &stored, &mut known),
                "stale" => outcome.stale += 1,
                "failed" if rest.starts_with("OutcomeUnknown") => outcome.unknown += 1,
                "failed" => outcome.refused += 1,
                _ => panic!("{line}"),
            }
            if ["stale", "failed"].contains(&what) {
                println!("  {line}");
            }
        }
        outcome
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
