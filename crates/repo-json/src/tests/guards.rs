//! What two at work at the same time must not do to each other, and what a
//! changed configuration must not do to a store.

use repo_core::{CollectionSchema, ErrorKind, Filter, StorageStrategy as _};
use serde_json::json;

use super::{Fixture, document, name, save, schemas};
use crate::hooks::Hooks;
use crate::index::{Indexes, usable};

#[test]
fn a_write_while_an_index_is_filled_is_in_it() {
    let declared = schemas();
    let schema = declared.iter().next().unwrap();
    let mut indexes = Indexes::new(schema);
    let unchanged = document("a", 2);
    indexes.replace("a", Some(&unchanged), Some(&document("a", 4)));
    indexes.complete = true;
    let usable = usable(schema, &Filter::parse(r#"{"status": "EVEN"}"#).unwrap());
    let (_, ids) = indexes.candidates(&usable).unwrap();
    assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn two_collections_never_share_a_split_file() {
    let split = |names| {
        Fixture::new(
            json!({ "storage_type": "split_files", "filenames": { "split_files": names } }),
        )
    };
    let declared = split(json!({ "machines": "requests.json" }));
    let error = declared.try_open(&declared.path(), false, Hooks::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("machines, requests"), "{error}");

    let prepared = split(json!({ "machines": "other.json" }));
    let other = CollectionSchema::undeclared(name("other"));
    let store = prepared.open();
    let error = store.prepare(std::slice::from_ref(&other)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "on making the store");
    store.close().await.unwrap();
    let store = prepared.prepared().await;
    save(&store, "machines", "a", 1).await;
    let error = store.prepare(&[other]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "on adding to the store");
    store.close().await.unwrap();
    assert_eq!(prepared.json("other.json")["a"]["n"], 1);
}
