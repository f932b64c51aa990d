//! How tables, attributes and indexes are called.

use repo_core::{CollectionName, CollectionSchema, FieldPath};

/// The newest version of the layout that this code reads and writes. Layout 1
/// is the same without the store's id, layout 2 without captured changes and
/// histories.
pub(crate) const LAYOUT_VERSION: u32 = 3;
/// The first layout whose programs capture changes and keep histories.
pub(crate) const FEED_LAYOUT: u32 = 3;

/// The version of the record, a number.
pub(crate) const VERSION: &str = "_version";
/// When the entity was created; only live items have it.
pub(crate) const CREATED: &str = "_created_at";
/// When this version was written.
pub(crate) const UPDATED: &str = "_updated_at";
/// The document, a map; only live items have it.
pub(crate) const DOCUMENT: &str = "document";
/// The generation of the indexes that the item was written for.
pub(crate) const GENERATION: &str = "_indexed";
/// Only on what remains of a purged tombstone: since when, in seconds since
/// 1970. Such an item is no record.
pub(crate) const PURGED: &str = "_purged";

/// The partition key of the store's own table.
pub(crate) const STORE_KEY: &str = "_key";
/// The key of the store's own record in that table.
pub(crate) const RECORD_KEY: &str = "store";

/// The partition key of the table of changes: a generation of the capture and one of
/// its shards.
pub(crate) const SHARD_KEY: &str = "_shard";
/// The sort key of the table of changes.
pub(crate) const PLACE_KEY: &str = "_place";

/// The partition key of the table of older versions: the number of a history, and a
/// record. Its sort key is [`VERSION`].
pub(crate) const RECORD_OF_KEY: &str = "_record";
/// Only on an older version of which nothing is kept but that it was there.
pub(crate) const REMOVED: &str = "_removed";

const OWN_ATTRIBUTES: [&str; 6] = [VERSION, CREATED, UPDATED, DOCUMENT, GENERATION, PURGED];

/// Most indexes of a table (Amazon DynamoDB Developer Guide, "Quotas").
pub(crate) const MAX_INDEXES: usize = 20;

const HASH: &str = ".hash";
const RANGE: &str = ".range";

/// Longest name of an index: its attributes, whose names are longer, have at
/// most 255 characters (Amazon DynamoDB Developer Guide, "Quotas").
const MAX_INDEX_NAME_CHARS: usize = 255 - RANGE.len();

/// The table of a collection.
pub(crate) fn table_name(prefix: &str, collection: &CollectionName) -> String {
    format!("{prefix}_{collection}")
}

/// The store's own table. No collection's name begins with an underscore.
pub(crate) fn store_table_name(prefix: &str) -> String {
    format!("{prefix}__store")
}

/// The table of the captured changes.
pub(crate) fn feed_table_name(prefix: &str) -> String {
    format!("{prefix}__changes")
}

/// The table of older versions.
pub(crate) fn versions_table_name(prefix: &str) -> String {
    format!("{prefix}__versions")
}

/// How one collection lies in its table.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) table: String,
    /// The schema that the collection was prepared with.
    pub(crate) schema: CollectionSchema,
    /// Raised whenever the indexes change.
    pub(crate) generation: u64,
    /// The indexes that writes fill, usable ones and those being made.
    pub(crate) indexes: Vec<Index>,
}

impl Layout {
    /// The name of the partition key: the id field.
    pub(crate) fn id_name(&self) -> &str {
        self.schema.id_name()
    }
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    /// As operators know it: `template_id-created_at-index`.
    pub(crate) name: String,
    /// One or more fields. The first is the partition key, the second is in
    /// the sort key.
    pub(crate) fields: Vec<FieldPath>,
    /// The attribute with the partition key.
    pub(crate) hash: String,
    /// The attribute with the sort key.
    pub(crate) range: String,
    /// Whether queries may use it.
    pub(crate) ready: bool,
}

impl Index {
    /// An index of this name.
    pub(crate) fn named(name: String, fields: Vec<FieldPath>, ready: bool) -> Self {
        Self { hash: format!("{name}{HASH}"), range: format!("{name}{RANGE}"), name, fields, ready }
    }

    /// The indexes of a schema, none of them ready.
    pub(crate) fn of_schema(schema: &CollectionSchema) -> Vec<Self> {
        let mut indexes: Vec<Self> = Vec::new();
        for fields in &schema.indexes {
            if indexes.iter().any(|index| index.fields == *fields) {
                continue;
            }
            indexes.push(Self::named(index_name(fields), fields.clone(), false));
        }
        indexes
    }
}

fn joined(fields: &[FieldPath]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// The name of the index on these fields, and of no other. Fields whose names
/// cannot stand in it, or that hold the sign that joins them, add a hash.
fn index_name(fields: &[FieldPath]) -> String {
    let name = format!("{}-index", joined(fields));
    let joins = fields.iter().any(|path| path.to_string().contains('-'));
    if !joins && name.len() <= MAX_INDEX_NAME_CHARS && name.chars().all(is_name_char) {
        return name;
    }
    let plain: String = joined(fields).chars().filter(|c| is_name_char(*c)).take(200).collect();
    let exact = fields.iter().flat_map(|path| [path.to_pointer(), " ".to_owned()]);
    format!("{plain}-{:016x}-index", fnv(&exact.collect::<String>()))
}

/// FNV-1a: the same in every build and on every machine.
pub(crate) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Why a name cannot be the name of the partition key, if so.
pub(crate) fn id_name_conflict(id_name: &str, indexes: &[Index]) -> Option<&'static str> {
    if id_name.len() > 255 {
        return Some("a key's name has at most 255 bytes");
    }
    let own = OWN_ATTRIBUTES.contains(&id_name);
    let derived = indexes.iter().any(|index| index.hash == id_name || index.range == id_name);
    (own || derived).then_some("the name of the id field is the name of an attribute of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(indexes: &[&[&str]]) -> CollectionSchema {
        let mut schema = CollectionSchema::undeclared(CollectionName::new("c").unwrap());
        let path = |text: &&str| FieldPath::parse(text).unwrap();
        schema.indexes = indexes.iter().map(|fields| fields.iter().map(path).collect()).collect();
        schema
    }

    #[test]
    fn indexes_have_the_names_that_operators_know() {
        let indexes = Index::of_schema(&schema(&[
            &["status"],
            &["template_id", "created_at"],
            &["meta.kind"],
            &["status"],
        ]));
        let names: Vec<&str> = indexes.iter().map(|index| index.name.as_str()).collect();
        assert_eq!(names, ["status-index", "template_id-created_at-index", "meta.kind-index"]);
        assert_eq!(indexes[1].hash, "template_id-created_at-index.hash");
    }

    #[test]
    fn names_that_cannot_be_are_shortened_and_kept_apart() {
        let long = "x".repeat(300);
        let indexes = Index::of_schema(&schema(&[
            &["é"],
            &["a b"],
            &["ab"],
            &[&long],
            &["a-b"],
            &["a", "b"],
        ]));
        for index in &indexes {
            assert!(index.range.len() <= 255 && index.name.chars().all(is_name_char));
        }
        let mut names: Vec<&str> = indexes.iter().map(|index| index.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 6);
    }
}
