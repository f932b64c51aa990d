//! What a document holds comes back equal, whichever way it is read.

use repo_core::strategy::{Record, ScanOptions};
use repo_core::{Document, EntityId, Key, Query};

use super::support::{collection, document, fill, find, id_field, json_string, key, put, scan};
use crate::{Fixture, Store};

/// Saves each of `values` under `v` of its own entity, and nested, and checks
/// that all come back equal by every way of reading, also after a reopen.
async fn assert_kept(f: &Fixture, values: &[String]) {
    let mut store = f.prepared().await;
    for name in ["items", "things"] {
        let expected: Vec<(Key, Document)> = values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let key = key(name, &format!("{at:04}"));
                let fields = format!("\"any\":{value},\"deep\":[{{\"v\":{value}}},{value}]");
                let document = document(&key, &fields);
                (key, document)
            })
            .collect();
        let writes = expected.iter().map(|(key, document)| {
            repo_core::Write::put(key.clone(), document.clone(), repo_core::Precondition::Any)
        });
        fill(&store, writes.collect()).await;
        assert_read(&store, name, &expected).await;
        store = f.reopen(store).await;
        assert_read(&store, name, &expected).await;
    }
}

async fn assert_read(store: &Store, name: &str, expected: &[(Key, Document)]) {
    let ids: Vec<EntityId> = expected.iter().map(|(key, _)| key.id.clone()).collect();
    let got = store.get_many(&collection(name), &ids).await.unwrap();
    let got = got.into_iter().map(|record| record.unwrap().into_live().unwrap()).collect();
    let mut queried = find(store, name, Query::all()).await;
    queried.sort_by_key(|entity| entity.id.clone());
    let scanned = scan(store, name, ScanOptions::default()).await.unwrap();
    let mut scanned: Vec<_> = scanned.into_iter().filter_map(Record::into_live).collect();
    scanned.sort_by_key(|entity| entity.id.clone());
    for found in [got, queried, scanned] {
        assert_eq!(found.len(), expected.len());
        for (entity, (key, document)) in found.iter().zip(expected) {
            assert_eq!(entity.id, key.id);
            assert!(
                entity.document.equals(document),
                "{key}: {} instead of {document}",
                entity.document
            );
            assert_eq!(entity.document.digest(), document.digest());
        }
    }
}

/// Numbers keep their exact decimal value.
pub async fn numbers_are_kept_exactly(f: Fixture) {
    let nines = "9".repeat(38);
    let long_fraction = format!("0.{}", "123456789".repeat(4) + "12");
    let zeros = format!("1{}", "0".repeat(125));
    let tiny = format!("{}.{}e-130", &nines[..1], &nines[1..]);
    let huge = format!("-{}.{}e125", &nines[..1], &nines[1..]);
    let mut values: Vec<String> = [
        "0",
        "-0",
        "-0.0",
        "0e5",
        "0.000",
        "1",
        "-1",
        "1.50",
        "15e-1",
        "1.5E0",
        "0.1",
        "1e2",
        "100",
        "1E+2",
        "0.30000000000000004",
        "2.675",
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "12345678901234567890",
        "-12345678901234567891",
        "12345678901234567890.123456789012345678",
        "1e-130",
        "-1E-130",
        "1.5e-130",
        "9.99E125",
        "-9.99e+125",
        "1e22",
        "1e23",
        "1e-7",
        "0.0000001",
        "123456789.000000000000000001",
        "4.35",
        "1e15",
        "1e16",
        "1e17",
        "1e21",
        "179769313486231570000000000000000000000000000000000",
        "0.1e1",
        "100e-2",
    ]
    .map(str::to_owned)
    .into();
    values.extend([format!("-{nines}"), nines, long_fraction, zeros, tiny, huge]);
    assert_kept(&f, &values).await;
}

/// Strings keep every character.
pub async fn strings_are_kept_exactly(f: Fixture) {
    let mut values: Vec<String> = [
        "",
        " ",
        "  two  ",
        "é",
        "e\u{301}",
        "😀👩‍👩‍👧",
        "\u{10ffff}",
        "\u{ffff}",
        "\u{feff}bom",
        "\u{1}\u{1f}\u{7f}\u{9f}",
        "a\tb\nc\r\n",
        "\"",
        "\\",
        "\\\\\"",
        "/",
        "\u{2028}\u{2029}",
        "'; DROP TABLE x; --",
        "null",
        "true",
        "1",
        "1.50",
        "{}",
        "[]",
        "${HOME}",
        "%s %n",
        "$1",
        "{\"a\":1}",
        "2026-03-01T08:00:00Z",
        "\u{202e}rtl",
        "\\u0041",
        "\\u0000",
        "NaN",
    ]
    .map(json_string)
    .into();
    // The same by escapes, which a store may write otherwise.
    values
        .extend([r#""\u00e9\ud83d\ude00""#, r#""\/\b\f""#, r#""\u0022\u005c""#].map(str::to_owned));
    values.push(json_string(&"x".repeat(1_000)));
    assert_kept(&f, &values).await;
}

/// Unicode text beyond what an indexed field holds is kept elsewhere.
pub async fn long_texts_are_kept_in_fields_without_an_index(f: Fixture) {
    let store = f.prepared().await;
    let text = json_string(&"é😀\"\\ ".repeat(20_000));
    for name in ["items", "things"] {
        let key = key(name, "long");
        let fields = format!("\"text\":{text}");
        fill(&store, vec![put(&key, &fields)]).await;
        assert_read(&store, name, &[(key.clone(), document(&key, &fields))]).await;
    }
}

/// Any key that is not empty and holds no U+0000 is a key, at every level.
pub async fn unusual_keys_are_kept(f: Fixture) {
    let keys = [
        "a\"b",
        "a.b",
        ".",
        "$eq",
        "$",
        "a\\b",
        "a/b",
        "~0",
        "é",
        "e\u{301}",
        " ",
        "0",
        "-1",
        "__proto__",
        "\n",
        "\u{1}",
        "'",
        "%",
        "[0]",
        "version",
        "document",
        "_id",
        "_Version",
        "created_at",
        "日本語",
        "😀",
        "A",
        "a",
        "null",
        "true",
        "#",
        ":v",
        "?1",
        "rowid",
    ];
    let all = keys.map(|key| format!("{}:1", json_string(key))).join(",");
    let mut values: Vec<String> = keys.map(|key| format!("{{{}:[1]}}", json_string(key))).into();
    values.push(format!("{{{all}}}"));
    values.push(format!("{{\"{}\":1}}", "k".repeat(65_535)));
    values.push(r#"{"_version":1,"_created_at":2,"_updated_at":3,"_deleted":true}"#.to_owned());
    values.push(r#"{"id":"other","thing_id":"other"}"#.to_owned());
    assert_kept(&f, &values).await;

    let store = f.prepared().await;
    for name in ["items", "things"] {
        let key = key(name, "all at the top");
        fill(&store, vec![put(&key, &all)]).await;
        let kept = find(&store, name, Query::all()).await;
        let found = kept.iter().find(|entity| entity.id == key.id).unwrap();
        assert!(found.document.equals(&document(&key, &all)), "{}", found.document);
    }
}

/// Arrays keep their order, their types and their length; containers may be
/// empty; members may be in any order.
pub async fn shapes_are_kept(f: Fixture) {
    let long = format!("[{}]", vec!["1"; 2_000].join(","));
    let wide = (0..500).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",");
    let values = [
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[[],{},null,true,1,\"1\",1.5]",
        "{\"a\":{},\"b\":[]}",
        "[null]",
        "[null,null]",
        "[1,1,1]",
        "[2,1]",
        "{\"b\":1,\"a\":2}",
        "[1.0,1,\"1\",true]",
        "{\"z\":{\"y\":{\"x\":null}}}",
        "[{\"a\":1},{\"a\":2}]",
    ];
    let mut values: Vec<String> = values.map(str::to_owned).into();
    values.push(long);
    values.push(format!("{{{wide}}}"));
    assert_kept(&f, &values).await;
}

/// Nesting down to level 31 is kept, of objects and of arrays.
pub async fn thirty_one_levels_are_kept(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let keys = [key(name, "objects"), key(name, "arrays")];
        // The document is level 1, so 30 more fit into its field.
        let objects = format!("\"d\":{}1{}", "{\"a\":".repeat(30), "}".repeat(30));
        let arrays = format!("\"d\":{}1{}", "[".repeat(30), "]".repeat(30));
        fill(&store, vec![put(&keys[0], &objects), put(&keys[1], &arrays)]).await;
        let [o, a] = keys;
        let expected = [(a.clone(), document(&a, &arrays)), (o.clone(), document(&o, &objects))];
        assert_read(&store, name, &expected).await;
    }
}

/// A document that holds nothing but its id is one.
pub async fn a_document_may_hold_its_id_alone(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let key = key(name, "alone");
        fill(&store, vec![put(&key, "")]).await;
        let expected = Document::parse(&format!("{{\"{}\":\"alone\"}}", id_field(name))).unwrap();
        assert_read(&store, name, &[(key, expected)]).await;
    }
}
