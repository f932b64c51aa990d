//! What is asked, and what comes of documents and of groups that a store made.

use super::*;
use crate::strategy::SortKey;
use crate::{
    CollectionName, Decimal, Document, Error, ErrorKind, FieldPath, Filter, Result, Value,
};

fn all() -> Aggregation {
    Aggregation::new(Filter::default())
}

fn machines() -> CollectionName {
    CollectionName::new("machines").unwrap()
}

fn document(fields: &str) -> Document {
    Document::parse(&format!("{{\"id\":\"m\",{fields}}}")).unwrap()
}

fn found(aggregation: &Aggregation, fields: &[&str]) -> Result<Vec<String>> {
    let name = machines();
    let mut groups = Aggregator::new(&name, aggregation);
    for fields in fields {
        groups.offer(&document(fields))?;
    }
    let rows = groups.finish(GroupedBy::Engine)?.rows;
    Ok(rows.iter().map(|row| row.to_json(aggregation)).collect())
}

#[track_caller]
fn refused<T>(result: Result<T>, kind: ErrorKind) -> Error {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), kind, "{error}");
    error
}

#[test]
fn functions_are_read_as_they_are_written() {
    for text in ["count", "sum(a)", "min(a.b)", "max(a b)", "avg(a(b))"] {
        assert_eq!(AggregateFunction::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "sum", "sum()", "sum(a", "sum(a..b)", "Sum(a)", "count()", "avg(_version)"] {
        refused(AggregateFunction::parse(text), ErrorKind::Invalid);
    }
}

#[test]
fn what_is_asked_has_bounds() {
    let fields = (0..MAX_GROUP_FIELDS).try_fold(all(), |all, n| all.group_by(&format!("f{n}")));
    refused(fields.unwrap().group_by("more"), ErrorKind::Invalid);
    let sums = (0..MAX_AGGREGATE_FUNCTIONS).try_fold(all(), |all, n| all.sum(&format!("f{n}")));
    refused(sums.unwrap().count(), ErrorKind::Invalid);
    for wrong in [
        all().group_by("a..b"),
        all().group_by("a").unwrap().group_by("a"),
        all().count().unwrap().count(),
        all().sum("a").unwrap().avg("b").unwrap().sum("a"),
        all().max_groups(0),
        all().max_groups(MAX_GROUPS + 1),
    ] {
        refused(wrong, ErrorKind::Invalid);
    }
    assert_eq!(all().max_groups(MAX_GROUPS).unwrap().group_limit(), MAX_GROUPS);
    assert_eq!(all().group_limit(), DEFAULT_MAX_GROUPS);
}

#[test]
fn every_field_that_is_looked_at_is_named_once() {
    let filter = r#"{"a": 1, "$or": [{"b.c": 2}, {"$not": {"a": {"$exists": true}}}]}"#;
    let asked = Aggregation::new(Filter::parse(filter).unwrap());
    let asked = asked.group_by("d").unwrap().avg("e").unwrap().max("e").unwrap().count().unwrap();
    let names: Vec<String> = asked.fields().into_iter().map(FieldPath::to_string).collect();
    assert_eq!(names, ["a", "b.c", "d", "e"]);
    assert_eq!(asked.measured().len(), 1);
    let measured = &asked.measured()[0];
    assert!(measured.sum && measured.greatest && !measured.least);
    assert!(all().count().unwrap().counts_everything());
    assert!(!asked.counts_everything());
}

#[test]
fn equal_values_are_one_group_and_groups_are_in_order() {
    let asked = all().group_by("v").unwrap().count().unwrap();
    let fields = [
        r#""v":"b""#,
        r#""v":1.50"#,
        r#""w":1"#,
        r#""v":null"#,
        r#""v":15e-1"#,
        r#""v":[1, {"b":1,"a":2.0}]"#,
        r#""v":[1.0, {"a":2,"b":1}]"#,
        r#""v":[]"#,
        r#""v":"\u0062""#,
        r#""v":{}"#,
        r#""v":true"#,
        r#""v":false"#,
        r#""v":"1.5""#,
        r#""v":10"#,
    ];
    let of = |value: &str, count| match value {
        "" => format!("{{\"group\":{{}},\"values\":{{\"count\":{count}}}}}"),
        value => format!("{{\"group\":{{\"v\":{value}}},\"values\":{{\"count\":{count}}}}}"),
    };
    let expected = [
        of("", 1),
        of("null", 1),
        of("false", 1),
        of("true", 1),
        of("1.5", 2),
        of("10", 1),
        of("\"1.5\"", 1),
        of("\"b\"", 2),
        of("[1,{\"a\":2,\"b\":1}]", 2),
        of("[]", 1),
        of("{}", 1),
    ];
    assert_eq!(found(&asked, &fields).unwrap(), expected);
}

#[test]
fn keys_of_several_fields_do_not_run_into_each_other() {
    let asked = all().group_by("a").unwrap().group_by("b").unwrap();
    let fields = [r#""a":"xy","b":"z""#, r#""a":"x","b":"yz""#, r#""a":"xyz""#, r#""b":"xyz""#];
    assert_eq!(found(&asked, &fields).unwrap().len(), 4);
}

#[test]
fn a_group_more_than_allowed_and_too_many_bytes_are_refused() {
    let few = all().group_by("v").unwrap().max_groups(2).unwrap();
    let fields = [r#""v":1"#, r#""v":2"#, r#""v":1.0"#];
    assert_eq!(found(&few, &fields).unwrap().len(), 2);
    let error = refused(found(&few, &[fields[0], fields[1], r#""v":3"#]), ErrorKind::LimitExceeded);
    assert_eq!(error.context_value("max_groups"), Some("2"));

    let name = machines();
    let long = all().max("v").unwrap().group_by("n").unwrap();
    let mut groups = Aggregator::new(&name, &long);
    let offer = |groups: &mut Aggregator<'_>, number: usize| {
        let text = "x".repeat(9 << 20);
        groups.offer(&document(&format!("\"n\":{number},\"v\":\"{text}\"")))
    };
    for number in 0..7 {
        offer(&mut groups, number).unwrap();
        // What replaces a text takes its place.
        offer(&mut groups, number).unwrap();
    }
    let error = refused(offer(&mut groups, 7), ErrorKind::LimitExceeded);
    assert_eq!(error.context_value("at_most_bytes"), Some("67108864"));
}

#[test]
fn groups_of_a_store_and_documents_are_joined() {
    let asked = all().group_by("s").unwrap().count().unwrap().sum("n").unwrap().min("n").unwrap();
    let name = machines();
    let mut groups = Aggregator::new(&name, &asked);
    let summary = FieldSummary {
        numbers: 2,
        texts: 1,
        sum: ExactSum::parse(&format!("1{}.50", "0".repeat(40))).unwrap(),
        least: Some(Extreme::Number(Decimal::from(4))),
        ..FieldSummary::default()
    };
    groups.add_group(&[Some("\"up\"")], 4, vec![summary]).unwrap();
    groups.offer(&document("\"s\":\"up\",\"n\":-1e40")).unwrap();
    groups.offer(&document("\"s\":\"\\u0075p\",\"n\":null")).unwrap();
    let answer = groups.finish(GroupedBy::Store).unwrap();
    assert_eq!(answer.grouped_by, GroupedBy::Store);
    let [row] = answer.rows.as_slice() else { panic!("{:?}", answer.rows) };
    assert_eq!(row.key, [Some(Value::String("up".to_owned()))]);
    let half = Decimal::parse("0.5").unwrap();
    let least = Decimal::parse("-1e40").unwrap();
    assert_eq!(
        row.values,
        [
            AggregateValue::Count(6),
            AggregateValue::Sum { sum: half, numbers: 3, skipped: 2 },
            AggregateValue::Min { value: Some(Extreme::Number(least)), skipped: 1 },
        ]
    );
}

#[test]
fn what_no_document_holds_is_corrupt() {
    let asked = all().group_by("v").unwrap();
    let name = machines();
    for text in ["\"a", "1e400", "[1", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "nul"] {
        let mut groups = Aggregator::new(&name, &asked);
        refused(groups.add_group(&[Some(text)], 1, Vec::new()), ErrorKind::Corrupt);
    }
}

#[test]
fn numbers_stand_before_strings_as_in_every_order() {
    let values = ["-1e100", "0", "1.5", "\"\"", "\"1\"", "\"a\"", "\"é\""];
    let extremes = values.map(|text| match Value::parse(text).unwrap() {
        Value::Number(number) => Extreme::Number(number),
        Value::String(text) => Extreme::Text(text),
        other => panic!("{other}"),
    });
    assert!(extremes.is_sorted());
    let keys = extremes.map(|extreme| SortKey::of(Some(&Value::from(extreme))));
    assert!(keys.is_sorted());
}
