//! Where every entity of one collection is, kept in memory: about 40 bytes and the id.

use std::collections::HashSet;

use plain_json::AllSetAside;

/// Where an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The byte at which its entry begins, the key included where it has one.
    pub(crate) offset: u64,
    /// Bytes of the entry.
    pub(crate) len: u32,
    /// Which part of the entry it is.
    pub(crate) part: u32,
    /// The number of the file.
    pub(crate) file: u16,
    /// The number of the route by which the entry was found,
    pub(crate) route: u16,
    /// and of the one within it by which this part was.
    pub(crate) within: u16,
    /// Whether the entry begins with its key.
    pub(crate) keyed: bool,
}

/// The entities of one collection, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The ids, one after the other.
    ids: String,
    /// Where each id ends.
    ends: Vec<u64>,
    places: Vec<Place>,
    /// The numbers of those that stand, by their ids.
    by_id: Vec<u32>,
    /// Those that another entity of the same id has taken the place of.
    pub(crate) gone: HashSet<u32>,
    /// What cannot be read, where that is named instead of refused.
    pub(crate) set_aside: AllSetAside,
}

impl Index {
    /// Adds the next one; `false` when there are too many.
    pub(crate) fn push(&mut self, id: &str, place: Place) -> bool {
        if self.places.len() >= u32::MAX as usize {
            return false;
        }
        self.ids.push_str(id);
        self.ends.push(self.ids.len() as u64);
        self.places.push(place);
        true
    }

    /// How many were found, those that are gone included.
    pub(crate) fn found(&self) -> usize {
        self.places.len()
    }

    /// How many entities there are.
    pub(crate) fn live(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn id(&self, number: u32) -> &str {
        let at = number as usize;
        let end = |at: usize| self.ends.get(at).copied().unwrap_or(0);
        let start = at.checked_sub(1).map_or(0, end);
        let as_usize = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
        self.ids.get(as_usize(start)..as_usize(end(at))).unwrap_or_default()
    }

    pub(crate) fn place(&self, number: u32) -> Option<Place> {
        self.places.get(number as usize).copied()
    }

    /// Orders the ids. Gives the numbers of those that stand more than once, each id as
    /// a list in the order in which they were found.
    pub(crate) fn sort(&mut self) -> Vec<Vec<u32>> {
        let count = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let mut by_id: Vec<u32> = (0..count).collect();
        by_id.sort_unstable_by(|a, b| self.id(*a).cmp(self.id(*b)).then(a.cmp(b)));
        let same = by_id.chunk_by(|a, b| self.id(*a) == self.id(*b));
        let twice = same.filter(|numbers| numbers.len() > 1).map(<[u32]>::to_vec).collect();
        self.by_id = by_id;
        twice
    }

    /// Takes out what is gone, once that is decided.
    pub(crate) fn settle(&mut self) {
        let gone = &self.gone;
        if !gone.is_empty() {
            self.by_id.retain(|number| !gone.contains(number));
        }
    }

    /// The number of the entity with an id.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        let at = self.by_id.binary_search_by(|number| self.id(*number).cmp(id)).ok()?;
        self.by_id.get(at).copied()
    }

    /// The entities from a number on and before another one, at most so many; and where
    /// the next ones begin.
    pub(crate) fn some(&self, from: u32, before: u32, most: usize) -> (Vec<u32>, u32) {
        let mut numbers = Vec::with_capacity(most.min(1_024));
        let mut next = from;
        while next < before && numbers.len() < most {
            if !self.gone.contains(&next) {
                numbers.push(next);
            }
            next += 1;
        }
        (numbers, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        Place { offset, len: 1, part: 0, file: 0, route: 0, within: 0, keyed: false }
    }

    #[test]
    fn ids_are_found_and_those_that_stand_twice_named() {
        let mut index = Index::default();
        for (id, offset) in [("b", 0), ("", 1), ("é", 2), ("a", 3), ("b", 4), ("b", 5)] {
            assert!(index.push(id, place(offset)));
        }
        assert_eq!(index.sort(), [vec![0, 4, 5]]);
        index.gone.extend([0, 5]);
        index.settle();
        assert_eq!((index.found(), index.live()), (6, 4));
        assert_eq!(index.find("b"), Some(4));
        assert_eq!(index.find("é").and_then(|number| index.place(number)), Some(place(2)));
        assert_eq!(index.find(""), Some(1));
        assert_eq!(index.find("c"), None);
        assert_eq!(index.some(0, 6, 2), (vec![1, 2], 3));
        assert_eq!(index.some(3, 6, 9), (vec![3, 4], 6));
        assert_eq!(index.id(99), "");
    }
}
