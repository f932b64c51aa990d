//! What a checkpoint says.

use serde::{Deserialize, Serialize};

use crate::hex::Hex16;

/// Above every number of a frame and of a change, so that one more can always be counted.
pub(crate) const NUMBERS: u64 = 1 << 63;

/// The state through a frame of the log, as objects: the runs one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The last frame of the log that is in it.
    pub(crate) through: u64,
    /// The number of the last captured change that is in it.
    pub(crate) changes: u64,
    /// In the order of the log. The first one holds everything up to its end.
    pub(crate) runs: Vec<Run>,
    /// Changes of frames that no run holds one by one any more, while the feed needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) feed: Vec<FeedPart>,
}

/// Frames of the log in a row, or a whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) id: Hex16,
    /// Whether it is the whole state, and not the frames that led to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) whole: bool,
    /// The frame before its first one.
    pub(crate) after: u64,
    /// Its last frame.
    pub(crate) through: u64,
    /// The commit of that.
    pub(crate) commit: Hex16,
    /// How many objects its index is.
    pub(crate) index_parts: u32,
    /// How many objects its documents are.
    pub(crate) docs_parts: u32,
    /// Bytes of all of them.
    pub(crate) bytes: u64,
    /// The change of the feed before its first one, and its last one.
    pub(crate) changes: (u64, u64),
}

/// Changes of the feed in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedPart {
    pub(crate) id: Hex16,
    /// The change before its first one.
    pub(crate) after: u64,
    /// Its last one.
    pub(crate) through: u64,
}

impl Manifest {
    /// Bytes of the run that holds everything, and of those behind it.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let of = |whole| self.runs.iter().filter(move |run| run.whole == whole);
        (of(true).map(|run| run.bytes).sum(), of(false).map(|run| run.bytes).sum())
    }

    /// Whether an object of this run is a part of it.
    pub(crate) fn needs(&self, id: Hex16) -> bool {
        self.runs.iter().any(|run| run.id == id) || self.feed.iter().any(|part| part.id == id)
    }

    /// Whether it holds together: the runs follow each other, and end where it ends.
    pub(crate) fn is_sound(&self) -> bool {
        let mut end = 0;
        for (at, run) in self.runs.iter().enumerate() {
            let follows = if run.whole { at == 0 && run.after == 0 } else { run.after == end };
            if !follows || run.through < run.after {
                return false;
            }
            end = run.through;
        }
        end == self.through && self.through < NUMBERS && self.changes < NUMBERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(whole: bool, after: u64, through: u64) -> Run {
        Run {
            id: Hex16::ZERO,
            whole,
            after,
            through,
            commit: Hex16::ZERO,
            index_parts: 1,
            docs_parts: 0,
            bytes: 1,
            changes: (0, 0),
        }
    }

    #[test]
    fn runs_follow_each_other() {
        let is_sound = |runs: &[Run], through| {
            let runs = runs.to_vec();
            Manifest { through, runs, ..Manifest::default() }.is_sound()
        };
        let (whole, next) = (run(true, 0, 5), run(false, 5, 9));
        assert!(is_sound(&[], 0) && is_sound(&[whole], 5) && is_sound(&[whole, next], 9));
        assert!(is_sound(&[run(false, 0, 3), run(false, 3, 4)], 4));
        let highest = run(true, 0, u64::MAX);
        for (runs, through) in [
            (vec![], 1),
            (vec![whole], 6),
            (vec![next], 9),
            (vec![next, whole], 5),
            (vec![whole, run(false, 6, 9)], 9),
            (vec![whole, run(true, 0, 9)], 9),
            (vec![highest], u64::MAX),
        ] {
            assert!(!is_sound(&runs, through), "{runs:?}");
        }
    }
}
