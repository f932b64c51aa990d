//! A cursor is opaque text, bound to its query, and good for another handle.

use repo_core::strategy::{Position, SortKey};
use repo_core::{Cursor, EntityId, ErrorKind, Query};

use super::support::{assert_kind, collection, fill, filter, find_ids, key, put};
use crate::{Fixture, Store};

async fn stock(store: &Store) {
    let write = |name, n| put(&key(name, &format!("{n}")), &format!("\"v\":{n},\"status\":\"on\""));
    fill(store, (0..9).flat_map(|n| [write("items", n), write("things", n)]).collect()).await;
}

async fn cursor(store: &Store, name: &str, query: &Query) -> Cursor {
    store.query(&collection(name), query).await.unwrap().next.expect("there are more")
}

fn by_value(filter_text: &str) -> Query {
    Query::new(filter(filter_text)).order_by("v").unwrap().limit(4).unwrap()
}

/// With another collection, filter, order or direction a cursor is `Invalid`.
pub async fn a_cursor_belongs_to_its_query(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    let on = r#"{"status":"on"}"#;
    let ordered = cursor(&store, "items", &by_value(on)).await;
    let unordered_query = Query::new(filter(on)).limit(4).unwrap();
    let unordered = cursor(&store, "items", &unordered_query).await;
    let others = [
        ("things", by_value(on)),
        ("items", by_value("{}")),
        ("items", by_value(r#"{"status":"off"}"#)),
        ("items", by_value(on).order_by("v:desc").unwrap()),
        ("items", by_value(on).order_by("status").unwrap()),
        ("items", unordered_query.clone()),
    ];
    for (name, query) in others {
        let answer = store.query(&collection(name), &query.clone().after(ordered.clone())).await;
        assert_kind(answer, ErrorKind::Invalid);
    }
    for (name, query) in [
        ("things", unordered_query.clone()),
        ("items", by_value(on)),
        ("items", Query::all().limit(4).unwrap()),
    ] {
        let answer = store.query(&collection(name), &query.after(unordered.clone())).await;
        assert_kind(answer, ErrorKind::Invalid);
    }
}

/// Another limit and another consistency are the same query; a cursor may be
/// used twice.
pub async fn a_cursor_outlives_its_page(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    for query in [by_value("{}"), Query::all().limit(4).unwrap()] {
        let whole = find_ids(&store, "items", query.clone()).await;
        let cursor = cursor(&store, "items", &query).await;
        for limit in [1, 3, 100, 1] {
            let rest = query.clone().limit(limit).unwrap().strong().after(cursor.clone());
            assert_eq!(find_ids(&store, "items", rest).await, whole[4..]);
        }
    }
}

/// As text a cursor passes to another handle, and over a reopen.
pub async fn a_cursor_passes_as_text(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    for query in [by_value("{}"), Query::all().limit(4).unwrap()] {
        let whole = find_ids(&store, "items", query.clone()).await;
        let text = cursor(&store, "items", &query).await.to_string();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        let other = f.second(&store).await;
        let rest = query.clone().after(Cursor::parse(&text).unwrap());
        assert_eq!(find_ids(&other, "items", rest).await, whole[4..]);
    }
    let text = cursor(&store, "items", &by_value("{}")).await.to_string();
    let store = f.reopen(store).await;
    let rest = by_value("{}").after(Cursor::parse(&text).unwrap());
    assert_eq!(find_ids(&store, "items", rest).await, ["4", "5", "6", "7", "8"]);
}

/// Text that no page gave is `Invalid`.
pub async fn garbage_is_no_cursor(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    let good = cursor(&store, "items", &by_value("{}")).await.to_string();
    let cut = &good[..good.len() / 2];
    for text in ["", "x", "!!!", "e30", "bnVsbA", "{}", &format!("{good}A="), cut, "😀"] {
        assert_kind(Cursor::parse(text), ErrorKind::Invalid);
    }
}

/// A forged position is `Invalid` or a position: no panic, no other error.
pub async fn a_forged_position_does_no_harm(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    let name = collection("items");
    let unordered = Query::all().limit(4).unwrap();
    for text in ["", "0", "-1", "99999999999999999999999", "\"", "'", "😀", "a:b", "\0", "{}"] {
        let forged = Cursor::new(&name, &unordered, Position::Native(text.to_owned()));
        if let Err(error) = store.query(&name, &unordered.clone().after(forged)).await {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error:?}");
        }
    }
    let ordered = by_value("{}");
    for bytes in [&[][..], &[0], &[4], &[4, 2], &[5, 0xff], &[6, 1], &[9], &[255; 40]] {
        let position = Position::Ordered {
            key: SortKey::from_bytes(bytes.to_vec()),
            id: EntityId::new("3").unwrap(),
        };
        let forged = Cursor::new(&name, &ordered, position);
        if let Err(error) = store.query(&name, &ordered.clone().after(forged)).await {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{bytes:?}: {error:?}");
        }
    }
}
