//! Histories and tags travel with migrations and archives: as operators see it.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::collections::BTreeSet;

use crate::cli_support::{Place, filled, machine, pairs};
use serde_json::{Value as Json, json};

/// The stores that keep histories.
const KEEPING: [&str; 4] = ["json:data", "sqlite:data.db", "postgresql:///", "dynamodb:data"];
/// Others of the same kinds.
const OTHERS: [&str; 4] =
    ["json:other", "sqlite:other.db", "postgresql:///?schema=other", "dynamodb:other"];
const RESTORED: [&str; 4] =
    ["json:back", "sqlite:back.db", "postgresql:///?schema=back", "dynamodb:back"];
const IDS: [&str; 4] = ["m", "gone", "again", "m-0001"];

fn put(place: &Place, store: &str, id: &str, status: &str) {
    let line = format!("put machines - --store {store}");
    place.run_with_input(&line, &machine(id, status).to_string()).ok();
}

/// A store with a past: entities that were changed, deleted, and made again; a version
/// of which retention left a mark; tags.
fn with_past(store: &str) -> Place {
    let place = filled(store, 2);
    let line = |line: &str| place.line(&format!("{line} --store {store}")).ok();
    line("history on machines --keep-age 90d --keep-versions 50");
    for status in ["one", "two", "three", "four"] {
        put(&place, store, "m", status);
    }
    put(&place, store, "gone", "here");
    put(&place, store, "again", "first");
    line("tag add machines m second --version 2 --note why");
    line("tag add machines again start --version 1");
    line("delete machines gone --author ada --reason unused");
    line("delete machines again");
    put(&place, store, "again", "second");
    // Versions 1 is a mark only, 2 is kept by its tag.
    line("history prune machines --keep-versions 2");
    put(&place, store, "m-0001", "changed");
    let five = format!("put machines - --author bob --store {store}");
    place.run_with_input(&five, &machine("m", "five").to_string()).ok();
    place
}

/// All that can be asked of the past.
#[derive(Debug, PartialEq)]
struct Past {
    state: Json,
    versions: Vec<Json>,
    tags: Json,
    /// The whole collection at each time at which something was written.
    at: Vec<(String, BTreeSet<String>)>,
}

fn past(place: &Place, store: &str) -> Past {
    let line = |line: String| place.line(&format!("{line} --store {store}")).ok();
    let versions: Vec<Json> =
        IDS.iter().map(|id| line(format!("versions machines {id} --format json")).json()).collect();
    let all = versions.iter().flat_map(|list| list.as_array().unwrap());
    let times: BTreeSet<String> =
        all.filter_map(|one| one["updated_at"].as_str()).map(str::to_owned).collect();
    let since = line("history list --format json".to_owned()).json();
    let state = since["histories"].clone();
    let begins = state[0]["since"].as_str().unwrap_or_default().to_owned();
    let at = times
        .into_iter()
        .filter(|time| *time >= begins)
        .map(|time| {
            // What retention removed is no answer on either side.
            let run = place.line(&format!("export machines --as-of {time} --store {store}"));
            let text = if run.code == Some(0) { run.stdout } else { run.stderr };
            let lines = text.lines().filter(|line| !line.contains(store));
            (time, lines.map(by_name).collect())
        })
        .collect();
    Past { state, versions, tags: line("tag list machines --format json".to_owned()).json(), at }
}

/// A line with the fields of its object in order: a store may keep them in another one.
fn by_name(line: &str) -> String {
    match serde_json::from_str::<std::collections::BTreeMap<String, Json>>(line) {
        Ok(fields) => format!("{fields:?}"),
        Err(_) => line.to_owned(),
    }
}

fn migrate(place: &Place, from: &str, into: &str, more: &str) -> crate::cli_support::Run {
    place.migrate(&format!("--source {from} --target {into} --no-backup {more}"))
}

#[test]
fn the_past_is_the_same_after_a_migration_between_every_pair() {
    let mut all = pairs(&KEEPING, &OTHERS);
    all.sort_unstable();
    for pairs in all.chunk_by(|one, next| one.0 == next.0) {
        let from = pairs[0].0;
        let place = with_past(from);
        place.postgres();
        let before = past(&place, from);
        assert!(before.at.len() >= 8, "{before:?}");
        let all = format!("{:?}", before.versions);
        assert!(all.contains("ada") && all.contains("bob"), "{all}");
        assert_eq!(before.state[0]["max_versions"], 50, "{}", before.state);
        for (_, into) in pairs {
            let run = migrate(&place, from, into, "--format json").ok().json();
            let of = &run["collections"][0]["history"];
            assert_eq!(of["versions"]["applied"], of["versions"]["read"], "{from} {into}: {run}");
            assert_eq!(of["items"]["read"], 2);
            assert_eq!(past(&place, into), before, "{from} into {into}");
            place.line(&format!("verify --source {from} --target {into}")).ok().prints("equal");
        }
        // Once more: nothing is left to do.
        let into = pairs[0].1;
        let run = migrate(&place, from, into, "").ok();
        run.prints("history of machines:").prints("verified");
        assert_eq!(past(&place, into), before, "{from} into {into}, twice");
    }
}

#[test]
fn the_past_goes_through_an_archive() {
    for (n, from) in KEEPING.into_iter().enumerate() {
        let place = with_past(from);
        place.postgres();
        let before = past(&place, from);
        place.line(&format!("backup --store {from}")).ok().prints("older versions");
        let archive = archive(&place);
        let manifest: Json =
            serde_json::from_str(&place.read(&format!("{archive}/manifest.json"))).unwrap();
        assert_eq!(manifest["format_version"], 2);
        // Archives of all stores are alike: one goes into every store, the others into the next.
        let next = &RESTORED[(n + 1) % RESTORED.len()..][..1];
        for into in if n == 0 { &RESTORED[..] } else { next } {
            place.line(&format!("restore {archive} --store {into}")).ok().prints("verified");
            assert_eq!(past(&place, into), before, "{from} into {into}");
            place.line(&format!("restore {archive} --store {into}")).ok();
        }
    }
}

/// The only archive that there is.
fn archive(place: &Place) -> String {
    let found: Vec<String> = std::fs::read_dir(place.path("backups"))
        .unwrap()
        .map(|entry| format!("backups/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn a_migration_with_a_backup_copies_the_past_from_it() {
    let place = with_past("sqlite:data.db");
    let before = past(&place, "sqlite:data.db");
    place.migrate("--source sqlite:data.db --target json:other").ok().prints("verified");
    assert_eq!(past(&place, "json:other"), before);
    let archive = archive(&place);
    place.line(&format!("restore {archive} --store sqlite:back.db")).ok();
    assert_eq!(past(&place, "sqlite:back.db"), before);
}

#[test]
fn a_damaged_file_of_versions_never_passes() {
    let place = with_past("json:data");
    place.line("backup --store json:data").ok();
    let archive = archive(&place);
    for file in ["machines.versions.jsonl.zst", "system.items.jsonl.zst"] {
        let path = place.path(&format!("{archive}/{file}"));
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x20;
        for bytes in [Some(damaged), Some(whole[..whole.len() - 9].to_vec()), None] {
            match bytes {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            place
                .line(&format!("restore {archive} --store sqlite:back.db"))
                .ends(1)
                .complains(file);
            assert!(!place.path("back.db").exists(), "nothing was written");
        }
        std::fs::write(&path, whole).unwrap();
    }
    place.line(&format!("restore {archive} --store sqlite:back.db")).ok();
}

#[test]
fn a_target_without_the_past_is_a_difference() {
    for from in KEEPING {
        let place = with_past(from);
        let into = if from == "dynamodb:data" { "sqlite:other.db" } else { "dynamodb:data" };
        migrate(&place, from, into, "--without-history")
            .ok()
            .complains("history of machines: older versions, and 2 tags")
            .prints("verified");
        let verify = format!("verify --source {from} --target {into}");
        place.line(&verify).ends(4).prints("the target keeps no history");
        place.line(&format!("{verify} --without-history")).ok();
    }
}

#[test]
fn the_past_is_left_behind_where_that_is_asked() {
    let place = with_past("json:data");
    for more in ["--dry-run", ""] {
        migrate(&place, "json:data", "sqlite:other.db", &format!("--without-history {more}"))
            .ok()
            .complains("history of machines: older versions, and 2 tags")
            .complains("left behind");
    }
    place.line("history list --store sqlite:other.db").ok().prints("no history");
    // Later it is wanted after all.
    let before = past(&place, "json:data");
    migrate(&place, "json:data", "sqlite:other.db", "").ok().prints("verified");
    assert_eq!(past(&place, "sqlite:other.db"), before);

    place.line("backup --without-history --store json:data").ok();
    let archive = archive(&place);
    let manifest: Json =
        serde_json::from_str(&place.read(&format!("{archive}/manifest.json"))).unwrap();
    assert_eq!((&manifest["format_version"], manifest.get("items")), (&json!(1), None));
    assert!(manifest["collections"][0].get("history").is_none());
    place.line(&format!("restore {archive} --store sqlite:plain.db")).ok();
    place.line("history list --store sqlite:plain.db").ok().prints("no history");
}

#[test]
fn an_archive_is_restored_without_its_past_where_that_is_asked() {
    let place = with_past("sqlite:data.db");
    place.line("backup --store sqlite:data.db").ok();
    let archive = archive(&place);
    place
        .line(&format!("restore {archive} --without-history --store json:back"))
        .ok()
        .complains("left behind");
    place.line("history list --store json:back").ok().prints("no history");
    place.line(&format!("restore {archive} --without-history --store dynamodb:back")).ok();
}

#[test]
fn a_dry_run_counts_what_would_travel() {
    let place = with_past("sqlite:data.db");
    let run = migrate(&place, "sqlite:data.db", "json:other", "--dry-run --format json");
    let of = run.ok().json()["collections"][0]["history"].clone();
    assert_eq!((&of["versions"]["read"], &of["items"]["read"]), (&json!(8), &json!(2)), "{of}");
    assert!(!place.path("other").exists());
    let run = migrate(&place, "sqlite:data.db", "json:other", "--dry-run");
    run.ok().prints("history of machines: 8 older versions, 2 tags");
}

#[test]
fn only_the_past_of_the_chosen_collections_travels() {
    let place = with_past("sqlite:data.db");
    let line = |line: &str| place.line(&format!("{line} --store sqlite:data.db")).ok();
    line("history on requests");
    line("tag add requests r-1 kept --version 1");
    migrate(&place, "sqlite:data.db", "json:other", "--collections requests").ok();
    let other = |line: &str| place.line(&format!("{line} --store json:other"));
    let kept = other("history list --format json").ok().json()["histories"].clone();
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["collection"]), (1, &json!("requests")));
    other("tag list requests").ok().prints("kept");
    migrate(&place, "sqlite:data.db", "json:other", "").ok();
    assert_eq!(past(&place, "json:other").tags, past(&place, "sqlite:data.db").tags);
}

#[test]
fn a_version_that_was_something_else_in_the_target_is_treated_as_a_record_is() {
    let place = with_past("sqlite:data.db");
    migrate(&place, "sqlite:data.db", "json:other", "").ok();
    let other = |line: &str| place.line(&format!("{line} --store json:other"));
    // The same version under another document, and another one with the same number.
    for store in ["sqlite:data.db", "json:other"] {
        put(&place, store, "m", if store == "json:other" { "theirs" } else { "ours" });
        put(&place, store, "m", "same again");
    }
    migrate(&place, "sqlite:data.db", "json:other", "")
        .ends(1)
        .complains("m (version 6 was something else in the target)");
    place
        .line("verify --source sqlite:data.db --target json:other")
        .ends(4)
        .prints("* machines/m version 6: both have it, and it differs, first at /status");
    for policy in ["newer", "overwrite"] {
        migrate(&place, "sqlite:data.db", "json:other", &format!("--on-conflict {policy}"))
            .ends(3)
            .prints("m (version 6)");
        other("get machines m --at-version 6").ok().prints("theirs");
    }
    // A tag is no past: the source's wins where that is asked.
    other("tag remove machines m second").ok();
    other("tag add machines m second --version 5").ok();
    migrate(&place, "sqlite:data.db", "json:other", "").ends(1);
    migrate(&place, "sqlite:data.db", "json:other", "--on-conflict newer").ends(3);
    other("get machines m --tag second").ok().prints("five");
    migrate(&place, "sqlite:data.db", "json:other", "--on-conflict overwrite").ends(3);
    other("get machines m --tag second").ok().prints("two");
}

#[test]
fn what_an_export_leaves_out_is_said() {
    let place = with_past("json:data");
    place.line("export machines --store json:data").ok().complains("`repoctl backup`");
    place.line("export requests --store json:data").ok();
}
