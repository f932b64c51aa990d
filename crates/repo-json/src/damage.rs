//! Which records a damaged data file no longer holds as they were stored.

use repo_core::{CollectionName, Error};

use crate::data_file::DataFile;
use crate::documents::Documents;
use crate::env::Env;
use crate::state::State;
use crate::table::{Place, ShortDigest, Slot};

/// Most records that an error names.
const MOST_NAMED: usize = 10;
/// Records that are read at once.
const AT_ONCE: usize = 1_000;

/// The error about a damaged file, with the records that are.
pub(crate) fn located(error: Error, env: &Env, state: &State, data: &DataFile) -> Error {
    let found = damaged_records(env, state, data);
    let Some((_, byte)) = found.first() else {
        return error.with("damaged", "a place outside of all records");
    };
    let byte = *byte;
    let more = if found.len() > MOST_NAMED { ", and more" } else { "" };
    let names: Vec<&str> = found.iter().take(MOST_NAMED).map(|(key, _)| key.as_str()).collect();
    error.with("damaged", format!("{}{more}", names.join(", "))).with("first record at byte", byte)
}

/// Some of the records of a file that are not what was stored, each with its
/// key and its place.
pub(crate) fn damaged_records(env: &Env, state: &State, data: &DataFile) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for (name, collection) in &state.collections {
        let documents = state.documents(env, collection);
        if documents.data().is_none_or(|file| file.path != data.path) {
            continue;
        }
        let stands_there = |slot: &Slot| slot.place == Place::Data;
        let mut all = collection.table.after(None).filter(|(_, slot, _)| stands_there(slot));
        loop {
            let some: Vec<_> = all.by_ref().take(AT_ONCE).collect();
            if some.is_empty() || found.len() > MOST_NAMED {
                break;
            }
            find(&documents, name, &some, &mut found);
        }
    }
    found
}

fn find(
    documents: &Documents,
    name: &CollectionName,
    records: &[(&str, &Slot, ShortDigest)],
    found: &mut Vec<(String, u64)>,
) {
    if documents.are_packed() {
        // A block that cannot be unpacked must not hide the others.
        let damaged = |(_, slot, digest): &&(&str, &Slot, ShortDigest)| {
            documents.read_sound(slot, *digest).is_err()
        };
        let damaged = records.iter().filter(damaged);
        found.extend(damaged.map(|(id, slot, _)| (format!("{name}/{id}"), slot.offset)));
        return;
    }
    let slots: Vec<Slot> = records.iter().map(|(_, slot, _)| **slot).collect();
    // What cannot be read at all was reported already.
    let _ = documents.read_each(&slots, None, |at, text| {
        let (id, slot, digest) = records[at];
        let sound = documents
            .parse(text, slot)
            .and_then(|document| documents.check(&document, slot, digest));
        if sound.is_err() {
            found.push((format!("{name}/{id}"), slot.offset));
        }
        Ok(())
    });
}
