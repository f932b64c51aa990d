//! What is to be done, laid out before the clock starts, and the same for both
//! sides: which machines, with which documents, at which versions.

use crate::data::{document_text, id};

/// A step that is coprime to every size in use: all machines come before one
/// comes again, and neighbours are far apart.
const STRIDE: usize = 7_919;

/// An update of one machine at the version that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) expected: u64,
}

/// Which version each machine of a store has. Two books of one size give the
/// same plans.
#[derive(Debug)]
pub(crate) struct Book {
    versions: Vec<u64>,
    next: usize,
}

impl Book {
    /// A store of so many machines, all at version 1.
    pub(crate) fn new(machines: usize) -> Self {
        Self { versions: vec![1; machines.max(1)], next: 0 }
    }

    /// The next machine.
    fn pick(&mut self) -> usize {
        let machines = self.versions.len();
        let picked = (self.next % machines).wrapping_mul(STRIDE) % machines;
        self.next += 1;
        picked
    }

    /// The next updates, which are taken to be done.
    pub(crate) fn updates(&mut self, count: usize) -> Vec<Update> {
        let mut updates = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.pick();
            let expected = self.versions[at];
            self.versions[at] += 1;
            let number = at as u64;
            updates.push(Update {
                id: id(number),
                text: document_text(number, expected),
                expected,
            });
        }
        updates
    }

    /// How many updates were planned, where nothing else was.
    pub(crate) fn planned(&self) -> usize {
        self.next
    }

    /// The ids of the machines that were updated, and their versions.
    pub(crate) fn updated(&self) -> impl Iterator<Item = (String, u64)> {
        let versions = self.versions.iter().enumerate();
        versions.filter(|(_, version)| **version > 1).map(|(at, version)| (id(at as u64), *version))
    }

    /// The next ids to read.
    pub(crate) fn ids(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| id(self.pick() as u64)).collect()
    }

    /// The next numbers below `of`.
    pub(crate) fn numbers(&mut self, count: usize, of: usize) -> Vec<u64> {
        (0..count).map(|_| (self.pick() % of.max(1)) as u64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_books_give_one_plan_and_versions_count_up() {
        let (mut mine, mut theirs) = (Book::new(10), Book::new(10));
        let plan = mine.updates(25);
        assert_eq!(plan, theirs.updates(25));
        let of_first: Vec<u64> =
            plan.iter().filter(|u| u.id == plan[0].id).map(|u| u.expected).collect();
        assert_eq!(of_first, [1, 2, 3]);
        let distinct: std::collections::HashSet<_> = plan[..10].iter().map(|u| &u.id).collect();
        assert_eq!(distinct.len(), 10);
        assert_eq!(mine.planned(), 25);
        let replaced: u64 = mine.updated().map(|(_, version)| version - 1).sum();
        assert_eq!((mine.updated().count(), replaced), (10, 25));
        assert_eq!(Book::new(10).updated().count(), 0);
    }
}
