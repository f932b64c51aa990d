//! How objects are called, and what calls are called in errors.

use crate::hex::Hex16;

pub(crate) const READ_FEED: &str = "read the change feed";
pub(crate) const TRIM_FEED: &str = "remove old changes";
pub(crate) const READ_HISTORY: &str = "read the history";
pub(crate) const KEEP_HISTORY: &str = "keep the history";
pub(crate) const WRITE_HISTORY: &str = "change the history";
pub(crate) const READ_ITEMS: &str = "read the engine's own items";
pub(crate) const WRITE_ITEMS: &str = "write the engine's own items";
pub(crate) const TAKE_TOKEN: &str = "take a token";
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const SCRUB: &str = "scrub a record";

/// The folder of the log: one object for each group of commits, numbered from 1.
pub(crate) const LOG: &str = "log";
/// The folder of the checkpoints, numbered from 1.
pub(crate) const CHECKPOINTS: &str = "checkpoint";
/// The folder of what checkpoints are made of, each run under a random name.
pub(crate) const RUNS: &str = "run";
/// The folder of objects by which a store is tried out; none of them stays.
pub(crate) const PROBES: &str = "probe";

/// Digits of a number in a name, so that names are in the order of the numbers.
const DIGITS: usize = 20;

/// The name that a number has within its folder.
pub(crate) fn numbered(number: u64) -> String {
    format!("{number:0DIGITS$}")
}

/// An object of the log.
pub(crate) fn log(number: u64) -> String {
    format!("{LOG}/{number:0DIGITS$}")
}

/// A checkpoint.
pub(crate) fn checkpoint(number: u64) -> String {
    format!("{CHECKPOINTS}/{number:0DIGITS$}")
}

/// A part of the documents of a run.
pub(crate) fn docs(run: Hex16, part: u32) -> String {
    format!("{RUNS}/{run}/docs-{part:06}")
}

/// A part of the index of a run.
pub(crate) fn index(run: Hex16, part: u32) -> String {
    format!("{RUNS}/{run}/index-{part:06}")
}

/// Changes that are kept for the feed.
pub(crate) fn changes(run: Hex16) -> String {
    format!("{RUNS}/{run}/changes")
}

/// The number at the end of a name; `None` for a name that none of these functions gives.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let (_, last) = name.rsplit_once('/')?;
    let number = last.parse().ok()?;
    (last == numbered(number)).then_some(number)
}

/// The run that an object belongs to; `None` for a name that none of these functions gives.
pub(crate) fn run_of(name: &str) -> Option<Hex16> {
    let (folder, rest) = name.split_once('/')?;
    let (run, _) = rest.split_once('/')?;
    if folder == RUNS { run.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_numbers_and_give_them_back() {
        for number in [1, 9, 10, 99_999, u64::MAX] {
            assert_eq!(number_of(&log(number)), Some(number));
            assert_eq!(number_of(&checkpoint(number)), Some(number));
        }
        assert!(log(9) < log(10) && log(10) < log(u64::MAX));
        for other in ["log/1", "log/+0000000000000000001", "log/x", "log"] {
            assert_eq!(number_of(other), None, "{other}");
        }
        let run = Hex16::random().unwrap();
        for name in [docs(run, 1), index(run, 2), changes(run)] {
            assert_eq!(run_of(&name), Some(run), "{name}");
        }
        assert_eq!(run_of(&log(1)), None);
        assert_eq!(run_of("run/x/docs-000001"), None);
    }
}
