//! `repoctl aggregate` on every store: the same groups, to the last digit.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use serde_json::json;

use crate::cli_support::{Place, Run, STORES, filled};

/// A store with machines of two states, of which some have a price.
fn priced(store: &str) -> Place {
    let place = filled(store, 4);
    let lines = [
        r#"{"machine_id": "p-1", "status": "running", "price": 12345678901234567890123456789.25}"#,
        r#"{"machine_id": "p-2", "status": "running", "price": 0.75}"#,
        r#"{"machine_id": "p-3", "status": "running", "price": "free"}"#,
        r#"{"machine_id": "p-4", "price": 1.50, "status": null}"#,
    ];
    let import = format!("import machines --store {store}");
    place.run_with_input(&import, &lines.map(|line| format!("{line}\n")).concat()).ok();
    place
}

fn aggregate(place: &Place, store: &str, flags: &[&str]) -> Run {
    place.run(["aggregate", "machines", "--store", store].iter().chain(flags))
}

#[test]
fn groups_are_the_same_on_every_store() {
    for store in STORES {
        let place = priced(store);
        let asked = ["--group-by", "status", "--count", "--sum", "price", "--max", "price"];
        let run = aggregate(&place, store, &[&asked[..], &["--format", "ndjson"]].concat()).ok();
        let row = |status: &str, count: u64, sum: &str, numbers: u64, max: &str, texts: u64| {
            format!(
                "{{\"group\":{{\"status\":{status}}},\"values\":{{\"count\":{count},\
                 \"sum(price)\":{{\"sum\":{sum},\"numbers\":{numbers},\"skipped\":{texts}}},\
                 \"max(price)\":{{\"value\":{max},\"skipped\":0}}}}}}\n"
            )
        };
        let expected = [
            row("null", 1, "1.5", 1, "1.5", 0),
            row("\"running\"", 6, "12345678901234567890123456790", 2, "\"free\"", 1),
            row("\"stopped\"", 1, "0", 0, "null", 0),
        ];
        assert_eq!(run.stdout, expected.concat(), "{store}");

        let whole = aggregate(&place, store, &[&asked[..], &["--format", "json"]].concat()).ok();
        let whole = whole.json();
        assert_eq!(
            (&whole["collection"], whole["groups"].as_array().unwrap().len()),
            (&json!("machines"), 3)
        );
        assert!(["store", "engine"].contains(&whole["grouped_by"].as_str().unwrap()), "{whole}");

        let table = aggregate(&place, store, &asked).ok();
        let cells = |start: &str| {
            let line = table.stdout.lines().find(|line| line.trim_start().starts_with(start));
            line.unwrap_or_else(|| panic!("{table:?}")).split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(cells("status"), ["status", "count", "sum(price)", "max(price)"]);
        assert_eq!(cells("running"), ["running", "6", "12345678901234567890123456790", "free"]);
        assert_eq!(cells("stopped"), ["stopped", "1", "0", "-"]);
        assert!(table.stderr.contains("sum(price): skipped 1 values"), "{table:?}");
        let quiet = aggregate(&place, store, &[&asked[..], &["--quiet"]].concat()).ok();
        assert_eq!((quiet.stderr.as_str(), &quiet.stdout), ("", &table.stdout));
    }
}

#[test]
fn without_fields_everything_is_one_group() {
    for store in STORES {
        let place = priced(store);
        let counted = aggregate(&place, store, &["--format", "ndjson"]).ok();
        assert_eq!(counted.ndjson(), [json!({"group": {}, "values": {"count": 8}})]);
        let filter = ["--filter", r#"{"price": {"$lt": 10}}"#, "--format", "ndjson"];
        let mean = aggregate(&place, store, &[&filter[..], &["--avg", "price"]].concat()).ok();
        let expected = json!({"average": 1.125, "sum": 2.25, "numbers": 2, "skipped": 0});
        assert_eq!(mean.ndjson()[0]["values"]["avg(price)"], expected, "{store}");
        let none = ["--filter", r#"{"status": "none"}"#, "--group-by", "status"];
        aggregate(&place, store, &none).ok().complains("nothing matches");
        let none = aggregate(&place, store, &[&none[..], &["--format", "json"]].concat()).ok();
        assert_eq!(none.json()["groups"], json!([]));
    }
}

#[test]
fn what_cannot_be_answered_is_refused_in_words() {
    for store in STORES {
        let place = priced(store);
        let two = ["--group-by", "status", "--max-groups", "2"];
        let refused = aggregate(&place, store, &two).ends(1).one_message();
        refused.complains("more groups").complains("max_groups: 2");
        let long = r#"{"machine_id": "p-5", "price": 1e-30}"#;
        place.run_with_input(&format!("put machines --store {store}"), long).ok();
        let refused = aggregate(&place, store, &["--sum", "price"]).ends(1).one_message();
        refused.complains("more than 38 significant digits").complains("sum(price)");
        let unknown = place.line(&format!("aggregate notes --store {store}")).ends(1);
        unknown.complains("never prepared");
        for (wrong, word) in [
            (["--group-by", "a..b"], "a..b"),
            (["--sum", "_version"], "_version"),
            (["--max-groups", "0"], "max_groups"),
            (["--filter", "[]"], "filter"),
        ] {
            aggregate(&place, store, &wrong).ends(2).complains(word);
        }
    }
}
