//! The part of the feed that was read last from an object.

use std::sync::{Arc, Mutex, PoisonError};

use crate::format::ChangeOp;
use crate::hex::Hex16;

/// The changes of one object, so that the pages of it read the object once.
#[derive(Debug, Default)]
pub(crate) struct LastPart(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    run: Hex16,
    part: u32,
    changes: Arc<Vec<ChangeOp>>,
}

impl LastPart {
    /// The changes of a part of a run, if it was the last one.
    pub(crate) fn get(&self, run: Hex16, part: u32) -> Option<Arc<Vec<ChangeOp>>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = last.as_ref().filter(|kept| (kept.run, kept.part) == (run, part))?;
        Some(Arc::clone(&kept.changes))
    }

    /// A part of a run at which to begin to look for the change behind another one: the last
    /// one that was read, if the change is not before it, else the first.
    pub(crate) fn part_before(&self, run: Hex16, at: u64) -> u32 {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = |kept: &&Kept| {
            kept.run == run && kept.changes.first().is_some_and(|first| first.number <= at + 1)
        };
        last.as_ref().filter(begins).map_or(0, |kept| kept.part)
    }

    /// Keeps the changes of a part in the place of those of another one.
    pub(crate) fn set(&self, run: Hex16, part: u32, changes: Vec<ChangeOp>) -> Arc<Vec<ChangeOp>> {
        let changes = Arc::new(changes);
        let kept = Kept { run, part, changes: Arc::clone(&changes) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        changes
    }
}

#[cfg(test)]
mod tests {
    use repo_core::Version;

    use super::*;

    #[test]
    fn a_reader_goes_on_in_the_part_that_it_read_last() {
        let change = |number| ChangeOp {
            number,
            collection: "items".parse().unwrap(),
            id: "a".parse().unwrap(),
            version: Version::FIRST,
            deleted: false,
        };
        let last = LastPart::default();
        let (run, other) = (Hex16::for_checkpoint(1).unwrap(), Hex16::for_checkpoint(2).unwrap());
        assert_eq!(last.part_before(run, 7), 0);
        last.set(run, 3, vec![change(7), change(8)]);
        assert!(last.get(run, 3).is_some() && last.get(run, 2).is_none());
        assert!(last.get(other, 3).is_none());
        for (at, part) in [(5, 0), (6, 3), (8, 3), (20, 3)] {
            assert_eq!(last.part_before(run, at), part, "behind {at}");
        }
        assert_eq!(last.part_before(other, 7), 0);
        last.set(run, 4, Vec::new());
        assert_eq!(last.part_before(run, 20), 0, "a part without changes says nothing");
    }
}
