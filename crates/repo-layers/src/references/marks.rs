//! Where the marks are that deletions leave for a moment.

use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Key, Result};
use serde::Serialize;

/// The collection of the marks: one record for each entity that is about to be deleted.
pub const REFERENCE_MARKS: &str = "engine_references";

/// Most characters of an id.
const MOST_CHARS: usize = 255;

/// The schema of the collection.
pub(super) fn schema() -> Result<CollectionSchema> {
    Ok(CollectionSchema::undeclared(CollectionName::new(REFERENCE_MARKS)?))
}

/// The key of the mark of an entity. Two entities whose long ids begin alike have one mark,
/// which makes one of two parties look again and does no other harm.
pub(super) fn key_of(entity: &Key) -> Result<Key> {
    let id: String = entity.to_string().chars().take(MOST_CHARS).collect();
    Ok(Key::new(CollectionName::new(REFERENCE_MARKS)?, EntityId::new(&id)?))
}

/// What a mark says; nobody but a person reads it.
pub(super) fn document(mark: &Key) -> Result<Document> {
    #[derive(Serialize)]
    struct Mark<'a> {
        id: &'a EntityId,
    }
    Document::from_serialize(&Mark { id: &mark.id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_has_a_mark() {
        let key = |id: &str| Key::new("hosts".parse().unwrap(), id.parse().unwrap());
        assert_eq!(key_of(&key("a")).unwrap().to_string(), "engine_references/hosts/a");
        let (long, other) = ("ä".repeat(255), format!("{}b", "ä".repeat(254)));
        let mark = key_of(&key(&long)).unwrap();
        assert_eq!(mark.id.as_str().chars().count(), 255);
        assert_eq!(mark, key_of(&key(&other)).unwrap());
        schema().unwrap().check_document(&mark.id, &document(&mark).unwrap(), 4_096).unwrap();
    }
}
