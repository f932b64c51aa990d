//! What no store accepts: each rule, with the place, and nothing written.

use repo_core::strategy::Record;
use repo_core::{
    Document, Entity, Error, ErrorKind, Filter, Key, Precondition, Query, Result, Timestamp, Write,
};

use super::support::{
    assert_kind, count, document, everything, fill, filter, find_ids, id_field, json_string, key,
    live, put, save, version,
};
use crate::{Fixture, Store};

fn parse(key: &Key, text: &str) -> Result<Document> {
    let name = id_field(key.collection.as_str());
    Document::parse(&text.replace("ID", &format!("\"{name}\":{}", json_string(key.id.as_str()))))
}

/// Each rule on the text of a document is `Invalid` with a JSON Pointer to
/// the place. Documents are checked where they enter, so a commit cannot even
/// be made of one.
pub async fn each_rule_on_the_text_is_invalid_with_its_place(_: Fixture) {
    let deep = |levels: usize| {
        format!("{{ID,\"d\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
    };
    let digits = "1".repeat(39);
    let cases: Vec<(String, &str)> = vec![
        ("[ID]".replace("ID", "1"), ""),
        ("\"text\"".into(), ""),
        ("null".into(), ""),
        ("1".into(), ""),
        ("{ID,\"a\":1,\"a\":1}".into(), "/a"),
        ("{ID,\"x\":[{\"b\":1,\"\\u0062\":2}]}".into(), "/x/0/b"),
        ("{ID,\"\":1}".into(), ""),
        ("{ID,\"x\":{\"\":1}}".into(), "/x"),
        (format!("{{ID,\"x\":{{\"{}\":1}}}}", "k".repeat(65_536)), "/x"),
        ("{ID,\"s\":\"a\\u0000b\"}".into(), "/s"),
        ("{ID,\"x\":{\"a\\u0000\":1}}".into(), "/x"),
        ("{ID,\"s\":\"\\ud800\"}".into(), "/s"),
        ("{ID,\"s\":[\"\\udc00x\"]}".into(), "/s/0"),
        ("{ID,\"s\":\"\\ud83d\\u0041\"}".into(), "/s"),
        (format!("{{ID,\"n\":{digits}}}"), "/n"),
        (format!("{{ID,\"n\":[0.{digits}]}}"), "/n/0"),
        ("{ID,\"n\":1e126}".into(), "/n"),
        ("{ID,\"n\":-1e126}".into(), "/n"),
        ("{ID,\"n\":9.9e-131}".into(), "/n"),
        ("{ID,\"a/b~c\":{\"n\":1e999}}".into(), "/a~1b~0c/n"),
        ("{ID,\"_version\":1}".into(), "/_version"),
        ("{ID,\"_created_at\":null}".into(), "/_created_at"),
        ("{ID,\"_updated_at\":\"x\"}".into(), "/_updated_at"),
        ("{ID,\"_deleted\":false}".into(), "/_deleted"),
        ("{ID,\"n\":NaN}".into(), "/n"),
        ("{ID,\"n\":01}".into(), "/n"),
        ("{ID".into(), ""),
        ("{ID} {}".into(), ""),
        ("".into(), ""),
    ];
    let key = key("items", "a");
    for (text, pointer) in &cases {
        let error = assert_kind(parse(&key, text), ErrorKind::Invalid);
        assert_eq!(error.context_value("pointer"), Some(*pointer), "{text}: {error}");
    }
    assert_kind(parse(&key, &deep(32)), ErrorKind::Invalid);
    assert!(parse(&key, &deep(31)).is_ok());
    assert_kind(Document::from_slice(b"{\"id\":\"\xff\"}"), ErrorKind::Invalid);
}

/// The same document by every way of writing it.
async fn assert_refused(store: &Store, key: &Key, document: &Document, pointer: &str) {
    for error in refusals(store, key, document, ErrorKind::Invalid).await {
        assert_eq!(error.context_value("pointer"), Some(pointer), "{document}: {error}");
    }
}

/// The errors of every way of writing a document. Nothing is left of it.
async fn refusals(store: &Store, key: &Key, document: &Document, kind: ErrorKind) -> Vec<Error> {
    let before = everything(store).await;
    let at = Timestamp::from_micros(1).unwrap();
    let entity = Entity {
        collection: key.collection.clone(),
        id: key.id.clone(),
        version: version(1_000),
        created_at: at,
        updated_at: at,
        document: document.clone(),
    };
    let write = |precondition| Write::put(key.clone(), document.clone(), precondition);
    let answers = [
        store.commit(vec![write(Precondition::Any)]).await.map(|_| ()),
        store.commit(vec![write(Precondition::Absent)]).await.map(|_| ()),
        store.apply(vec![Record::Live(entity)]).await.map(|_| ()),
    ];
    let errors = answers.map(|answer| assert_kind(answer, kind));
    assert_eq!(everything(store).await, before, "{document} left something");
    errors.into()
}

/// The collection's id field has to be there, a string, and equal to the id.
pub async fn the_id_field_has_to_equal_the_id(f: Fixture) {
    let store = f.prepared().await;
    let cases = [
        ("items", "{}"),
        ("items", r#"{"id":null}"#),
        ("items", r#"{"id":1}"#),
        ("items", r#"{"id":["1"]}"#),
        ("items", r#"{"id":""}"#),
        ("items", r#"{"id":"01"}"#),
        ("items", r#"{"id":"1 "}"#),
        ("items", r#"{"ID":"1"}"#),
        ("items", r#"{"thing_id":"1"}"#),
        ("things", r#"{"id":"1"}"#),
        ("things", r#"{"id":"1","thing_id":"2"}"#),
        ("things", r#"{"meta":{"thing_id":"1"}}"#),
    ];
    for (name, text) in cases {
        let pointer = format!("/{}", id_field(name));
        let document = Document::parse(text).unwrap();
        assert_refused(&store, &key(name, "1"), &document, &pointer).await;
    }
}

/// An indexed field holds at most 1,000 bytes of text, whatever its declared
/// type; 1,000 bytes are found again by it.
pub async fn an_indexed_field_holds_at_most_1000_bytes_of_text(f: Fixture) {
    let store = f.prepared().await;
    let fields = ["status", "price", "count", "flag", "any", "owner", "rank"];
    for (most, over) in
        [("x".repeat(1_000), "x".repeat(1_001)), ("€".repeat(333) + "x", "€".repeat(334))]
    {
        assert_eq!(most.len(), 1_000);
        for field in fields {
            let key = key("things", field);
            let document = document(&key, &format!("\"{field}\":\"{over}\""));
            assert_refused(&store, &key, &document, &format!("/{field}")).await;
            save(&store, &key, &format!("\"{field}\":\"{most}\"")).await;
            let query = Query::new(filter(&format!("{{\"{field}\":\"{most}\"}}")));
            assert_eq!(find_ids(&store, "things", query).await, [field]);
        }
        let key = key("things", "nested");
        let nested = document(&key, &format!("\"meta\":{{\"kind\":\"{over}\"}}"));
        assert_refused(&store, &key, &nested, "/meta/kind").await;
        save(&store, &key, &format!("\"meta\":{{\"kind\":\"{most}\"}}")).await;
        let query = Query::new(filter(&format!("{{\"meta.kind\":\"{most}\"}}")));
        assert_eq!(find_ids(&store, "things", query).await, ["nested"]);
        // Neither an array nor a field without an index is bound by it.
        save(&store, &key, &format!("\"any\":[\"{over}\"],\"text\":\"{over}\"")).await;
    }
}

/// Adds text to a document until it has exactly `size` bytes.
fn of_size(key: &Key, size: usize) -> Document {
    let empty = document(key, "\"text\":\"\"").size();
    document(key, &format!("\"text\":\"{}\"", "x".repeat(size - empty)))
}

/// A document of the limit is kept, one of a byte more is refused: as invalid,
/// or, where the limit is the store's own and the configuration allows more, as
/// above the limit.
pub async fn the_size_limit_is_exact(f: Fixture) {
    let key = key("items", "big");
    let mut store = f.prepared().await;
    let default = store.capabilities().max_entity_bytes;
    assert!(default <= repo_core::DEFAULT_MAX_ENTITY_BYTES);
    for limit in [1_000, repo_core::DEFAULT_MAX_ENTITY_BYTES, 1_000_000] {
        store.close().await.unwrap();
        drop(store);
        let options = f.options().with_max_entity_bytes(limit);
        store = f.open_with(options).await.unwrap();
        let most = store.capabilities().max_entity_bytes;
        assert!(most <= limit, "the store takes {most} bytes where {limit} are allowed");
        assert!(most >= limit.min(default), "the store takes {most} bytes of {limit}");
        let largest = of_size(&key, most);
        assert_eq!(largest.size(), most);
        store
            .commit(vec![Write::put(key.clone(), largest.clone(), Precondition::Any)])
            .await
            .unwrap();
        assert!(super::support::entity(&store, &key).await.document.equals(&largest));
        let larger = of_size(&key, most + 1);
        if most < limit {
            for error in refusals(&store, &key, &larger, ErrorKind::LimitExceeded).await {
                assert_eq!(error.context_value("limit"), Some(most.to_string().as_str()));
            }
        } else {
            assert_refused(&store, &key, &larger, "").await;
        }
    }
}

/// One invalid document in a commit, and none of its writes happens.
pub async fn nothing_is_written_when_one_document_is_invalid(f: Fixture) {
    let store = f.prepared().await;
    let (there, fresh) = (key("items", "there"), key("notes", "fresh"));
    save(&store, &there, "\"n\":1").await;
    let before = everything(&store).await;
    let bad_key = key("things", "bad");
    let bad =
        Write::put(bad_key, Document::parse(r#"{"thing_id":"x"}"#).unwrap(), Precondition::Any);
    let good = [
        put(&fresh, "\"n\":1"),
        Write::delete(there.clone(), Precondition::Any),
        put(&key("things", "good"), ""),
    ];
    for place in 0..=good.len() {
        let mut writes = good.to_vec();
        writes.insert(place, bad.clone());
        assert_kind(store.commit(writes).await, ErrorKind::Invalid);
        assert_eq!(everything(&store).await, before);
    }
    // The refused writes left no version behind either.
    assert_eq!(save(&store, &fresh, "").await, 1);
    assert_eq!(save(&store, &there, "").await, 2);
}

/// One invalid record in `apply`, and none of its records is written.
pub async fn nothing_is_applied_when_one_record_is_invalid(f: Fixture) {
    let store = f.prepared().await;
    let keys: Vec<Key> = (0..50).map(|n| key("items", &format!("{n:02}"))).collect();
    fill(&store, keys[..5].iter().map(|key| put(key, "")).collect()).await;
    let before = everything(&store).await;
    for place in [0, 25, 49] {
        let mut records: Vec<Record> = keys.iter().map(|key| live(key, 9, "", 1)).collect();
        if let Record::Live(entity) = &mut records[place] {
            entity.document = Document::parse(r#"{"id":"other"}"#).unwrap();
        }
        assert_kind(store.apply(records).await, ErrorKind::Invalid);
        assert_eq!(everything(&store).await, before);
    }
    assert_eq!(count(&store, "items", &Filter::default()).await, 5);
}
