//! What is the same for tables of another program in every dialect: the cases,
//! and what a dialect gives them.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod ids;
pub(crate) mod reading;
pub(crate) mod refusals;
pub(crate) mod values;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::{OpenOptions, Record, ScanOptions, StorageStrategy};
use repo_core::{CollectionName, CollectionSchema, Entity, EntityId, Error, Schemas};

pub(crate) type Store = Arc<dyn StorageStrategy>;

/// A database of another program.
#[async_trait]
pub(crate) trait Database: Sync {
    /// Runs statements as that program would.
    async fn run(&self, sql: &str);

    async fn open(&self, options: OpenOptions) -> Result<Store, Error>;

    /// Whether it is SQLite, where a statement has to differ.
    fn is_sqlite(&self) -> bool;
}

/// Runs each case on a dialect's database as a test of its own.
macro_rules! cases {
    ($database:expr => $($module:ident :: $case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::existing::$module::$case(&$database.await).await;
            }
        )+
    };
}
pub(crate) use cases;

/// Every case that both dialects run.
macro_rules! all_cases {
    ($database:expr) => {
        $crate::existing::cases! { $database =>
            values::the_tables_of_an_older_broker_are_read,
            values::a_value_is_what_the_schema_says,
            values::what_the_schema_does_not_know_is_kept,
            values::null_is_left_out_unless_the_schema_allows_it,
            values::no_digit_is_lost,
            values::text_that_is_no_json_is_named,
            values::several_rows_that_cannot_be_read_are_named,
            values::bytes_are_named,
            values::a_number_that_is_none_is_named,
            values::a_document_rule_is_named_by_its_column,
            reading::every_row_is_read_once_whatever_the_batch,
            reading::segments_are_disjoint_and_complete,
            reading::queries_filter_order_and_page,
            reading::entities_are_found_by_id,
            reading::an_empty_table_is_an_empty_collection,
            reading::what_it_is_is_told,
            reading::names_may_hold_anything,
            reading::case_of_names_does_not_matter,
            ids::a_row_without_an_id_is_named,
            ids::what_is_no_id_is_named_by_its_row,
            ids::ids_of_255_characters_are_read,
            ids::whole_numbers_are_ids,
            refusals::no_write_is_taken,
            refusals::opening_for_writing_is_refused,
            refusals::tables_that_do_not_fit_say_why,
            refusals::a_collection_without_a_table_is_not_found,
            refusals::a_closed_store_says_so,
            refusals::a_table_that_changes_is_told_as_theirs,
        }
    };
}
pub(crate) use all_cases;

/// Things by their id in `key`, with a field of each type.
pub(crate) const THINGS: &str = r#"{
    "type": "object",
    "x-repository": {"collection": "things", "idField": "key", "indexes": [["status"]]},
    "properties": {
        "key": {"type": "string"}, "status": {"type": "string"},
        "note": {"type": ["string", "null"]}, "count": {"type": "integer"},
        "price": {"type": "number"}, "spot": {"type": "boolean"},
        "tags": {"type": "object"}, "disks": {"type": ["array", "null"]},
        "since": {"type": ["string", "integer", "null"]}, "any": {}
    }
}"#;

pub(crate) fn things() -> CollectionSchema {
    CollectionSchema::parse(THINGS).unwrap()
}

/// Things in a table of another name.
pub(crate) fn things_in(table: &str) -> CollectionSchema {
    CollectionSchema { table: Some(table.to_owned()), ..things() }
}

/// The collections that come with the program.
pub(crate) fn host_factory() -> Schemas {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/collections");
    Schemas::load_dir(&folder).unwrap()
}

pub(crate) fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

pub(crate) fn id(id: &str) -> EntityId {
    EntityId::new(id).unwrap()
}

pub(crate) fn reading(schemas: Schemas) -> OpenOptions {
    OpenOptions::default().with_read_only(true).with_schemas(Arc::new(schemas))
}

/// Opens the things for reading.
pub(crate) async fn try_open(database: &impl Database) -> Result<Store, Error> {
    database.open(reading(Schemas::from_iter([things()]))).await
}

pub(crate) async fn open(database: &impl Database) -> Store {
    try_open(database).await.unwrap()
}

/// All records of a scan.
pub(crate) async fn try_scan(
    store: &Store,
    name: &str,
    options: ScanOptions,
) -> Result<Vec<Record>, Error> {
    let batches = repo_testkit::batches(store.scan(&collection(name), options).await?).await?;
    assert!(batches.iter().all(|batch| !batch.is_empty()));
    assert!(batches.iter().all(|batch| batch.len() <= options.batch_size.get()));
    Ok(batches.concat())
}

/// The live entities of a collection.
pub(crate) async fn entities(store: &Store, name: &str) -> Vec<Entity> {
    let records = try_scan(store, name, ScanOptions::default()).await.unwrap();
    records.into_iter().filter_map(Record::into_live).collect()
}

/// The documents of a collection as text, by id.
pub(crate) async fn documents(store: &Store, name: &str) -> Vec<String> {
    entities(store, name).await.iter().map(|entity| entity.document.to_string()).collect()
}

/// The error of reading the things.
pub(crate) async fn unreadable(database: &impl Database) -> Error {
    let store = open(database).await;
    let error = try_scan(&store, "things", ScanOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), repo_core::ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("table"), Some("things"), "{error}");
    assert!(error.hint_text().is_some(), "{error}");
    error
}
