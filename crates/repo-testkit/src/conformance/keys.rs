//! Collection names and ids: what is one, and in which order ids stand.

use std::collections::BTreeSet;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionName, CollectionSchema, EntityId, ErrorKind, Filter, Query};

use super::support::{
    assert_kind, collection, count, delete, entity, fill, find_ids, id, key, put, records, save,
};
use crate::Fixture;

/// Ids that some store or some layer in between might fold, trim or misread.
const UNUSUAL_IDS: [&str; 44] = [
    "a",
    "A",
    "a ",
    " a",
    " ",
    "  ",
    "ä",
    "a\u{308}",
    "é",
    "e\u{301}",
    "ﬁ",
    "fi",
    "ß",
    "ss",
    "İ",
    "i",
    "ı",
    "I",
    "1",
    "01",
    "1.0",
    "1e0",
    "null",
    "true",
    "NaN",
    "a/b",
    "a\\b",
    "..",
    ".",
    "~",
    "a%2Fb",
    "%",
    "_",
    "a'b",
    "a\"b",
    "'; --",
    "a:b",
    "a#b",
    "$id",
    "{}",
    "日本語",
    "😀",
    "\u{200b}",
    "\u{feff}a",
];

/// A collection name matches `[a-z][a-z0-9_]{0,47}`.
pub async fn collection_names_follow_the_rule(_: Fixture) {
    let longest = format!("a{}", "0_".repeat(23) + "9");
    assert_eq!(longest.len(), 48);
    for name in ["a", "z9", "a_", "machines", &longest] {
        assert_eq!(CollectionName::new(name).unwrap().as_str(), name);
    }
    let too_long = format!("{longest}x");
    for name in ["", "A", "aB", "1a", "_a", "a-b", "a.b", "ä", "aä", "a b", "a\0", "a\n", &too_long]
    {
        assert_kind(CollectionName::new(name), ErrorKind::Invalid);
    }
}

/// Every name that follows the rule can be used, also words that mean
/// something to a store, a language or a file system.
pub async fn any_name_can_be_a_collection(f: Fixture) {
    let longest = "a234567890123456789012345678901234567890123456_8";
    let almost = "a234567890123456789012345678901234567890123456_9";
    let names = [
        "a",
        "b2",
        "order",
        "select",
        "table",
        "group",
        "user",
        "index",
        "values",
        "rowid",
        "sqlite_things",
        "pg_things",
        "con",
        "nul",
        "meta",
        "journal",
        "lock",
        "document",
        "id",
        longest,
        almost,
    ];
    let store = f.open().await;
    let schemas = names.map(|name| CollectionSchema::undeclared(collection(name)));
    store.prepare(&schemas).await.unwrap();
    fill(&store, names.map(|name| put(&key(name, "x"), &format!("\"c\":\"{name}\""))).into()).await;
    for name in names {
        let text = entity(&store, &key(name, "x")).await.document.to_string();
        assert!(text.contains(&format!("\"{name}\"")), "{name}: {text}");
        assert_eq!(count(&store, name, &Filter::default()).await, 1, "{name}");
    }
    let mut sorted: Vec<_> = names.map(collection).into();
    sorted.sort();
    assert_eq!(store.collections().await.unwrap(), sorted);
}

/// An id is 1–255 Unicode characters without control characters.
pub async fn ids_follow_the_rule(_: Fixture) {
    let longest = "😀".repeat(255);
    for text in ["x", " ", "\u{a0}", "\u{2028}", "\u{ffff}", "\u{10ffff}", &longest] {
        assert_eq!(EntityId::new(text).unwrap().as_str(), text);
    }
    let too_long = "x".repeat(256);
    for text in ["", "\0", "a\nb", "\t", "\u{1f}", "\u{7f}", "\u{80}", "\u{9f}", &too_long] {
        assert_kind(EntityId::new(text), ErrorKind::Invalid);
    }
}

/// Ids are compared exactly: nothing is folded, trimmed or normalised.
pub async fn unusual_ids_are_kept_apart(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let keys = UNUSUAL_IDS.map(|text| key(name, text));
        let numbered = keys.iter().enumerate().map(|(at, key)| put(key, &format!("\"n\":{at}")));
        fill(&store, numbered.collect()).await;
        for (at, key) in keys.iter().enumerate() {
            let found = entity(&store, key).await;
            assert_eq!(found.id, key.id);
            assert_eq!(found.version.get(), 1, "{key:?}");
            let n = repo_core::FieldPath::parse("n").unwrap();
            assert_eq!(found.document.get_text(&n), Some(at.to_string().as_str()), "{key:?}");
        }
        let scanned: BTreeSet<String> =
            records(&store, name).await.iter().map(|record| record.id().to_string()).collect();
        assert_eq!(scanned, UNUSUAL_IDS.map(str::to_owned).into());
        delete(&store, &keys[0]).await;
        let left = UNUSUAL_IDS.len() - 1;
        assert_eq!(count(&store, name, &Filter::default()).await, left as u64);
    }
}

/// 255 characters fit, of whatever length in bytes, and two such ids that
/// differ in the last one are two.
pub async fn ids_may_have_255_characters(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        for start in ["x", "é", "日", "😀"] {
            let ids = ["1", "2"].map(|end| start.repeat(254) + end);
            for (text, n) in ids.iter().zip([1, 2]) {
                assert_eq!(save(&store, &key(name, text), &format!("\"n\":{n}")).await, 1);
            }
            for text in &ids {
                let found = store.get(&collection(name), &id(text)).await.unwrap();
                assert_eq!(found.unwrap().id.as_str(), text);
            }
        }
    }
}

/// Where ids are ordered, it is by their UTF-8 bytes, ascending in both
/// directions of an order.
pub async fn ids_are_ordered_by_their_utf8_bytes(f: Fixture) {
    let store = f.prepared().await;
    let ordered = ["B", "Z", "_", "a", "a-b", "ab", "é", "\u{e000}", "\u{ffee}", "\u{1f600}"];
    let mixed = [3, 9, 0, 7, 5, 1, 8, 2, 6, 4];
    for name in ["items", "things"] {
        fill(&store, mixed.map(|at| put(&key(name, ordered[at]), "\"status\":\"same\"")).into())
            .await;
        for field in ["status", "absent", "meta.kind"] {
            for direction in ["asc", "desc"] {
                let query = Query::all().order_by(&format!("{field}:{direction}")).unwrap();
                for limit in [1, 3, 100] {
                    let query = query.clone().limit(limit).unwrap();
                    let found = find_ids(&store, name, query).await;
                    assert_eq!(found, ordered, "{name} by {field}:{direction}, {limit} a page");
                }
            }
        }
    }
}
