//! What is computed of the entities of a group: sums, means, extremes.

use repo_core::{AggregateValue, ErrorKind};

use super::aggregates_support::{all, ask, clear, counts_by, rows, store_all, values};
use super::support::assert_kind;
use crate::Fixture;

/// Sums have every digit, whatever the numbers are and however they are stored.
pub async fn sums_are_exact(f: Fixture) {
    let store = f.prepared().await;
    let long = "12345678901234567890123456789012345678";
    for (name, field) in [("items", "n"), ("things", "price"), ("things", "count")] {
        let sum = async |numbers: &[&str]| {
            let fields: Vec<String> = numbers.iter().map(|n| format!("\"{field}\":{n}")).collect();
            store_all(&store, name, &fields.iter().map(String::as_str).collect::<Vec<_>>()).await;
            let answer = ask(&store, name, &all().sum(field).unwrap()).await;
            clear(&store, name).await;
            answer.map(|answer| match answer.rows[0].values.as_slice() {
                [AggregateValue::Sum { sum, .. }] => sum.to_string(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(sum(&["0.1", "0.2", "0.30"]).await.unwrap(), "0.6");
        assert_eq!(sum(&[long, "1"]).await.unwrap(), "12345678901234567890123456789012345679");
        assert_eq!(sum(&["9007199254740993", "2", "-0.5"]).await.unwrap(), "9007199254740994.5");
        assert_eq!(sum(&["18446744073709551616", "-1e2"]).await.unwrap(), "18446744073709551516");
        // What lies between is kept, whatever comes first.
        assert_eq!(sum(&["9.99e125", "1e-130", "-9.99e125"]).await.unwrap(), "1e-130");
        assert_eq!(sum(&["1e100", "7", "-1e100"]).await.unwrap(), "7");
        for too_long in [&[long, "0.1"][..], &["1e100", "1"], &["9.99e125", "9.99e125"]] {
            assert_kind(sum(too_long).await, ErrorKind::LimitExceeded);
        }
    }
}

/// Many decimals of 38 digits in several groups: each sum has every digit, in whatever order a
/// store adds them up, though what lies between would not fit a number of a document.
pub async fn sums_of_long_decimals_are_exact_in_groups(f: Fixture) {
    const FIRST: i128 = 98_765_432_109_876_543_210_987_654_321_098_765_431;
    const STEP: i128 = 123_456_789_012_345_678_901_234_567;
    let store = f.prepared().await;
    for (name, group, field) in [("items", "g", "n"), ("things", "status", "price")] {
        let (mut fields, mut sums) = (Vec::new(), [0_i128; 3]);
        // An odd number in each group, whose signs take turns.
        for at in 0..123_u8 {
            let digits = FIRST - STEP * i128::from(at);
            let sign = if at / 3 % 2 == 0 { 1 } else { -1 };
            let of = at % 3;
            sums[usize::from(of)] += sign * digits;
            let number = with_19_places(sign * digits);
            fields.push(format!("\"{group}\":\"g{of}\",\"{field}\":{number}"));
        }
        store_all(&store, name, &fields.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let asked = counts_by(group).sum(field).unwrap();
        let row = |(of, sum): (usize, i128)| {
            let sum = with_19_places(sum);
            assert_eq!(sum.len(), 39, "it has 38 digits and a point: {sum}");
            format!(
                "{{\"group\":{{\"{group}\":\"g{of}\"}},\"values\":{{\"count\":41,\
                 \"sum({field})\":{{\"sum\":{sum},\"numbers\":41,\"skipped\":0}}}}}}"
            )
        };
        let expected: Vec<String> = sums.into_iter().enumerate().map(row).collect();
        assert_eq!(rows(&store, name, &asked).await, expected, "{name}.{field}");
    }
}

/// A whole number of 38 digits as a decimal with 19 of them behind the point.
fn with_19_places(digits: i128) -> String {
    let text = digits.to_string();
    let (whole, fraction) = text.split_at(text.len() - 19);
    format!("{whole}.{fraction}")
}

/// Means are exact sums, divided and rounded half to even to 38 digits.
pub async fn means_are_rounded_once(f: Fixture) {
    let store = f.prepared().await;
    let asked = counts_by("g").avg("n").unwrap();
    let nines = "9".repeat(38);
    let numbers = [
        ("a", "1"),
        ("a", "0"),
        ("a", "0"),
        ("b", "0.10"),
        ("b", "0.2"),
        ("c", nines.as_str()),
        ("c", "0"),
        ("d", "\"no number\""),
    ];
    let fields = numbers.map(|(group, number)| format!("\"g\":\"{group}\",\"n\":{number}"));
    for name in ["items", "things"] {
        store_all(&store, name, &fields.each_ref().map(String::as_str)).await;
        let row = |group: &str, count: u64, average: &str, sum: &str, numbers: u64| {
            format!(
                "{{\"group\":{{\"g\":\"{group}\"}},\"values\":{{\"count\":{count},\
                 \"avg(n)\":{{\"average\":{average},\"sum\":{sum},\"numbers\":{numbers},\
                 \"skipped\":{}}}}}}}",
                count - numbers
            )
        };
        let third = format!("0.{}", "3".repeat(38));
        let half = format!("5{}", "0".repeat(37));
        let expected = [
            row("a", 3, &third, "1", 3),
            row("b", 2, "0.15", "0.3", 2),
            row("c", 2, &half, &nines, 2),
            row("d", 1, "null", "0", 0),
        ];
        assert_eq!(rows(&store, name, &asked).await, expected);
    }
}

/// Values of other types are skipped and counted; a missing field is no value.
pub async fn what_is_skipped_is_counted(f: Fixture) {
    let store = f.prepared().await;
    for (name, field) in [("items", "v"), ("things", "price"), ("things", "any")] {
        let values = ["1", "\"2\"", "null", "true", "[3]", "{\"n\":4}", "5", "\"x\""];
        let mut fields: Vec<String> = values.iter().map(|v| format!("\"{field}\":{v}")).collect();
        fields.push(String::new());
        store_all(&store, name, &fields.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let asked = all().sum(field).unwrap().avg(field).unwrap();
        let asked = asked.min(field).unwrap().max(field).unwrap().count().unwrap();
        let expected = format!(
            "\"sum({field})\":{{\"sum\":6,\"numbers\":2,\"skipped\":6}},\
             \"avg({field})\":{{\"average\":3,\"sum\":6,\"numbers\":2,\"skipped\":6}},\
             \"min({field})\":{{\"value\":1,\"skipped\":4}},\
             \"max({field})\":{{\"value\":\"x\",\"skipped\":4}},\"count\":9"
        );
        assert_eq!(self::values(&store, name, &asked).await, expected, "{name}.{field}");
        clear(&store, name).await;
    }
}

/// The least is a number if there is one, the greatest a string if there is one; both are
/// compared as in every order.
pub async fn extremes_go_by_the_order_of_values(f: Fixture) {
    let store = f.prepared().await;
    let [long, less] = ["12345678901234567891", "12345678901234567890"];
    for (name, field) in [("items", "v"), ("things", "count"), ("things", "status")] {
        let cases: [(&[&str], &str, &str); 5] = [
            (&["10", "9", "-1.5", "1e2"], "-1.5", "100"),
            (&["\"b\"", "\"a\"", "\"Z\"", "\"\u{e9}\""], "\"Z\"", "\"\u{e9}\""),
            (&["\"10\"", "9", "\"\"", "12345678901234567891"], "9", "\"10\""),
            (&[long, less], less, long),
            (&["null", "true"], "null", "null"),
        ];
        for (values, least, greatest) in cases {
            let fields: Vec<String> =
                values.iter().map(|value| format!("\"{field}\":{value}")).collect();
            store_all(&store, name, &fields.iter().map(String::as_str).collect::<Vec<_>>()).await;
            let skipped = values.iter().filter(|value| matches!(**value, "null" | "true")).count();
            let expected = format!(
                "\"min({field})\":{{\"value\":{least},\"skipped\":{skipped}}},\
                 \"max({field})\":{{\"value\":{greatest},\"skipped\":{skipped}}}"
            );
            let asked = all().min(field).unwrap().max(field).unwrap();
            assert_eq!(self::values(&store, name, &asked).await, expected, "{name}.{field}");
            clear(&store, name).await;
        }
    }
}
