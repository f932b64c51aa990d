//! `--cleanup-source`: what the target holds, verified, leaves the source.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::cli_support::{Place, STORES, filled};
use serde_json::{Value as Json, json};

fn live(place: &Place, store: &str, collection: &str) -> Json {
    place.line(&format!("count {collection} --store {store} --format json")).ok().json()["count"]
        .clone()
}

#[test]
fn every_store_is_emptied_into_every_next() {
    for (at, from) in STORES.iter().enumerate() {
        let place = filled(from, 25);
        let into = STORES[(at + 1) % STORES.len()];
        if into == "postgresql:///" {
            place.postgres();
        }
        place.line(&format!("delete machines m-0003 --store {from}")).ok();
        let words = format!("--source {from} --target {into} --batch-size 10");
        place.migrate(&format!("{words} --cleanup-source --dry-run")).ok();
        assert_eq!(live(&place, from, "machines"), 24, "a dry run removes nothing");
        let run = place.migrate(&format!("{words} --cleanup-source --format json")).ok().json();
        assert_eq!(run["outcome"], "verified");
        let cleaned = run["clean_up"]["collections"].as_array().unwrap();
        let of = |name: &str| cleaned.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(
            (&of("machines")["deleted"], &of("machines")["purged"]),
            (&json!(24), &json!(true))
        );
        for (collection, count) in [("machines", 24), ("requests", 1), ("templates", 1)] {
            assert_eq!(live(&place, from, collection), 0, "{from} {collection}");
            assert_eq!(live(&place, into, collection), count, "{into} {collection}");
        }
        let export = place.line(&format!("export machines --store {from} --tombstones")).ok();
        assert_eq!(export.stdout, "", "{from} keeps no tombstone that could delete the target's");
        place.line(&format!("health --store {from}")).ok();
        // Again: there is nothing that could be brought over.
        place.migrate(&format!("{words} --cleanup-source")).ends(1).complains("only in the target");
        assert_eq!(live(&place, into, "machines"), 24);
        // And back: the source takes them up again.
        place.migrate(&format!("--source {into} --target {from}")).ok();
        assert_eq!(live(&place, from, "machines"), 24);
    }
}

#[test]
fn the_setting_alone_removes_nothing() {
    let place = filled("sqlite:data.db", 3);
    let settings = json!({
        "storage": {"strategy": "sqlite", "sql_strategy": {"name": "data.db"}},
        "migration": {"cleanup_source": true},
    });
    place.write("repository.json", settings.to_string());
    place.migrate("--target json:other").ok().complains("only with --cleanup-source");
    assert_eq!(live(&place, "sqlite:data.db", "machines"), 3);
}

#[test]
fn without_verification_nothing_begins() {
    let place = filled("sqlite:data.db", 3);
    let words = "--source sqlite:data.db --target json:other --cleanup-source";
    let before = place.contents();
    place.migrate(&format!("{words} --no-verify")).ends(2);
    place.write("repository.json", r#"{"migration": {"validate_after_migration": false}}"#);
    place.migrate(words).ends(2).complains("only what was verified");
    std::fs::remove_file(place.path("repository.json")).unwrap();
    assert_eq!(place.contents(), before);
}

#[test]
fn killed_the_same_command_goes_on() {
    for from in STORES {
        let place = filled(from, 200);
        let words = format!(
            "--source {from} --target json:other --batch-size 10 --cleanup-source --format ndjson"
        );
        let mut child = place
            .command("migrateRepository")
            .args(words.split(' '))
            .args(["--rate-limit", "400"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let at_clean_up = |line: std::io::Result<String>| {
            let event: Json = serde_json::from_str(&line.unwrap()).unwrap();
            event["event"] == "phase" && event["phase"] == "clean_up"
        };
        assert!(lines.into_iter().any(at_clean_up), "{from}: it never came to the clean-up");
        child.kill().unwrap();
        child.wait().unwrap();
        let status = place.line(&format!("migrate status --target {from} --format json")).ok();
        assert_eq!(status.json()["unfinished"]["stage"], "clean_up", "{from}");
        // Its tombstones go nowhere meanwhile.
        let plain = format!("--source {from} --target json:other --on-conflict newer");
        place.migrate(&plain).ends(5).complains("--cleanup-source");
        let last = place.migrate(&words).ok().ndjson_or_json();
        assert_eq!(last["outcome"], "verified", "{from}");
        assert_eq!(live(&place, from, "machines"), 0, "{from}");
        assert_eq!(live(&place, "json:other", "machines"), 200, "{from}");
    }
}
