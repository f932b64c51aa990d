//! What has to be true in the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};

use crate::counting::Counted;
use crate::{KEYS, Logs, older};

pub(crate) struct Counts {
    pub(crate) acknowledged: usize,
    /// By a program of the layout before.
    pub(crate) by_older: usize,
    pub(crate) delivered: usize,
    pub(crate) missing: u64,
}

/// Compares what was acknowledged with what was delivered.
pub(crate) fn check(logs: &Logs, states: &BTreeMap<String, Counted>) -> Counts {
    let mut missing = 0;
    let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    // The highest version so far: by this process, and by all.
    let mut here: BTreeMap<String, u64> = BTreeMap::new();
    for line in BufReader::new(File::open(logs.delivered()).unwrap()).lines() {
        let line = line.unwrap();
        let parts: Vec<&str> = line.split(' ').collect();
        let [id, version, stored] = parts[..] else {
            here.clear();
            continue;
        };
        let (version, stored): (u64, u64) = (version.parse().unwrap(), stored.parse().unwrap());
        assert!(stored >= version, "{id}: {version} came with the record of {stored}");
        let before = here.insert(id.to_owned(), version);
        assert!(before < Some(version), "{id}: {version} after {before:?}");
        let versions = by_key.entry(id.to_owned()).or_default();
        match versions.last() {
            Some(last) if version > *last => {
                missing += version - last - 1;
                versions.push(version);
            }
            // What comes again after a process was killed.
            Some(_) => assert!(versions.contains(&version), "{id}: {version}"),
            None => versions.push(version),
        }
    }
    let is_delivered = |line: &str| {
        let (id, version) = line.split_once(' ').unwrap();
        let version: u64 = version.parse().unwrap();
        let versions = by_key.get(id).unwrap_or_else(|| panic!("{id} was never delivered"));
        assert!(versions.contains(&version), "{id}: {version} was never delivered");
    };
    let (mut acknowledged, mut by_older) = (0, 0);
    for line in BufReader::new(File::open(logs.oracle()).unwrap()).lines() {
        is_delivered(&line.unwrap());
        acknowledged += 1;
    }
    for line in older::oracle(logs).lines() {
        is_delivered(line);
        by_older += 1;
    }
    assert!(acknowledged > 0 && !by_key.contains_key("never") && !by_key.contains_key("absent"));
    for (id, counted) in states {
        let seen = by_key[id].iter().filter(|version| **version >= counted.first);
        let (count, last) = (seen.clone().count() as u64, seen.max().copied());
        assert_eq!((counted.count, Some(counted.last)), (count, last), "{id}: {counted:?}");
    }
    assert!(states.len() > KEYS / 2, "{states:?}");
    let delivered = by_key.values().map(Vec::len).sum();
    Counts { acknowledged: acknowledged + by_older, by_older, delivered, missing }
}
