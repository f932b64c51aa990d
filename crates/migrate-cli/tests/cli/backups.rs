//! `repoctl backup`, `backups` and `restore` from the outside.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Stdio;

use crate::cli_support::{Place, STORES, filled, machine, machine_lines};
use serde_json::{Value as Json, json};

/// Makes a backup and returns its folder.
fn backed_up(place: &Place, store: &str) -> String {
    let told = place.line(&format!("backup --store {store} --format json")).ok().json();
    told["archive"].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_restores_into_every_store_with_versions_and_tombstones() {
    for from in STORES {
        for into in ["json:other", "sqlite:other.db", "postgresql:///", "dynamodb:other"] {
            if from == into {
                continue;
            }
            let place = filled(from, 30);
            if into == "postgresql:///" {
                place.postgres();
            }
            place.line(&format!("delete machines m-0003 --store {from}")).ok();
            let archive = backed_up(&place, from);
            let before = place.contents();
            place.line(&format!("restore {archive} --store {into} --dry-run")).ok();
            assert!(place.contents() == before, "a dry run makes nothing");
            let line = format!("restore {archive} --store {into}");
            place.line(&line).ok().prints("verified: both sides hold the same");
            place.line(&format!("verify --source {from} --target {into}")).ok();
            let again = place.line(&format!("{line} --format json")).ok().json();
            assert_eq!(
                (&again["totals"]["applied"], &again["totals"]["equal"]),
                (&json!(0), &json!(32))
            );

            let other = machine("m-0001", "other").to_string();
            place.run_with_input(&format!("put machines --store {into}"), &other).ok();
            let run = place.line(&line).ends(1).complains("machines/m-0001");
            run.complains("hint: live records are never replaced");
        }
    }
}

#[test]
fn only_the_named_collections_come_back() {
    let place = filled("json:data", 5);
    let archive = backed_up(&place, "json:data");
    place.line(&format!("restore {archive} --store sqlite:t.db --collections machines")).ok();
    place.line("count machines --store sqlite:t.db").ok().prints("5");
    place.line("count requests --store sqlite:t.db").ends(1).complains("never prepared");
    let line = format!("restore {archive} --store sqlite:t.db --collections machine");
    place.line(&line).ends(2).complains("did you mean `machines`?");
    place.line("restore nowhere --store sqlite:t.db").ends(1).complains("there is no archive here");
}

#[test]
fn archives_are_listed_checked_and_pruned() {
    let place = filled("sqlite:data.db", 40);
    let archives: Vec<String> = (0..3).map(|_| backed_up(&place, "sqlite:data.db")).collect();
    place.line("backups list").ok().prints(&archives[0]).prints("sqlite:");
    let told = place.line("backups list --format json").ok().json();
    assert_eq!(told["archives"].as_array().unwrap().len(), 3);
    assert_eq!(told["archives"][0]["records"], 42);
    place.line("backups verify").ok().prints("sound, 42 records");

    std::fs::write(place.path(&archives[2]).join("machines.jsonl.zst"), "x").unwrap();
    place.line("backups list").ok();
    let run = place.line("backups verify").ends(1).prints("DAMAGED");
    assert_eq!(run.stdout.matches("sound").count(), 2, "{run:#?}");
    place.line(&format!("backups verify {}", archives[0])).ok();
    let told = place.line("backups verify --format json").ends(1).json();
    assert_eq!(told["archives"][2]["error"]["kind"], "Corrupt");

    let told = place.line("backups prune --keep 1 --format json").ends(3).json();
    assert_eq!(told["removed"], json!([archives[0]]));
    assert_eq!(told["kept"], json!([archives[1]]));
    assert_eq!(told["damaged"][0]["archive"], json!(archives[2]));
    place.line("backups prune --keep 0").ends(2).complains("keep 1 or more");
}

#[test]
fn a_killed_backup_leaves_a_folder_that_is_said_and_removed() {
    let place = filled("json:data", 0);
    place.run_with_input("import machines --store json:data", &machine_lines(9_000)).ok();
    let mut child = place
        .command("repoctl")
        .args("backup --store json:data --batch-size 1 --compression-level 19".split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let unfinished = || {
        let entries = std::fs::read_dir(place.path("backups")).ok()?;
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|name| name.starts_with(".unfinished_backup_"))
    };
    let name = loop {
        assert!(child.try_wait().unwrap().is_none(), "the backup ended before it was seen");
        if let Some(name) = unfinished() {
            break name;
        }
    };
    let told: Json = place.line("backups list --format json").ok().json();
    assert_eq!(told["leftovers"][0]["in_use"], true, "{told}");
    child.kill().unwrap();
    child.wait().unwrap();

    place.line("backups list").ok().prints(&name).prints("left by a killed run");
    let told = place.line("backups prune --keep 1 --format json").ok().json();
    assert_eq!(told["leftovers_removed"].as_array().unwrap().len(), 1);
    assert_eq!(unfinished(), None);
}
