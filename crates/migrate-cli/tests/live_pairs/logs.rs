//! What the processes of a pair note, each in a file of its own.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// A write that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) id: String,
    pub(crate) version: u64,
    /// What was written; `None` for a delete.
    pub(crate) content: Option<u64>,
}

/// The folder of the notes.
#[derive(Debug, Clone)]
pub(crate) struct Logs(PathBuf);

impl Logs {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The notes of this process.
    pub(crate) fn own(&self) -> Log {
        let path = self.0.join(format!("{}-{:x}", std::process::id(), fastrand::u64(..)));
        Log(OpenOptions::new().create_new(true).append(true).open(path).unwrap())
    }

    /// Every whole line of every process. A process that was killed may have left half of one.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(&self.0).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            lines.extend(whole.map(str::to_owned));
        }
        lines
    }
}

/// The notes of one process.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// Notes what one commit was acknowledged, and lets it reach the disk.
    pub(crate) fn acknowledged(&mut self, writes: &[Acknowledged], waited: Duration) {
        let mut text = format!("waited {}\n", waited.as_millis());
        for Acknowledged { id, version, content } in writes {
            let content = content.map_or("-".to_owned(), |content| content.to_string());
            text.push_str(&format!("wrote {id} {version} {content}\n"));
        }
        self.note(&text);
        self.0.sync_data().unwrap();
    }

    /// Notes that a commit was refused, or that nobody knows its outcome.
    pub(crate) fn failed(&mut self, kind: &str, why: &str) {
        self.note(&format!("failed {kind} {}\n", why.replace('\n', " ")));
    }

    /// Notes a change that a consumer saw.
    pub(crate) fn saw(&mut self, id: &str, version: u64) {
        self.note(&format!("saw {id} {version}\n"));
    }

    /// Notes a read that was older than what this process had been acknowledged before.
    pub(crate) fn stale(&mut self, id: &str, read: Option<u64>, acknowledged: u64) {
        self.note(&format!("stale {id} {read:?} {acknowledged}\n"));
    }

    fn note(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }
}
