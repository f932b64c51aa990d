//! `repoctl erase`: a person asks to be forgotten.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::{Place, STORES, filled, machine, postgres_variables};

const SECRET: &str = "a-very-personal-secret";

fn put(place: &Place, store: &str, id: &str, status: &str) {
    let line = format!("put machines - --store {store}");
    place.run_with_input(&line, &machine(id, status).to_string()).ok();
}

/// A store whose feed, history, tags and an archive know of the machine `m`.
fn knowing(store: &str) -> Place {
    let place = filled(store, 3);
    place.line(&format!("changes subscribe watcher --store {store}")).ok();
    place.line(&format!("history on machines --store {store}")).ok();
    for round in 0..3 {
        put(&place, store, "m", SECRET);
        put(&place, store, "other", &format!("round {round}"));
        place.line(&format!("checkpoint --store {store}")).ok();
    }
    let delete = format!("delete machines other --reason {SECRET} --store {store}");
    place.line(&delete).ok();
    put(&place, store, "other", "back");
    let by = format!("put machines - --author {SECRET} --store {store}");
    place.run_with_input(&by, &machine("m", SECRET).to_string()).ok();
    let tag = format!("tag add machines m x --version 2 --note {SECRET} --store {store}");
    place.line(&tag).ok();
    place
}

/// What a place and its database hold in whatever form, without archives of before.
fn everything(place: &Place, store: &str) -> String {
    let mut all = String::new();
    for (path, bytes) in place.contents() {
        if !path.starts_with(place.path("old")) {
            all.push_str(&format!("{}: {}\n", path.display(), String::from_utf8_lossy(&bytes)));
        }
    }
    if store.starts_with("dynamodb") {
        // All that its tables hold can be printed.
        for line in ["export machines", "versions machines m", "versions machines other"] {
            all.push_str(&place.line(&format!("{line} --store {store}")).stdout);
        }
        all.push_str(&place.line(&format!("tag list machines --store {store}")).stdout);
    }
    if store.starts_with("postgresql") {
        let mut dump = Command::new("pg_dump");
        let dump = dump.args(["--data-only"]).envs(postgres_variables(place.postgres()));
        let dump = dump.output().expect("pg_dump runs");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        all.push_str(&String::from_utf8_lossy(&dump.stdout));
    }
    all
}

#[test]
fn nothing_of_an_erased_record_is_left() {
    for store in STORES {
        let place = knowing(store);
        // `other` shows that what is searched for can be found.
        assert!(everything(&place, store).contains(SECRET));
        let erase = |id: &str| {
            place.line(&format!("erase machines {id} --reason asked --format json --store {store}"))
        };
        let done = erase("m").ok().json();
        assert_eq!((&done["versions"], &done["tags"]), (&4.into(), &1.into()), "{store}");
        assert_eq!(done["left"], serde_json::json!([]));
        assert_eq!(erase("other").ok().json()["erased_through"], 6, "{store}");
        place.line(&format!("checkpoint --store {store}")).ok();
        let left = everything(&place, store);
        let lines: Vec<&str> = left.lines().filter(|line| line.contains(SECRET)).collect();
        assert!(lines.is_empty(), "{store}: {lines:?}");
        // The consumer learns of it, and of nothing else.
        let follow = format!("changes follow watcher --until-head --store {store}");
        let followed = place.line(&follow).ok();
        assert!(!followed.stdout.contains(SECRET), "{store}");
        followed.prints("\"deleted\":true");
        place.line(&format!("get machines m --store {store}")).ends(1);
        let page = place.line(&format!("versions machines m --format json --store {store}")).ok();
        assert_eq!(page.json().as_array().unwrap().len(), 1, "{store}");
        erase("m").ok();
        erase("nobody").ends(1).complains("no such entity");
    }
}

#[test]
fn archives_that_hold_it_are_named_and_bring_nothing_back() {
    for store in STORES {
        let place = knowing(store);
        place.line(&format!("backup --backup-location old --store {store}")).ok();
        let erase =
            format!("erase machines m --reason asked --backup-location old --store {store}");
        place.line(&erase).ends(3).prints("LEFT ").prints("an archive that holds the record");
        place.line(&format!("erase machines other --reason asked --store {store}")).ok();
        let archive = std::fs::read_dir(place.path("old")).unwrap().next().unwrap().unwrap();
        let archive = archive.path();
        let archive = archive.to_str().unwrap();
        // Into the store itself, and into one that got its marks by a migration.
        let migrated = if store == "json:data" { "sqlite:moved.db" } else { "json:moved" };
        place.migrate(&format!("--source {store} --target {migrated}")).ok();
        for target in [store, migrated] {
            place
                .line(&format!("restore {archive} --store {target}"))
                .ends(1)
                .complains("that were erased")
                .complains("machines/m");
            let import = format!("import machines - --store {target}");
            let line = machine("m", SECRET).to_string();
            place.run_with_input(&import, &line).ends(3).complains("the record was erased");
        }
        // Archives made afterwards hold nothing of it, that of the migration among them.
        place.line(&format!("backup --backup-location new --store {migrated}")).ok();
        let again =
            "erase machines m --reason again --backup-location new --backup-location backups";
        place.line(&format!("{again} --store {migrated}")).ok();
        let left = everything(&place, store);
        assert!(!left.contains(SECRET), "{store}");
        // Another person may have the id.
        put(&place, store, "m", "another");
        place.line(&format!("get machines m --store {store}")).ok().prints("another");
        // A way back for the rest of the archive.
        place.line(&format!("restore {archive} --store sqlite:aside.db")).ok();
        let aside = "erase machines m --reason asked --store sqlite:aside.db";
        place.line(aside).ok();
    }
}

#[test]
fn its_dead_letters_go_and_nothing_waits_for_them() {
    for store in ["json:data", "sqlite:data.db"] {
        let place = filled(store, 0);
        place.line(&format!("changes subscribe feed --store {store}")).ok();
        for id in ["m", "other", "m"] {
            put(&place, store, id, SECRET);
        }
        place.write(
            "handle",
            "read line; case \"$line\" in *'\"deleted\":true'*) exit 0;; esac; exit 7",
        );
        let exec =
            ["changes", "follow", "feed", "--until-head", "--exec", "sh handle", "--store", store];
        place.run(exec).ok();
        let erase = format!("erase machines m --reason asked --format json --store {store}");
        assert_eq!(place.line(&erase).ok().json()["dead_letters"], 2, "{store}");
        let dead = format!("changes dead list feed --format json --store {store}");
        let left = place.line(&dead).ok().json()["dead_letters"].clone();
        assert_eq!(left.as_array().unwrap().len(), 1, "that of another record stays");
        // The deletion is the next change of the record, and waits for no letter.
        place.run(exec).ok();
        assert_eq!(place.line(&dead).ok().json()["dead_letters"], left);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = filled("sqlite:data.db", 2);
    let erase = |more: &str| place.line(&format!("erase machines {more} --store sqlite:data.db"));
    erase("m-1").ends(2);
    place
        .run(["erase", "machines", "m", "--reason", "", "--store", "sqlite:data.db"])
        .ends(2)
        .complains("a reason is");
    erase("nobody --reason x").ends(1).complains("no such entity");
    place.line("erase nowhere m --reason x --store sqlite:data.db").ends(1);
    place.line("erase machines m --reason x --store sqlite:none.db").ends(1);
}
