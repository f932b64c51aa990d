//! Files without the engine: appending with a sync, and parsing.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;

use repo_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::data::Totals;
use crate::errors;
use crate::measure::{Timed, timed_here};

/// A file that grows.
pub(crate) struct Appender(File);

impl Appender {
    pub(crate) fn new(file: &Path) -> Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).open(file);
        opened.map(Self).map_err(errors::raw("open a file"))
    }

    /// Appends so many bytes and syncs them, so many times.
    pub(crate) fn append(&mut self, bytes: usize, times: usize) -> Result<Timed> {
        let block = vec![b'x'; bytes];
        let failed = errors::raw("append to a file");
        timed_here(times, || {
            for _ in 0..times {
                self.0.write_all(&block).and_then(|()| self.0.sync_data()).map_err(&failed)?;
            }
            Ok(())
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(errors::raw("read a file"))
}

/// Reads and parses a file by sonic-rs into its document tree.
pub(crate) fn parse_by_sonic(file: &Path, entities: usize) -> Result<Timed> {
    let mut parsed = sonic_rs::Value::new();
    let time = timed_here(entities, || {
        parsed = sonic_rs::from_slice(&read(file)?).map_err(not_json)?;
        Ok(())
    });
    // The tree is given back after the clock stopped, as a store is closed.
    drop(black_box(parsed));
    time
}

/// The same by serde_json.
pub(crate) fn parse_by_serde(file: &Path, entities: usize) -> Result<Timed> {
    let mut parsed = serde_json::Value::Null;
    let time = timed_here(entities, || {
        parsed = serde_json::from_slice(&read(file)?).map_err(not_json)?;
        Ok(())
    });
    drop(black_box(parsed));
    time
}

fn not_json(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Corrupt, "parse a file", source.to_string()).caused_by(source)
}

/// What of a machine is needed to group and to add up.
#[derive(Deserialize)]
struct Processors {
    status: Option<String>,
    vcpus: u64,
}

/// How many entities have each status, and how many processors they have together: a loop
/// over all documents of a single file.
pub(crate) fn sum_by_serde(file: &Path, collection: &str, expected: Totals) -> Result<Timed> {
    timed_here(1, || {
        let mut groups: BTreeMap<Option<String>, (u64, u64)> = BTreeMap::new();
        for_each_document(file, collection, |_, text| {
            let Processors { status, vcpus } = serde_json::from_str(text).map_err(not_json)?;
            let group = groups.entry(status).or_default();
            *group = (group.0 + 1, group.1 + vcpus);
            Ok(())
        })?;
        let mut found = Totals::default();
        for (count, sum) in black_box(groups).into_values() {
            found.add(count, sum);
        }
        expected.expect(found)
    })
}

/// Gives the id and the text of every document of a collection in a single
/// file, taken apart no further than that.
pub(crate) fn for_each_document(
    file: &Path,
    collection: &str,
    mut each: impl FnMut(&str, &str) -> Result<()>,
) -> Result<usize> {
    let bytes = read(file)?;
    let collections: HashMap<&str, HashMap<&str, &RawValue>> =
        serde_json::from_slice(&bytes).map_err(not_json)?;
    let documents = collections.get(collection);
    for (id, document) in documents.into_iter().flatten() {
        each(id, document.get())?;
    }
    Ok(documents.map_or(0, HashMap::len))
}
