//! `repoctl advise --indexes`: from queries that a configured store was asked, to indexes.
#![cfg(feature = "sql")]

use serde_json::json;

use crate::cli_support::{Place, machine};

/// A place whose configuration records queries; a machine is in its store.
fn recording() -> Place {
    let place = Place::new();
    let config = json!({"storage": {
        "strategy": "sqlite",
        "sql_strategy": {"type": "sqlite", "name": "data.db"},
        "layers": [{"layer": "record_queries", "file": "queries.ndjson"}],
    }});
    place.write("repository.json", config.to_string());
    place.line("init").ok();
    place.run_with_input("put machines -", &machine("m-1", "running").to_string()).ok();
    place
}

fn ask(place: &Place, filter: &str) {
    place.run(["query", "machines", "--filter", filter]).ok();
}

#[test]
fn queries_that_were_scans_lead_to_indexes() {
    let place = recording();
    ask(&place, r#"{"note":"a secret"}"#);
    ask(&place, r#"{"note":"another secret","price":{"$lt":3}}"#);
    ask(&place, r#"{"status":"running"}"#);
    let recorded = std::fs::read_to_string(place.path("queries.ndjson")).unwrap();
    assert_eq!(recorded.lines().count(), 3, "{recorded}");
    assert!(!recorded.contains("secret"), "{recorded}");

    let words = "advise --indexes --recorded queries.ndjson";
    let advice = place.line(&format!("{words} --format json")).ok().json();
    let machines = &advice["collections"][0];
    assert_eq!(machines["collection"], "machines");
    let proposed = &machines["proposed"];
    assert_eq!(proposed.as_array().unwrap().len(), 1, "{advice}");
    assert_eq!(proposed[0]["fields"], json!(["note", "price"]));
    assert_eq!((&proposed[0]["scans"], &proposed[0]["pages"]), (&json!(2), &json!(2)));
    let all = machines["indexes"].as_array().unwrap();
    assert!(all.len() > 1 && all.last() == Some(&json!(["note", "price"])), "{advice}");

    place.line(words).ok().prints("propose [\"note\", \"price\"]: 2 of 2 pages were scans");
    place.line(&format!("{words} requests")).ok().complains("no index is missing");
}

#[test]
fn what_cannot_be_read_is_said() {
    let place = recording();
    place.line("advise --indexes --recorded nowhere").one_message().complains("cannot be read");
    place.write("nonsense", "nonsense\n");
    place.line("advise --indexes --recorded nonsense").complains("no recorded query");
    place.line("advise --indexes").ends(2);
    place.line("advise --recorded nonsense").ends(2);
}
