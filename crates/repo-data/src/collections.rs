//! The collections of the engine that the service keeps its records in.

use repo_core::{CollectionSchema, Result, Schemas};

/// Datasets.
pub const DATASETS: &str = "datasets";
/// Entries: texts, files, directories.
pub const ENTRIES: &str = "entries";
/// Datapoints.
pub const DATAPOINTS: &str = "datapoints";
/// Revisions of entries.
pub const REVISIONS: &str = "revisions";
/// Blobs, whatever their state.
pub const BLOBS: &str = "blobs";
/// Uploads under way, and the receipts of their parts.
pub const UPLOADS: &str = "uploads";
/// Keys of callers, hashed; a server fills it.
pub const API_KEYS: &str = "api_keys";
/// Counters: what owners, datasets and stores of blobs hold.
pub const USAGE: &str = "usage";
/// What the service keeps of itself: the version of its layout.
pub const SERVICE: &str = "service";

/// Their schemas, to open a store with.
///
/// Where a list is ordered, or the sweeper looks for what is due, there is an index for it: a
/// field that is equal, and then the one that orders. Texts in these are 1,000 bytes at most.
///
/// # Errors
/// None in practice: the declarations are constant.
pub fn schemas() -> Result<Schemas> {
    let mut schemas = Schemas::default();
    for (name, indexes) in DECLARED {
        let mut schema = CollectionSchema::builder(name, "id");
        for index in *indexes {
            schema = schema.index(index);
        }
        schemas.insert(schema.build()?)?;
    }
    Ok(schemas)
}

type Declared = (&'static str, &'static [&'static [&'static str]]);

const DECLARED: &[Declared] = &[
    (DATASETS, &[&["state", "created_at"], &["owner", "created_at"], &["state", "due"]]),
    (
        ENTRIES,
        &[
            &["status", "created_at"],
            &["owner", "created_at"],
            &["dataset", "created_at"],
            &["parent", "name"],
            &["project", "created_at"],
            &["status", "due"],
        ],
    ),
    (
        DATAPOINTS,
        &[
            &["status", "data_timestamp"],
            &["label", "data_timestamp"],
            &["owner", "data_timestamp"],
            &["data_type", "data_timestamp"],
            &["status", "due"],
        ],
    ),
    (REVISIONS, &[&["entry", "number"]]),
    (BLOBS, &[&["state", "due"], &["store", "state"], &["owner", "state"]]),
    (UPLOADS, &[&["state", "due"], &["entry"], &["upload"]]),
    (API_KEYS, &[&["owner"], &["hash"]]),
    (USAGE, &[&["scope", "name"]]),
    (SERVICE, &[]),
];

/// The schemas as a list, for `prepare`.
pub(crate) fn declared() -> Result<Vec<CollectionSchema>> {
    Ok(schemas()?.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_are_schemas() {
        let schemas = schemas().unwrap();
        assert_eq!(schemas.iter().count(), DECLARED.len());
        for schema in schemas.iter() {
            // DynamoDB has 20 indexes a table.
            assert!(schema.indexes.len() <= 20);
        }
    }
}
