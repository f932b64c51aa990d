//! Whether a batch was written, judged by what the store holds.
//!
//! A batch is one commit: all of it was written, or none. So one entity that
//! nobody else has touched tells it for all of them.

use repo_core::strategy::Record;
use repo_core::{Document, Entity};

/// Whether a batch was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Written,
    NotWritten,
    /// Each of its entities was changed by somebody else meanwhile.
    Unknown,
}

/// One entity of a batch: as archived, upgraded, and what the store holds now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Witness<'a> {
    pub(crate) archived: &'a Entity,
    pub(crate) upgraded: &'a Document,
    pub(crate) stored: Option<&'a Record>,
}

impl Witness<'_> {
    /// Whether the store holds exactly what this upgrade writes.
    pub(crate) fn is_upgraded(&self) -> bool {
        let next = self.archived.version.next().ok();
        self.stored.is_some_and(|stored| {
            Some(stored.version()) == next
                && stored.document().is_some_and(|document| document.equals(self.upgraded))
        })
    }

    /// What it says of its batch. Versions only go up, by one with each
    /// write: a version below the one that the batch leaves, or the very one
    /// with other content, is proof that the batch was not written.
    fn verdict(&self) -> Verdict {
        let Some(stored) = self.stored else { return Verdict::Unknown };
        if self.is_upgraded() {
            return Verdict::Written;
        }
        match self.archived.version.next() {
            Ok(next) if stored.version() > next => Verdict::Unknown,
            _ => Verdict::NotWritten,
        }
    }
}

/// Judges a batch. Proof that it was not written outweighs an entity that
/// looks as if it was: somebody else may have written the same.
pub(crate) fn judge<'a>(witnesses: impl Iterator<Item = Witness<'a>>) -> Verdict {
    let mut verdict = Verdict::Unknown;
    for witness in witnesses {
        match witness.verdict() {
            Verdict::NotWritten => return Verdict::NotWritten,
            Verdict::Written => verdict = Verdict::Written,
            Verdict::Unknown => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::Tombstone;
    use repo_core::{EntityId, Timestamp, Version};

    use super::*;

    fn entity(id: &str, version: u64, text: &str) -> Entity {
        let time = Timestamp::from_micros(1).unwrap();
        Entity {
            collection: "machines".parse().unwrap(),
            id: EntityId::new(id).unwrap(),
            version: Version::new(version).unwrap(),
            created_at: time,
            updated_at: time,
            document: Document::parse(text).unwrap(),
        }
    }

    fn gone(id: &str, version: u64) -> Record {
        let like = entity(id, version, "{}");
        Record::Tombstone(Tombstone {
            collection: like.collection,
            id: like.id,
            version: like.version,
            deleted_at: like.updated_at,
        })
    }

    #[test]
    fn one_untouched_entity_tells_of_its_batch() {
        use Verdict::{NotWritten, Unknown, Written};
        let archived = entity("m", 5, r#"{"a":1}"#);
        let upgraded = Document::parse(r#"{"b":1}"#).unwrap();
        let live = |version, text: &str| Some(Record::Live(entity("m", version, text)));
        let untouched = live(5, r#"{"a":1}"#);
        let written = live(6, r#"{"b":1.0}"#);
        let changed_once = live(6, r#"{"a":2}"#);
        let changed_twice = live(7, r#"{"b":1}"#);
        let (deleted, deleted_later) = (Some(gone("m", 6)), Some(gone("m", 7)));
        let cases: [(&[&Option<Record>], Verdict); 10] = [
            (&[&untouched], NotWritten),
            (&[&written], Written),
            (&[&changed_once], NotWritten),
            (&[&changed_twice], Unknown),
            (&[&deleted], NotWritten),
            (&[&deleted_later], Unknown),
            (&[&None], Unknown),
            (&[&changed_twice, &written, &deleted_later], Written),
            (&[&written, &untouched], NotWritten),
            (&[], Unknown),
        ];
        for (stored, expected) in cases {
            let found = judge(stored.iter().map(|stored| Witness {
                archived: &archived,
                upgraded: &upgraded,
                stored: stored.as_ref(),
            }));
            assert_eq!(found, expected, "{stored:?}");
        }
    }
}
