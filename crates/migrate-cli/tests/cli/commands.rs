//! Every command that works on one store: its result for people and for
//! programs.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use crate::cli_support::{OBJECTS, Place, STORES, filled, machine, machine_lines};
use serde_json::json;

#[test]
fn init_says_what_it_made_and_is_safe_to_repeat() {
    for store in STORES {
        let place = Place::new();
        let first = place.line(&format!("init --store {store}")).ok();
        for name in ["machines", "requests", "templates"] {
            let row = first.stdout.lines().find(|line| line.contains(name)).unwrap();
            assert!(row.contains("Created"), "{row}");
        }
        let second = place.line(&format!("init --store {store} --format json")).ok().json();
        let changes: Vec<_> = second["collections"].as_array().unwrap().iter().collect();
        assert_eq!(changes.len(), 3);
        assert!(changes.iter().all(|row| row["change"] == "unchanged"), "{second}");
        assert!(second["store"].as_str().unwrap().starts_with(store.split(':').next().unwrap()));
        let third = place.line(&format!("init notes --store {store} --format ndjson")).ok();
        assert_eq!(third.ndjson(), [json!({"collection": "notes", "change": "created"})]);
    }
}

#[test]
fn put_get_and_delete_count_versions() {
    for store in STORES {
        let place = filled(store, 1);
        let put = |flags: &str, status: &str| {
            let line = format!("put machines - --store {store} {flags}");
            place.run_with_input(&line, &machine("m-1", status).to_string())
        };
        put("", "pending").ok().prints("machines/m-1 is at version 1");
        let second = put("--format json", "running").ok().json();
        assert_eq!(second["version"], 2);
        assert_eq!(second["id"], "m-1");
        put("--create", "x").ends(1).complains("m-1");
        put("--expect-version 1", "x").ends(1).complains("version 2");
        put("--expect-version 2", "stopped").ok();

        let got = place.line(&format!("get machines m-1 --store {store}")).ok();
        assert_eq!(got.json()["_version"], 3);
        got.prints("\"status\": \"stopped\"");
        let got = place.line(&format!("get machines m-1 --store {store} --format ndjson")).ok();
        assert_eq!(got.ndjson()[0]["status"], "stopped");

        let delete =
            |flags: &str| place.line(&format!("delete machines m-1 --store {store} {flags}"));
        delete("--expect-version 1").ends(1).complains("version 3");
        let deleted = delete("--format json").ok().json();
        assert_eq!(deleted["version"], 4);
        delete("").ends(1).complains("m-1");
        let gone = place.line(&format!("get machines m-1 --store {store}")).ends(1);
        gone.complains("was deleted").complains("version: 4");
        put("", "again").ok().prints("version 5");
    }
}

#[test]
fn a_document_comes_from_a_file_and_keeps_its_numbers() {
    for store in STORES {
        let place = filled(store, 0);
        place.write(
            "m.json",
            r#"{"machine_id": "m", "price": 1.50, "big": 12345678901234567890123}"#,
        );
        place.line(&format!("put machines m.json --store {store}")).ok();
        for format in ["human", "json", "ndjson"] {
            let got = place.line(&format!("get machines m --store {store} --format {format}")).ok();
            assert!(got.stdout.contains("12345678901234567890123"), "{got:#?}");
            assert!(got.stdout.contains("1.5"), "{got:#?}");
        }
    }
}

#[test]
fn a_query_filters_orders_and_pages() {
    for store in STORES {
        let place = filled(store, 30);
        let query =
            |flags: &[&str]| place.run(["query", "machines", "--store", store].iter().chain(flags));
        let stopped = query(&["--filter", r#"{"status":"stopped"}"#, "--format", "json"]).ok();
        assert_eq!(stopped.json()["entities"].as_array().unwrap().len(), 10);
        assert!(stopped.json()["next"].is_null());

        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut flags =
                vec!["--order-by", "machine_id:desc", "--limit", "7", "--format", "json"];
            if !cursor.is_empty() {
                flags.extend(["--cursor", &cursor]);
            }
            let page = query(&flags).ok().json();
            let ids = page["entities"].as_array().unwrap().iter();
            seen.extend(ids.map(|entity| entity["machine_id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let expected: Vec<String> = (1..=30).rev().map(|n| format!("m-{n:04}")).collect();
        assert_eq!(seen, expected);

        let page = query(&["--limit", "2"]).ok();
        assert!(page.stdout.contains("next: --cursor "), "{page:#?}");
        let page = query(&["--limit", "2", "--format", "ndjson"]).ok().ndjson();
        assert_eq!(page.len(), 3);
        assert!(page[2]["next"].is_string());
        let other = page[2]["next"].as_str().unwrap();
        query(&["--limit", "3", "--cursor", other, "--filter", r#"{"status":"x"}"#])
            .ends(2)
            .complains("another query");
    }
}

#[test]
fn without_a_limit_every_match_is_printed() {
    for store in STORES {
        let place = filled(store, 2_500);
        let query = |format: &str| {
            place.line(&format!("query machines --store {store} --format {format}")).ok()
        };
        assert_eq!(query("ndjson").ndjson().len(), 2_500);
        let json = query("json").json();
        assert_eq!(json["entities"].as_array().unwrap().len(), 2_500);
        let human = query("human").stdout;
        assert_eq!(human.lines().filter(|line| line.contains("m-")).count(), 2_500);
        let first = human.lines().find(|line| line.contains("m-0001")).unwrap();
        assert!(first.contains("running") && first.contains("r-1"), "{first}");
    }
}

#[test]
fn explain_names_the_index() {
    for store in STORES.into_iter().filter(|store| *store != OBJECTS) {
        let place = filled(store, 3);
        let explain = |filter: &str, format: &str| {
            let words = ["query", "machines", "--explain", "--store", store];
            place.run(words.into_iter().chain(["--filter", filter, "--format", format])).ok()
        };
        let by_index = explain(r#"{"status":"stopped"}"#, "json").json();
        assert_eq!(by_index["plan"]["kind"], "index", "{store}");
        assert!(by_index["plan"]["name"].as_str().unwrap().contains("status"));
        assert_eq!(explain(r#"{"tags":"x"}"#, "json").json()["plan"]["kind"], "scan");
        explain(r#"{"status":"stopped"}"#, "human").prints("by the index");
    }
}

#[test]
fn count_counts() {
    for store in STORES {
        let place = filled(store, 9);
        let count = |flags: &[&str]| {
            place.run(["count", "machines", "--store", store].iter().chain(flags)).ok()
        };
        assert_eq!(count(&[]).stdout, "9\n");
        let found = count(&["--filter", r#"{"status":"stopped"}"#, "--format", "json"]).json();
        assert_eq!(found, json!({"collection": "machines", "count": 3}));
    }
}

#[test]
fn an_export_imports_into_another_store_with_its_versions() {
    for store in STORES {
        let place = filled(store, 25);
        place.line(&format!("delete machines m-0007 --store {store}")).ok();
        place.run_with_input(
            &format!("put machines --store {store}"),
            &machine("m-0001", "changed").to_string(),
        );
        let export =
            |store: &str| place.line(&format!("export machines --tombstones --store {store}")).ok();
        let first = export(store);
        assert_eq!(first.ndjson().len(), 25);
        let live = place.line(&format!("export machines --store {store} -q")).ok();
        assert_eq!(live.ndjson().len(), 24);
        assert_eq!(live.stderr, "");
        let whole =
            place.line(&format!("export machines --store {store} --format json")).ok().json();
        assert_eq!(whole["records"].as_array().unwrap().len(), 24);
        assert_eq!(whole["complete"], true);

        place.line("init --store sqlite:other.db").ok();
        let imported = place
            .run_with_input("import machines --store sqlite:other.db --format json", &first.stdout)
            .ok()
            .json();
        assert_eq!((&imported["applied"], &imported["saved"]), (&json!(25), &json!(0)));
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&export("sqlite:other.db").stdout), sorted(&first.stdout));
    }
}

#[test]
fn an_import_announces_each_batch_and_lists_what_it_left() {
    for store in STORES {
        let place = filled(store, 0);
        let line = format!("import machines --store {store} --format ndjson --batch-size 2");
        let events = place.run_with_input(&line, &machine_lines(5)).ok().ndjson();
        let sizes: Vec<usize> = events
            .iter()
            .filter(|event| event["event"] == "committed")
            .map(|event| event["records"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(events[0]["records"][0]["id"], "m-0001");
        assert_eq!(events[0]["records"][0]["version"], 1);
        assert_eq!(events[3]["event"], "done");
        assert_eq!(events[3]["saved"], 5);
    }
}

#[test]
fn an_import_lists_what_it_left() {
    for store in STORES {
        let place = filled(store, 1);
        let stamped = |version: u64, status: &str| {
            let mut line = machine("m-0001", status);
            line["_version"] = json!(version);
            line["_created_at"] = json!("2026-03-01T08:00:00Z");
            line["_updated_at"] = json!("2026-03-01T08:00:00Z");
            format!("{line}\n")
        };
        let input = [stamped(3, "a"), stamped(3, "a"), stamped(3, "b"), stamped(2, "c")].concat();
        let line = format!("import machines --store {store} --format");
        let left = place.run_with_input(&format!("{line} ndjson"), &input).ends(3);
        assert!(
            left.stderr.contains("m-0001 version 3") && left.stderr.contains("m-0001 version 2")
        );
        let events = left.ndjson();
        assert_eq!(events[0]["records"].as_array().unwrap().len(), 2);
        assert_eq!(events[1]["event"], "left");
        let report = place.run_with_input(&format!("{line} json"), &input).ends(3).json();
        assert_eq!(
            (&report["equal"], &report["older"], &report["diverged"]),
            (&json!(2), &json!(1), &json!(1))
        );
        assert_eq!(report["left"].as_array().unwrap().len(), 2);
        let human = place.run_with_input(&format!("{line} human"), &input).ends(3);
        human.prints("2 left out (1 older, 1 diverged)");
    }
}

#[test]
fn an_id_that_stands_twice_is_saved_twice_in_order() {
    for store in STORES {
        let place = filled(store, 0);
        let input = format!("{}\n\n{}\n", machine("m", "first"), machine("m", "second"));
        place.run_with_input(&format!("import machines --store {store}"), &input).ok();
        let got = place.line(&format!("get machines m --store {store} --format json")).ok().json();
        assert_eq!((&got["_version"], &got["status"]), (&json!(2), &json!("second")));
    }
}

#[test]
fn health_checkpoint_and_purge() {
    for store in STORES {
        let place = filled(store, 3);
        place.line(&format!("health --store {store}")).ok().prints("is healthy");
        let health = place.line(&format!("health --store {store} --format json")).ok().json();
        assert_eq!(health["healthy"], true);
        assert!(!health["checks"].as_array().unwrap().is_empty());
        assert_eq!(health["capabilities"]["read_only"], true);
        assert_eq!(health["deep"], false);
        let deep = place.line(&format!("health --deep --store {store} --format json")).ok();
        assert_eq!((&deep.json()["healthy"], &deep.json()["deep"]), (&json!(true), &json!(true)));
        let shown = place.line(&format!("health --deep --store {store}")).ok();
        shown.prints("is healthy").complains("checking about 5 records");
        let done = place.line(&format!("checkpoint --store {store} --format json")).ok().json();
        assert_eq!(done["checkpointed"], true);

        place.line(&format!("delete machines m-0001 --store {store}")).ok();
        let purge = |flags: &str| place.line(&format!("purge machines --store {store} {flags}"));
        assert_eq!(purge("--older-than 30d --format json").ok().json()["removed"], 0);
        let purged = purge("--older-than 0s --format json").ok().json();
        assert_eq!((&purged["removed"], &purged["floor"]), (&json!(1), &json!(2)));
        purge("--older-than 0s").ok().prints("0 tombstones");
    }
}

#[test]
fn schema_validate_lists_what_does_not_fit() {
    for store in STORES {
        let place = filled(store, 3);
        place
            .line(&format!("schema validate --store {store}"))
            .ok()
            .prints("every document is valid");
        let mut broken = machine("m-broken", "running");
        broken["status"] = json!(7);
        broken["request_id"] = json!("r-none");
        place.run_with_input(&format!("put machines --store {store}"), &broken.to_string()).ok();
        let found =
            place.line(&format!("schema validate --store {store} --format json")).ends(3).json();
        assert_eq!(found["valid"], false);
        let findings = found["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 2, "{found}");
        assert!(findings.iter().any(|f| f["problem"] == "invalid" && f["pointer"] == "/status"));
        assert!(
            findings
                .iter()
                .any(|f| { f["problem"] == "dangling reference" && f["pointer"] == "/request_id" })
        );
        let human = place.line(&format!("schema validate machines --store {store}")).ends(3);
        human.prints("machines/m-broken").prints("requests/r-none is not there");
        let lines = place.line(&format!("schema validate --store {store} --format ndjson")).ends(3);
        assert_eq!(lines.ndjson().len(), 2 + 3);
    }
}
