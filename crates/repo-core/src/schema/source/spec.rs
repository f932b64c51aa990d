//! What a source says.

use std::collections::BTreeMap;

use super::pattern::FilePattern;
use super::pointer::EntryPointer;
use crate::{CollectionName, FieldPath, Value};

/// Files of another program that hold entities of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSource {
    /// Which files of the folder.
    pub file: FilePattern,
    /// Whether there may be no such file, or no such place in it.
    pub optional: bool,
    /// The file beside each of them that the other program locks (`flock`) while it
    /// writes; `{file}` in it stands for the name of the file.
    pub lock: Option<String>,
    /// The entities in each of them.
    pub entries: SourceEntries,
}

/// Entities within a file, or within another entity.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntries {
    /// Where they are.
    pub pointer: EntryPointer,
    /// What is the id of an entity.
    pub id: SourceId,
    /// The field that a string, number or truth value becomes which stands in the
    /// place of an object; without it such a value is refused.
    pub value_field: Option<String>,
    /// Fields and their new names.
    pub rename: BTreeMap<String, String>,
    /// Fields that every entity gets which does not have them itself.
    pub constant: BTreeMap<String, Value>,
    /// What becomes of an id that stands twice.
    pub on_duplicate: OnDuplicate,
    /// Entities of other collections within each of these. They are taken out of it.
    pub children: Vec<ChildSource>,
}

/// Entities of another collection within an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildSource {
    /// Their collection.
    pub collection: CollectionName,
    /// Fields of the entity around them, by their names there, and the fields that they
    /// become; a field that a child has itself stays.
    pub copy: BTreeMap<String, String>,
    /// The entities.
    pub entries: SourceEntries,
}

/// What is the id of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceId {
    /// The field that the collection calls so.
    OwnField,
    /// A field of another name, which becomes that one.
    Field(String),
    /// The key under which it stands.
    Key,
    /// The same in a place that several collections share: an entry belongs to the
    /// collection whose id field holds its key.
    SharedKey,
}

/// What becomes of an id that stands twice in the files of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// It is an error that names both places.
    #[default]
    Refuse,
    /// What stands later takes the place of what stands earlier.
    Last,
    /// The first of these fields in which both have a different value, times by their
    /// moment and numbers by their size, says which one stays: the later or larger.
    /// Equal entities are one; otherwise it is an error that names both places.
    Newest(Vec<FieldPath>),
}

impl SourceEntries {
    /// The same for each of the children, and theirs.
    pub fn descendants(&self) -> impl Iterator<Item = &ChildSource> {
        let mut open: Vec<&ChildSource> = self.children.iter().rev().collect();
        std::iter::from_fn(move || {
            let next = open.pop()?;
            open.extend(next.entries.children.iter().rev());
            Some(next)
        })
    }
}
