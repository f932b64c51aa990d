//! What the commit in the first store is conditional on, and what takes it back. Decided from
//! what is stored, without asking anybody.

use std::collections::{BTreeMap, HashMap};

use repo_core::strategy::Record;
use repo_core::{
    Change, CollectionName, Document, Entity, Error, Key, Precondition, Result, Version, Write,
};

use crate::refusals::COMMIT;
use crate::stored::{Undo, UndoAction};

/// What the first store holds under the keys of its writes.
#[derive(Debug, Default)]
pub(crate) struct Present {
    /// The records, tombstones too.
    pub(crate) records: HashMap<Key, Record>,
    /// The floors of the collections of which a record is missing.
    pub(crate) floors: BTreeMap<CollectionName, u64>,
}

/// Writes that are done only if everything is as it was read, and what takes them back then.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) writes: Vec<Write>,
    pub(crate) undo: Vec<Undo>,
}

/// Drafts the commit.
///
/// # Errors
/// Those of `commit` for preconditions that do not hold now.
pub(crate) fn draft(writes: &[Write], present: &Present) -> Result<Draft> {
    let mut failed = Vec::new();
    let mut drafted = Draft { writes: Vec::with_capacity(writes.len() + 1), undo: Vec::new() };
    for write in writes {
        let record = present.records.get(&write.key);
        let live = match record {
            Some(Record::Live(entity)) => Some(entity),
            _ => None,
        };
        failed.extend(write.failure(live.map(|entity| entity.version)));
        drafted.writes.push(narrowed(write, live));
        let floor = present.floors.get(&write.key.collection).copied().unwrap_or(0);
        if let Some(action) = undo_of(&write.change, record, floor)? {
            let Key { collection, id } = write.key.clone();
            drafted.undo.push(Undo { collection, id, action });
        }
    }
    if failed.is_empty() { Ok(drafted) } else { Err(Error::preconditions(COMMIT, failed)) }
}

/// The same write, on the condition that its key is as it was read: only then is what takes it
/// back right.
fn narrowed(write: &Write, live: Option<&Entity>) -> Write {
    let as_read = live.map_or(Precondition::Absent, |found| Precondition::Version(found.version));
    match (&write.change, live) {
        (Change::Check, _) => write.clone(),
        // Nothing is there to be deleted, and nothing may come before the commit.
        (Change::Delete, None) => Write::check(write.key.clone(), as_read),
        _ => Write { precondition: as_read, ..write.clone() },
    }
}

fn undo_of(change: &Change, record: Option<&Record>, floor: u64) -> Result<Option<UndoAction>> {
    let text = |document: &Document| document.as_str().to_owned();
    Ok(match (change, record) {
        (Change::Put(_), Some(Record::Live(entity))) => {
            let (version, document) = (entity.version.next()?, text(&entity.document));
            Some(UndoAction::Restore { version, document })
        }
        (Change::Put(_), Some(Record::Tombstone(tombstone))) => {
            Some(UndoAction::Remove { version: tombstone.version.next()? })
        }
        // If a purge raises the floor in between, the version is higher, and nothing is taken
        // back: an operator is asked.
        (Change::Put(_), None) => Some(UndoAction::Remove { version: Version::after(floor)? }),
        (Change::Delete, Some(Record::Live(entity))) => {
            let (tombstone, document) = (entity.version.next()?, text(&entity.document));
            Some(UndoAction::Revive { tombstone, document })
        }
        (Change::Delete, _) | (Change::Check, _) => None,
    })
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::Tombstone;
    use repo_core::{ErrorKind, Timestamp};

    use super::*;

    fn key(id: &str) -> Key {
        Key::new("items".parse().unwrap(), id.parse().unwrap())
    }

    fn document(id: &str, n: u64) -> Document {
        Document::parse(&format!(r#"{{"id":"{id}","n":{n}}}"#)).unwrap()
    }

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    /// `live` at version 4, `dead` deleted at version 6; the floor is 10.
    fn present() -> Present {
        let at = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let Key { collection, id } = key("live");
        let live = Record::Live(Entity {
            collection,
            id,
            version: version(4),
            created_at: at,
            updated_at: at,
            document: document("live", 1),
        });
        let Key { collection, id } = key("dead");
        let dead =
            Record::Tombstone(Tombstone { collection, id, version: version(6), deleted_at: at });
        Present {
            records: [(key("live"), live), (key("dead"), dead)].into(),
            floors: [(key("new").collection, 10)].into(),
        }
    }

    fn drafted(write: Write) -> (Write, Option<UndoAction>) {
        let mut draft = draft(&[write], &present()).unwrap();
        assert_eq!(draft.writes.len(), 1);
        (draft.writes.remove(0), draft.undo.pop().map(|undo| undo.action))
    }

    #[test]
    fn a_write_is_bound_to_what_was_read() {
        let kept = document("live", 1).as_str().to_owned();
        let put = |id: &str, when| Write::put(key(id), document(id, 2), when);
        let over = Precondition::Version(version(4));
        for when in [Precondition::Any, Precondition::Exists, over] {
            let restore = UndoAction::Restore { version: version(5), document: kept.clone() };
            assert_eq!(drafted(put("live", when)), (put("live", over), Some(restore)));
            let revive = UndoAction::Revive { tombstone: version(5), document: kept.clone() };
            let deleted = drafted(Write::delete(key("live"), when));
            assert_eq!(deleted, (Write::delete(key("live"), over), Some(revive)));
        }
        for when in [Precondition::Any, Precondition::Absent] {
            for (id, made) in [("dead", 7), ("new", 11)] {
                let remove = UndoAction::Remove { version: version(made) };
                let absent = put(id, Precondition::Absent);
                assert_eq!(drafted(put(id, when)), (absent, Some(remove)));
                let nothing = Write::check(key(id), Precondition::Absent);
                assert_eq!(drafted(Write::delete(key(id), when)), (nothing, None));
            }
        }
        let check = Write::check(key("live"), Precondition::Exists);
        assert_eq!(drafted(check.clone()), (check, None));
    }

    #[test]
    fn preconditions_that_do_not_hold_are_the_answer() {
        let when = Precondition::Version(version(3));
        let writes = [
            Write::put(key("live"), document("live", 2), when),
            Write::check(key("dead"), Precondition::Exists),
        ];
        let error = draft(&writes, &present()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.failed_preconditions().len(), 2);
    }
}
