//! Documents are equal as JSON: numbers by exact value, keys in any order.

use repo_core::Document;
use repo_core::strategy::Applied;

use super::support::{entity, filter, find_ids, key, live, save};
use crate::Fixture;

/// Spellings of equal fields, and of fields that only look alike.
const EQUAL: [(&str, &str); 7] = [
    (r#""n":1.50"#, r#""n":15e-1"#),
    (r#""n":-0"#, r#""n":0.0"#),
    (r#""n":100"#, r#""n":1E2"#),
    (r#""s":"é""#, r#""s":"\u00e9""#),
    (r#""a":1,"b":[2,{"c":3,"d":4}]"#, r#""b":[2.0,{"d":4,"c":3}],"a":1"#),
    (r#""s":"\/""#, r#""s":"/""#),
    (r#""n":12345678901234567890"#, r#""n":1.234567890123456789e19"#),
];
const DIFFERENT: [(&str, &str); 9] = [
    (r#""n":1"#, r#""n":"1""#),
    (r#""n":1"#, r#""n":true"#),
    (r#""n":0"#, r#""n":false"#),
    (r#""n":null"#, ""),
    (r#""n":[1,2]"#, r#""n":[2,1]"#),
    (r#""n":[]"#, r#""n":{}"#),
    (r#""n":12345678901234567890"#, r#""n":12345678901234567891"#),
    (r#""n":0.1"#, r#""n":0.1000000000000000055511151231257827"#),
    (r#""s":"é""#, "\"s\":\"e\u{301}\""),
];

/// What is stored is compared as JSON with what `apply` brings.
pub async fn stored_documents_are_compared_as_json(f: Fixture) {
    let store = f.prepared().await;
    for (at, (one, other)) in EQUAL.iter().enumerate() {
        let key = key("things", &format!("equal {at}"));
        save(&store, &key, one).await;
        let answer = store.apply(vec![live(&key, 1, other, 5)]).await.unwrap();
        assert_eq!(answer, [Applied::Equal], "{one} and {other}");
    }
    for (at, (one, other)) in DIFFERENT.iter().enumerate() {
        let key = key("things", &format!("different {at}"));
        save(&store, &key, one).await;
        let answer = store.apply(vec![live(&key, 1, other, 5)]).await.unwrap();
        assert_eq!(answer, [Applied::Diverged], "{one} and {other}");
    }
}

/// The canonical digest of what is read back depends on the content alone.
pub async fn equal_documents_have_equal_digests(f: Fixture) {
    let store = f.prepared().await;
    for (pairs, equal) in [(&EQUAL[..], true), (&DIFFERENT[..], false)] {
        for (one, other) in pairs {
            let keys = [key("items", "same"), key("notes", "same")];
            save(&store, &keys[0], one).await;
            save(&store, &keys[1], other).await;
            let [a, b] =
                [entity(&store, &keys[0]).await.document, entity(&store, &keys[1]).await.document];
            assert_eq!(a.equals(&b), equal, "{a} and {b}");
            assert_eq!(a.digest() == b.digest(), equal, "{a} and {b}");
        }
    }
}

/// A filter finds by value, not by spelling.
pub async fn filters_compare_by_value(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        save(&store, &key(name, "a"), r#""price":1.50,"any":{"a":1.0,"b":2}"#).await;
        save(&store, &key(name, "b"), r#""price":"1.5","any":{"a":"1","b":2}"#).await;
        for text in [
            r#"{"price":15e-1}"#,
            r#"{"price":{"$in":[1.500,7]}}"#,
            r#"{"any":{"b":2e0,"a":1}}"#,
            r#"{"any.a":1}"#,
        ] {
            let query = repo_core::Query::new(filter(text));
            assert_eq!(find_ids(&store, name, query).await, ["a"], "{text}");
        }
    }
}

/// Saving an equal document is a write like any other: the version rises.
pub async fn saving_an_equal_document_is_a_write(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    assert_eq!(save(&store, &key, r#""n":1.0"#).await, 1);
    assert_eq!(save(&store, &key, r#""n":1"#).await, 2);
    let kept = entity(&store, &key).await;
    assert_eq!(kept.version.get(), 2);
    assert!(kept.document.equals(&Document::parse(r#"{"id":"a","n":1}"#).unwrap()));
}
