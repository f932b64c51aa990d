//! Groups of entities: the same on every store.

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{AggregateValue, Aggregation, ErrorKind, GroupedBy};

use super::aggregates_support::{all, ask, clear, counted, counts_by, rows, store_all, values};
use super::support::{assert_kind, collection, delete, fill, filter, json_string, key, put, save};
use crate::Fixture;

/// Without fields to group by everything is one group, also nothing.
pub async fn everything_is_one_group(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let asked = all().count().unwrap().sum("n").unwrap().min("n").unwrap().avg("n").unwrap();
        let nothing = "\"count\":0,\"sum(n)\":{\"sum\":0,\"numbers\":0,\"skipped\":0},\
            \"min(n)\":{\"value\":null,\"skipped\":0},\
            \"avg(n)\":{\"average\":null,\"sum\":0,\"numbers\":0,\"skipped\":0}";
        assert_eq!(values(&store, name, &asked).await, nothing);
        assert_eq!(values(&store, name, &all().count().unwrap()).await, "\"count\":0");
        assert_eq!(rows(&store, name, &counts_by("n")).await, [""; 0]);

        store_all(&store, name, &["\"n\":1", "\"n\":2.5", "", "\"n\":4"]).await;
        let some = "\"count\":4,\"sum(n)\":{\"sum\":7.5,\"numbers\":3,\"skipped\":0},\
            \"min(n)\":{\"value\":1,\"skipped\":0},\
            \"avg(n)\":{\"average\":2.5,\"sum\":7.5,\"numbers\":3,\"skipped\":0}";
        assert_eq!(values(&store, name, &asked).await, some);
        assert_eq!(values(&store, name, &all().count().unwrap()).await, "\"count\":4");
        // Without a function only groups are answered.
        assert_eq!(values(&store, name, &all()).await, "");
    }
}

/// Values with how many entities have them, in the order of groups. A value stands several
/// times where it is written in several ways.
fn stock() -> Vec<(Option<&'static str>, Vec<Option<&'static str>>)> {
    let one = |text: &'static str| (Some(text), vec![Some(text)]);
    vec![
        (None, vec![None, None]),
        one("null"),
        one("false"),
        one("true"),
        one("-9.99e125"),
        one("-12345678901234567891"),
        one("-12345678901234567890"),
        one("-1.5"),
        (Some("0"), vec![Some("0"), Some("-0"), Some("0.0")]),
        one("1e-130"),
        (Some("1"), vec![Some("1"), Some("1.0")]),
        one("1.00000000000000000001"),
        (Some("1.5"), vec![Some("1.50"), Some("15e-1"), Some("1.5")]),
        one("10"),
        one("9007199254740992"),
        one("9007199254740993"),
        one("9223372036854775807"),
        one("9223372036854775808"),
        one("12345678901234567890.5"),
        one("\"\""),
        one("\"1.5\""),
        one("\"B\""),
        one("\"a\""),
        (Some("\"a\\\"b\\\\c\""), vec![Some("\"a\\\"b\\\\c\"")]),
        one("\"null\""),
        (Some("\"\u{e9}\""), vec![Some("\"\\u00e9\""), Some("\"\u{e9}\"")]),
        one("\"\u{1f600}\""),
        (Some("[1,2]"), vec![Some("[1,2]"), Some("[1.0, 2e0]")]),
        one("[2,1]"),
        one("[]"),
        (Some("{\"a\":1,\"b\":2}"), vec![Some("{\"b\":2,\"a\":1}"), Some("{\"a\":1.0,\"b\":2}")]),
        one("{}"),
    ]
}

/// The text of fields in which a possibly nested field has a value.
fn with_value(field: &str, value: Option<&str>) -> String {
    match (field.split_once('.'), value) {
        (Some((outer, _)), None) => format!("\"{outer}\":{{}}"),
        (Some((outer, inner)), Some(value)) => format!("\"{outer}\":{{\"{inner}\":{value}}}"),
        (None, None) => String::new(),
        (None, Some(value)) => format!("\"{field}\":{value}"),
    }
}

async fn groups_are_in_order(f: Fixture, cases: &[(&str, &str)]) {
    let store = f.prepared().await;
    for (name, field) in cases {
        let (mut writes, mut expected) = (Vec::new(), Vec::new());
        for (at, (value, spellings)) in stock().into_iter().enumerate() {
            for (place, spelling) in spellings.iter().enumerate() {
                let id = format!("{:02}-{place}", (at * 37 + 11) % 97);
                writes.push(put(&key(name, &id), &with_value(field, *spelling)));
            }
            let group = value.map(|value| format!("{}:{value}", json_string(field)));
            expected.push(counted(&group.unwrap_or_default(), spellings.len() as u64));
        }
        fill(&store, writes).await;
        assert_eq!(rows(&store, name, &counts_by(field)).await, expected, "{name} by {field}");
    }
}

/// Equal values are one group, and groups stand in the order of values.
pub async fn equal_values_are_one_group(f: Fixture) {
    groups_are_in_order(f, &[("items", "v"), ("notes", "o.v")]).await;
}

/// The same in an indexed text field.
pub async fn in_an_indexed_text_field(f: Fixture) {
    groups_are_in_order(f, &[("things", "status")]).await;
}

/// The same in indexed fields of numbers and truth values, also for values of other types.
pub async fn in_indexed_fields_of_other_types(f: Fixture) {
    let store = f.prepared().await;
    for field in ["price", "count", "flag"] {
        let values = [("1", 2), ("1.50", 1), ("\"x\"", 3), ("true", 2), ("null", 1)];
        for (at, (value, count)) in values.into_iter().enumerate() {
            for nth in 0..count {
                let key = key("things", &format!("{field}-{at}-{nth}"));
                save(&store, &key, &with_value(field, Some(value))).await;
            }
        }
        let there = filter(&format!("{{\"{field}\":{{\"$exists\":true}}}}"));
        let asked = Aggregation::new(there).group_by(field).unwrap().count().unwrap();
        let row = |value: &str, count| counted(&format!("\"{field}\":{value}"), count);
        let expected =
            [row("null", 1), row("true", 2), row("1", 2), row("1.5", 1), row("\"x\"", 3)];
        assert_eq!(rows(&store, "things", &asked).await, expected, "{field}");
    }
}

/// The same in an indexed field of any type.
pub async fn in_an_indexed_field_of_any_type(f: Fixture) {
    groups_are_in_order(f, &[("things", "any")]).await;
}

/// The same in an indexed nested field.
pub async fn in_an_indexed_nested_field(f: Fixture) {
    groups_are_in_order(f, &[("things", "meta.kind")]).await;
}

/// A group of several fields has equal values in each of them; the first field decides the
/// order first.
pub async fn several_fields_make_groups_together(f: Fixture) {
    let store = f.prepared().await;
    for (name, one, other) in
        [("items", "a", "b"), ("things", "owner", "rank"), ("things", "status", "owner")]
    {
        let fields = |a: Option<&str>, b: Option<&str>| {
            let parts = [(one, a), (other, b)].into_iter();
            let parts = parts.filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
            parts.collect::<Vec<_>>().join(",")
        };
        let groups = [
            (fields(None, None), 1),
            (fields(None, Some("\"x\"")), 2),
            (fields(Some("null"), Some("1")), 1),
            (fields(Some("\"x\""), None), 3),
            (fields(Some("\"x\""), Some("2")), 1),
            (fields(Some("\"x\""), Some("10")), 2),
            (fields(Some("\"x\""), Some("\"yz\"")), 1),
            (fields(Some("\"xy\""), Some("\"z\"")), 1),
        ];
        for (at, (fields, count)) in groups.iter().enumerate() {
            for nth in 0..*count {
                save(&store, &key(name, &format!("{}-{nth}", (at * 5) % 8)), fields).await;
            }
        }
        let asked = counts_by(one).group_by(other).unwrap();
        let expected: Vec<String> =
            groups.iter().map(|(fields, count)| counted(fields, *count)).collect();
        assert_eq!(rows(&store, name, &asked).await, expected, "{name} by {one} and {other}");
        let swapped = counts_by(other).group_by(one).unwrap();
        assert_eq!(rows(&store, name, &swapped).await.len(), groups.len());
        clear(&store, name).await;
    }
}

/// Only what matches the filter counts, whether or not the store decides that itself.
pub async fn only_matches_count(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let fields: Vec<String> = (0..40_u64)
            .map(|n| {
                let status = ["on", "off", "once", "never"][n as usize % 4];
                format!("\"status\":\"{status}\",\"price\":{},\"rank\":{n}", n % 5)
            })
            .collect();
        store_all(&store, name, &fields.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let cases: [(&str, &[(&str, u64)]); 6] = [
            (r#"{"status":{"$in":["on","off"]}}"#, &[("off", 10), ("on", 10)]),
            (r#"{"status":"on","price":{"$lt":2}}"#, &[("on", 4)]),
            (r#"{"status":{"$regex":"^on"}}"#, &[("on", 10), ("once", 10)]),
            (r#"{"$not":{"price":{"$lt":5}}}"#, &[]),
            (r#"{"rank":{"$ge":38}}"#, &[("never", 1), ("once", 1)]),
            (r#"{"$or":[]}"#, &[]),
        ];
        for (text, expected) in cases {
            let asked = Aggregation::new(filter(text)).group_by("status").unwrap();
            let asked = asked.count().unwrap();
            let row = |(status, count): &(&str, u64)| {
                counted(&format!("\"status\":\"{status}\""), *count)
            };
            let expected: Vec<String> = expected.iter().map(row).collect();
            assert_eq!(rows(&store, name, &asked).await, expected, "{name} {text}");
            // An index may lag behind, and never shows what does not match.
            let eventual = store.aggregate(&collection(name), &asked).await.unwrap();
            assert!(eventual.rows.len() <= expected.len(), "{name} {text}: {eventual:?}");
        }
    }
}

/// More groups than are allowed are refused; they are never cut off.
pub async fn groups_have_a_limit(f: Fixture) {
    let store = f.prepared().await;
    for (name, field) in [("items", "n"), ("things", "status"), ("things", "count")] {
        let fields: Vec<String> = (0..25).map(|n| format!("\"{field}\":\"{n}\"")).collect();
        store_all(&store, name, &fields.iter().map(String::as_str).collect::<Vec<_>>()).await;
        save(&store, &key(name, "other"), "").await;
        let asked = |most: usize| counts_by(field).max_groups(most).unwrap();
        assert_eq!(rows(&store, name, &asked(26)).await.len(), 26);
        let error = assert_kind(ask(&store, name, &asked(25)).await, ErrorKind::LimitExceeded);
        assert_eq!(error.context_value("max_groups"), Some("25"), "{error}");
        assert_kind(ask(&store, name, &asked(1)).await, ErrorKind::LimitExceeded);
        let few = Aggregation::new(filter(&format!("{{\"{field}\":\"7\"}}")));
        let few = few.group_by(field).unwrap().max_groups(1).unwrap();
        assert_eq!(rows(&store, name, &few).await.len(), 1);
        clear(&store, name).await;
    }
}

/// What was deleted does not count, and what was changed counts as it is.
pub async fn only_live_entities_count(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        store_all(&store, name, &["\"status\":\"on\""; 5]).await;
        delete(&store, &key(name, "001")).await;
        delete(&store, &key(name, "002")).await;
        save(&store, &key(name, "002"), "\"status\":\"off\"").await;
        save(&store, &key(name, "003"), "").await;
        let expected =
            [counted("", 1), counted("\"status\":\"off\"", 1), counted("\"status\":\"on\"", 2)];
        assert_eq!(rows(&store, name, &counts_by("status")).await, expected);
        assert_eq!(values(&store, name, &all().count().unwrap()).await, "\"count\":4");
    }
}

/// More entities than a store reads at once.
pub async fn many_entities_are_grouped(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let write = |n: u64| {
            let fields = format!("\"status\":\"s{}\",\"count\":{n}", n % 3);
            put(&key(name, &format!("{n:05}")), &fields)
        };
        fill(&store, (0..2_501).map(write).collect()).await;
        let asked = counts_by("status").sum("count").unwrap();
        let found = rows(&store, name, &asked).await;
        let expected: Vec<String> = (0..3_u64)
            .map(|rest| {
                let numbers: Vec<u64> = (0..2_501).filter(|n| n % 3 == rest).collect();
                let (count, sum) = (numbers.len(), numbers.iter().sum::<u64>());
                format!(
                    "{{\"group\":{{\"status\":\"s{rest}\"}},\"values\":{{\"count\":{count},\
                     \"sum(count)\":{{\"sum\":{sum},\"numbers\":{count},\"skipped\":0}}}}}}"
                )
            })
            .collect();
        assert_eq!(found, expected);
        let by_status = rows(&store, name, &counts_by("status")).await;
        assert_eq!(by_status.len(), 3, "{by_status:?}");
    }
}

/// A store that groups by itself says so where it did, and no other one does.
pub async fn the_answer_says_who_grouped(f: Fixture) {
    let store = f.prepared().await;
    store_all(&store, "things", &["\"status\":\"on\"", "\"status\":\"off\"", ""]).await;
    let by_status = ask(&store, "things", &counts_by("status")).await.unwrap().grouped_by;
    let by_store = store.capabilities().aggregates;
    assert_eq!(by_status, if by_store { GroupedBy::Store } else { GroupedBy::Engine });
    // No store knows regular expressions as the engine has them.
    let asked = Aggregation::new(filter(r#"{"status":{"$regex":"o"}}"#)).count().unwrap();
    let answer = ask(&store, "things", &asked).await.unwrap();
    assert_eq!(answer.grouped_by, GroupedBy::Engine);
    assert_eq!(answer.rows[0].values, [AggregateValue::Count(2)]);
}

/// A collection that was never prepared is not found, and a handle that was closed says so,
/// as for every read.
pub async fn an_unprepared_collection_has_no_groups(f: Fixture) {
    let store = f.prepared().await;
    for asked in [all().count().unwrap(), counts_by("status"), all().sum("n").unwrap()] {
        assert_kind(ask(&store, "nowhere", &asked).await, ErrorKind::NotFound);
    }
    store.close().await.unwrap();
    assert_kind(ask(&store, "items", &counts_by("n")).await, ErrorKind::Closed);
}

/// An aggregation sees every acknowledged write when asked to, and committed entities in
/// any case.
pub async fn acknowledged_writes_are_grouped(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    for n in 0..6_u64 {
        save(&store, &key("things", &n.to_string()), "\"status\":\"on\"").await;
        for handle in [&store, &other] {
            let expected = [counted("\"status\":\"on\"", n + 1)];
            assert_eq!(rows(handle, "things", &counts_by("status")).await, expected);
        }
    }
    let eventual = store.aggregate(&collection("things"), &counts_by("status")).await.unwrap();
    assert!(eventual.rows.len() <= 1);
    store.delete(key("things", "0")).await.unwrap();
    let expected = [counted("\"status\":\"on\"", 5)];
    assert_eq!(rows(&other, "things", &counts_by("status")).await, expected);
}
