//! `repoctl query --explain analyze` on every store: the same shape, measured.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use serde_json::json;

use crate::cli_support::{Place, Run, STORES, filled};

const MACHINES: u64 = 600;

fn analyze(place: &Place, store: &str, filter: &str, format: &str) -> Run {
    let words = ["query", "machines", "--explain", "analyze", "--store", store];
    place.run(words.into_iter().chain(["--filter", filter, "--format", format])).ok()
}

#[test]
fn a_scan_says_what_it_looked_at_and_which_index_would_serve() {
    for store in STORES {
        let place = filled(store, 600);
        let nothing = r#"{"note":"none"}"#;
        let run = analyze(&place, store, nothing, "json");
        let whole = run.complains("an index on note would serve the query").json();
        let analysis = &whole["analysis"];
        assert_eq!(whole["collection"], "machines");
        assert_eq!((&analysis["access"], &analysis["returned"]), (&json!("scan"), &json!(0)));
        assert!(analysis["examined"].as_u64().unwrap() >= MACHINES, "{store}: {whole}");
        assert!(analysis["engine_filtered"].as_u64().unwrap() <= MACHINES, "{store}: {whole}");
        let people = analyze(&place, store, nothing, "human");
        people.prints("by reading machines record by record").prints("returned: 0\n");
    }
}

#[test]
fn the_counts_are_those_of_the_first_page() {
    for store in STORES {
        let place = filled(store, 600);
        let stopped = r#"{"status":"stopped"}"#;
        let count = ["count", "machines", "--store", store, "--filter", stopped];
        let count = place.run(count.into_iter().chain(["--format", "json"])).ok().json();
        let analysis = &analyze(&place, store, stopped, "json").json()["analysis"];
        assert_eq!(analysis["returned"], count["count"], "{store}");
        assert!(analysis["examined"].as_u64() >= analysis["returned"].as_u64(), "{analysis}");
        if analysis["access"] == "index" {
            assert!(analysis["index"].as_str().unwrap().contains("status"), "{analysis}");
            assert_eq!(analysis["engine_filtered"], 0, "{store}");
        }
        let page = ["query", "machines", "--store", store, "--limit", "7", "--format", "json"];
        let page = place.run(page.into_iter().chain(["--explain", "analyze"])).ok().json();
        assert_eq!(page["analysis"]["returned"], 7, "{store}");
    }
}

#[test]
fn there_are_two_ways_to_explain() {
    let place = filled(STORES[0], 1);
    let words = format!("query machines --store {} --explain", STORES[0]);
    place.line(&words).ok().prints("by reading all of machines");
    place.line(&format!("{words} plan")).ok().prints("by reading all of machines");
    place.line(&format!("{words} sideways")).ends(2);
    place.line(&format!("{words} analyze --as-of 2026-11-29T03:10:00Z")).ends(2);
}
