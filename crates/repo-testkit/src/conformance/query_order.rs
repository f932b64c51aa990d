//! One total order for sorting: missing, null, false, true, numbers, strings,
//! arrays, objects; arrays tie, objects tie; the id decides last, ascending.

use repo_core::{ErrorKind, Filter, Query};

use super::support::{assert_kind, fill, filter, find_ids, json_string, key, put};
use crate::Fixture;

/// The groups in ascending order; `None` is missing; what is in one group
/// ties.
fn groups() -> Vec<Vec<Option<String>>> {
    let single = [
        "null",
        "false",
        "true",
        "-9.99e125",
        "-12345678901234567891",
        "-12345678901234567890",
        "-10",
        "-2",
        "-1.5",
        "-1",
        "-1e-130",
    ];
    let mut groups = vec![vec![None, None]];
    groups.extend(single.map(|text| vec![Some(text.to_owned())]));
    let tied = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect();
    groups.push(tied(&["0", "-0", "0.0"]));
    groups.extend(["1e-130", "0.1"].map(|text| vec![Some(text.to_owned())]));
    groups.push(tied(&["1", "1.0"]));
    groups.push(tied(&["1.50", "15e-1"]));
    let single = [
        "2",
        "10",
        "9007199254740992",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "12345678901234567890",
        "12345678901234567891",
        "9.99e125",
    ];
    groups.extend(single.map(|text| vec![Some(text.to_owned())]));
    let texts = [
        "",
        " ",
        "1",
        "10",
        "2",
        "B",
        "Z",
        "_",
        "a",
        "a-b",
        "ab",
        "null",
        "é",
        "\u{ffee}",
        "\u{1f600}",
    ];
    groups.extend(texts.map(|text| vec![Some(json_string(text))]));
    groups.push(tied(&["[2]", "[]", "[1,2]", "[\"a\"]"]));
    groups.push(tied(&["{\"z\":1}", "{}", "{\"a\":[]}"]));
    groups
}

/// The fields with their ids, in ascending and in descending order. The ids
/// are such that their own order is another one.
struct Stock {
    fields: Vec<(String, String)>,
    ascending: Vec<String>,
    descending: Vec<String>,
}

fn stock(field: &str) -> Stock {
    let mut fields = Vec::new();
    let mut by_group: Vec<Vec<String>> = Vec::new();
    for (at, group) in groups().into_iter().enumerate() {
        let mut ids = Vec::new();
        for (place, value) in group.into_iter().enumerate() {
            let id = format!("{:02}-{place}", (at * 37 + 11) % 97);
            fields.push((id.clone(), fields_of(field, value.as_deref())));
            ids.push(id);
        }
        ids.sort();
        by_group.push(ids);
    }
    let ascending = by_group.concat();
    by_group.reverse();
    Stock { fields, ascending, descending: by_group.concat() }
}

fn fields_of(field: &str, value: Option<&str>) -> String {
    match (field.split_once('.'), value) {
        (Some((outer, _)), None) => format!("\"{outer}\":{{}}"),
        (Some((outer, inner)), Some(value)) => format!("\"{outer}\":{{\"{inner}\":{value}}}"),
        (None, None) => String::new(),
        (None, Some(value)) => format!("\"{field}\":{value}"),
    }
}

async fn assert_order(f: Fixture, cases: &[(&str, &str)]) {
    let store = f.prepared().await;
    for (name, field) in cases {
        let stock = stock(field);
        let write = |(id, fields): &(String, String)| put(&key(name, id), fields);
        fill(&store, stock.fields.iter().map(write).collect()).await;
        for (direction, expected) in
            [("", &stock.ascending), (":asc", &stock.ascending), (":desc", &stock.descending)]
        {
            for limit in [1, 2, 3, 7, 1_000] {
                if limit == 1 && direction == ":asc" {
                    continue;
                }
                let order = format!("{field}{direction}");
                let query = Query::all().order_by(&order).unwrap().limit(limit).unwrap();
                let found = find_ids(&store, name, query).await;
                assert_eq!(&found, expected, "{name} by {order}, {limit} a page");
            }
        }
    }
}

/// The order in fields without an index, flat and nested.
pub async fn values_of_all_types_stand_in_one_order(f: Fixture) {
    assert_order(f, &[("items", "v"), ("notes", "o.v")]).await;
}

/// The same in an indexed field of any type.
pub async fn an_index_keeps_the_order(f: Fixture) {
    assert_order(f, &[("things", "any")]).await;
}

/// The same in an indexed text field.
pub async fn an_index_on_text_keeps_the_order(f: Fixture) {
    assert_order(f, &[("things", "status")]).await;
}

/// The same in an indexed number field.
pub async fn an_index_on_numbers_keeps_the_order(f: Fixture) {
    assert_order(f, &[("things", "price")]).await;
}

/// The same in an indexed integer field.
pub async fn an_index_on_integers_keeps_the_order(f: Fixture) {
    assert_order(f, &[("things", "count")]).await;
}

/// The same in an indexed boolean field.
pub async fn an_index_on_booleans_keeps_the_order(f: Fixture) {
    assert_order(f, &[("things", "flag")]).await;
}

/// The same in an indexed nested field.
pub async fn an_index_on_a_nested_field_keeps_the_order(f: Fixture) {
    assert_order(f, &[("things", "meta.kind")]).await;
}

/// A filter and an order together, on the same and on different fields.
pub async fn an_order_goes_with_any_filter(f: Fixture) {
    let store = f.prepared().await;
    let (filters, orders) = (
        [
            r#"{"status":"on"}"#,
            r#"{"price":{"$ge":2}}"#,
            r#"{"status":{"$ne":"on"}}"#,
            r#"{"owner":"o1"}"#,
            r#"{"$or":[{"price":1},{"rank":3}]}"#,
        ],
        ["price", "price:desc", "rank", "rank:desc", "status:desc", "owner", "tags"],
    );
    let rows: Vec<(String, u64, u64, &str)> = (0..40_u64)
        .map(|n| {
            (format!("{:02}", (n * 23) % 40), n % 5, (n * 7) % 11, ["on", "off"][n as usize % 2])
        })
        .collect();
    let writes = rows.iter().map(|(id, price, rank, status)| {
        let owner = price % 3;
        put(
            &key("things", id),
            &format!(
                "\"price\":{price},\"rank\":{rank},\"status\":\"{status}\",\"owner\":\"o{owner}\""
            ),
        )
    });
    fill(&store, writes.collect()).await;
    for text in filters {
        for order in orders {
            let (field, direction) = order.split_once(':').unwrap_or((order, "asc"));
            let place = |row: &(String, u64, u64, &str)| match field {
                "price" => format!("{:02}", row.1),
                "rank" => format!("{:02}", row.2),
                "status" => row.3.to_owned(),
                "owner" => format!("o{}", row.1 % 3),
                _ => String::new(),
            };
            let mut matching: Vec<_> = rows
                .iter()
                .filter(|row| match text {
                    r#"{"status":"on"}"# => row.3 == "on",
                    r#"{"price":{"$ge":2}}"# => row.1 >= 2,
                    r#"{"status":{"$ne":"on"}}"# => row.3 != "on",
                    r#"{"owner":"o1"}"# => row.1 % 3 == 1,
                    _ => row.1 == 1 || row.2 == 3,
                })
                .collect();
            matching.sort_by(|a, b| {
                let by_value = place(a).cmp(&place(b));
                let by_value = if direction == "desc" { by_value.reverse() } else { by_value };
                by_value.then_with(|| a.0.cmp(&b.0))
            });
            let expected: Vec<&String> = matching.iter().map(|row| &row.0).collect();
            for limit in [1, 4, 100] {
                let query = Query::new(filter(text)).order_by(order).unwrap().limit(limit).unwrap();
                let found = find_ids(&store, "things", query).await;
                assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{text} by {order}");
            }
        }
    }
}

/// An order that is none, and a limit that is none.
pub async fn orders_and_limits_are_checked(_: Fixture) {
    for order in ["", ":asc", "a:up", "a:ASC", "a..b", "_version", "a:", "_created_at:desc"] {
        assert_kind(Query::new(Filter::default()).order_by(order), ErrorKind::Invalid);
    }
    for limit in [0, 10_001, usize::MAX] {
        assert_kind(Query::all().limit(limit), ErrorKind::Invalid);
    }
    assert_eq!(Query::all().limit(10_000).unwrap().page_size(), 10_000);
    assert_eq!(Query::all().page_size(), 1_000);
}
