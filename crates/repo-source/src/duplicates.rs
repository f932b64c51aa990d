//! Ids that stand twice: which entity stays, or why nobody can say.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::{Seek as _, SeekFrom};

use plain_json::{JsonReader, errors, spot};
use repo_core::strategy::Record;
use repo_core::{
    CollectionName, Document, Error, ErrorKind, FieldPath, OnDuplicate, Result, Timestamp, Value,
};

use crate::entry::take_apart;
use crate::index::{Index, Place};
use crate::loaded::Loaded;
use crate::read::Reading;
use crate::walk::{Found, Walk};

/// The numbers of those entities of a collection that others of their ids take the place
/// of. `twice` has, for each id, all that carry it.
///
/// # Errors
/// `Invalid`, with both places, where the sources do not say which one stays.
pub(crate) fn superseded(
    loaded: &Loaded,
    collection: &CollectionName,
    index: &Index,
    twice: Vec<Vec<u32>>,
) -> Result<HashSet<u32>> {
    let mut deciding = Deciding { loaded, collection, index, reading: Reading::new(loaded) };
    let mut gone = HashSet::new();
    for numbers in twice {
        let mut numbers = numbers.into_iter();
        let Some(mut stays) = numbers.next() else { continue };
        for next in numbers {
            if deciding.replaces(stays, next)? {
                gone.insert(std::mem::replace(&mut stays, next));
            } else {
                gone.insert(next);
            }
        }
    }
    Ok(gone)
}

struct Deciding<'l> {
    loaded: &'l Loaded,
    collection: &'l CollectionName,
    index: &'l Index,
    reading: Reading<'l>,
}

impl Deciding<'_> {
    /// Whether what stands later takes the place of what stands earlier.
    fn replaces(&mut self, earlier: u32, later: u32) -> Result<bool> {
        let loaded = self.loaded;
        let route = self.index.place(later).and_then(|place| loaded.route(place));
        match route.map(|route| &route.on_duplicate) {
            Some(OnDuplicate::Last) => Ok(true),
            Some(OnDuplicate::Newest(fields)) => {
                let documents = (self.document(earlier)?, self.document(later)?);
                match documents {
                    (Some(a), Some(b)) if a.equals(&b) => Ok(false),
                    (Some(a), Some(b)) => match newer(fields, &a, &b) {
                        Some(order) => Ok(order == Ordering::Less),
                        None => Err(self.refused(earlier, later, Some(fields))),
                    },
                    _ => Err(self.refused(earlier, later, None)),
                }
            }
            _ => Err(self.refused(earlier, later, None)),
        }
    }

    fn document(&mut self, number: u32) -> Result<Option<Document>> {
        let record = self.reading.record(self.collection, self.index, number)?;
        Ok(record.and_then(Record::into_live).map(|entity| entity.document))
    }

    fn refused(&self, earlier: u32, later: u32, fields: Option<&[FieldPath]>) -> Error {
        let (why, hint) = match fields {
            None => (
                "two entities have the same id",
                "remove one of them, or say in the source of the collection which one stays: \
                 \"onDuplicate\": \"last\" or {\"newest\": [FIELD]}",
            ),
            Some(_) => (
                "two entities have the same id, and neither is newer",
                "remove one of them; the files were left as they are",
            ),
        };
        let (Some(first), Some(second)) = (self.index.place(earlier), self.index.place(later))
        else {
            return Error::new(ErrorKind::Invalid, "read a data file", why);
        };
        let (first, second) = (self.locate(first), self.locate(second));
        let error = errors::refused(&second.path, second.byte, &second.pointer, why)
            .with("line", second.line)
            .with("collection", self.collection)
            .with("key", self.index.id(later))
            .with("also_at", first);
        let error = match fields {
            Some(fields) => {
                let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
                error.with("compared", names.join(", "))
            }
            None => error,
        };
        error.hint(hint)
    }

    /// Looks for the place once more, as people name it.
    fn locate(&self, place: Place) -> Spot {
        let path = self.loaded.file(place).map(|file| file.path.clone()).unwrap_or_default();
        let line = spot::look(&path, place.offset).map_or(0, |spot| spot.line);
        let pointer = pointer_of(self.loaded, place).unwrap_or_default();
        Spot { path, line, byte: place.offset, pointer }
    }
}

/// A place as people name it.
struct Spot {
    path: std::path::PathBuf,
    line: u64,
    byte: u64,
    pointer: String,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, byte, pointer } = self;
        write!(f, "{} line {line}, byte {byte}, {pointer}", path.display())
    }
}

/// The JSON Pointer of a place: the file is read once more, up to its end.
fn pointer_of(loaded: &Loaded, place: Place) -> Option<String> {
    let (file, route) = (loaded.file(place)?, loaded.file_route(place)?);
    let most = loaded.max_entity_bytes;
    let mut pointer = None;
    let mut each = |found: Found<'_>| {
        if found.start == place.offset && pointer.is_none() {
            let parts = take_apart(&route.root, found.key, found.raw, most);
            let part = parts.get(place.part as usize);
            pointer = part.map(|part| format!("{}{}", found.pointer, part.pointer));
        }
        Ok(())
    };
    let mut from = &file.file;
    from.seek(SeekFrom::Start(0)).ok()?;
    let reader = JsonReader::new(from, &file.path, Loaded::longest(most));
    let walk = Walk { reader, path: &file.path, optional: true, each: &mut each };
    walk.run(route.root.pointer.steps()).ok()?;
    pointer
}

/// Which of two documents is newer: `Less` when it is the second. `None` when no field
/// says.
fn newer(fields: &[FieldPath], first: &Document, second: &Document) -> Option<Ordering> {
    fields.iter().find_map(|field| {
        let order = compare(&first.get(field)?, &second.get(field)?)?;
        (order != Ordering::Equal).then_some(order)
    })
}

/// The order of two numbers, or of two times.
fn compare(first: &Value, second: &Value) -> Option<Ordering> {
    match (first, second) {
        (Value::Number(first), Value::Number(second)) => Some(first.cmp(second)),
        (Value::String(first), Value::String(second)) => {
            let zoned = Timestamp::parse(first).ok().zip(Timestamp::parse(second).ok());
            // Two times without a zone are of one zone; one alone says nothing.
            let local = || {
                let [first, second] = [first, second].map(|text| format!("{text}Z"));
                Timestamp::parse(&first).ok().zip(Timestamp::parse(&second).ok())
            };
            zoned.or_else(local).map(|(first, second)| first.cmp(&second))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_that_differs_says_which_is_newer() {
        let fields: Vec<FieldPath> =
            ["updated_at", "version"].map(|name| FieldPath::parse(name).unwrap()).into();
        let order = |first: &str, second: &str| {
            let [first, second] = [first, second].map(|text| Document::parse(text).unwrap());
            newer(&fields, &first, &second)
        };
        for (first, second, expected) in [
            (r#"{"version": 2}"#, r#"{"version": 10}"#, Some(Ordering::Less)),
            (r#"{"version": 2.5}"#, r#"{"version": 2.50}"#, None),
            (
                r#"{"updated_at": "2026-03-01T10:00:00+02:00", "version": 9}"#,
                r#"{"updated_at": "2026-03-01T08:00:00.5Z", "version": 1}"#,
                Some(Ordering::Less),
            ),
            (
                r#"{"updated_at": "2026-03-01T08:00:01", "version": 1}"#,
                r#"{"updated_at": "2026-03-01T08:00:00.999999", "version": 2}"#,
                Some(Ordering::Greater),
            ),
            // One time has a zone and the other none: the next field decides.
            (
                r#"{"updated_at": "2026-03-01T08:00:00", "version": 1}"#,
                r#"{"updated_at": "2026-03-02T08:00:00Z", "version": 2}"#,
                Some(Ordering::Less),
            ),
            (r#"{"updated_at": null, "version": 2}"#, r#"{"version": 1}"#, Some(Ordering::Greater)),
            (r#"{"updated_at": "soon"}"#, r#"{"updated_at": "later"}"#, None),
            ("{}", "{}", None),
        ] {
            assert_eq!(order(first, second), expected, "{first} {second}");
        }
    }
}
