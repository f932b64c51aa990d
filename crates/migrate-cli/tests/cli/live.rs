//! `repoctl live` as operators use it: a store moves while programs write, and moves back.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::time::Duration;

use crate::cli_support::{Place, filled, machine};
use repo_testkit::Process;
use serde_json::Value as Json;

const FILE: &str = "data/request_database.json";
const MOVES: [(&str, &str); 3] = [
    ("json:data", "sqlite:new.db"),
    ("sqlite:data.db", "postgresql:///"),
    ("json:data", "dynamodb:new"),
];

fn status(place: &Place, stores: &str) -> Json {
    place.line(&format!("live status {stores} --format json")).ok().json()
}

/// Waits until the move is in a phase.
fn until(place: &Place, stores: &str, phase: &str) {
    for _ in 0..600 {
        let run = place.line(&format!("live status {stores} --format json"));
        if run.code == Some(0) && run.json()["phase"] == phase {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it is never {phase}: {}", status(place, stores));
}

fn start(place: &Place, stores: &str) -> Process {
    // What it says stands in the log of a test that fails.
    let line = format!("live start {stores} --quiet");
    let child = Process::start(place.command("repoctl").args(line.split_whitespace()));
    until(place, stores, "ready");
    child
}

fn put(place: &Place, store: &str, id: &str) -> crate::cli_support::Run {
    place.run_with_input(
        &format!("put machines - --store {store}"),
        &machine(id, "running").to_string(),
    )
}

fn count(place: &Place, store: &str) -> String {
    place.line(&format!("count machines --store {store}")).ok().stdout.trim().to_owned()
}

#[test]
fn a_store_moves_there_and_back_and_there() {
    for (source, target) in MOVES {
        let place = filled(source, 20);
        if target.starts_with("postgresql") {
            place.postgres();
        }
        let stores = format!("--source {source} --target {target}");
        let mut mover = start(&place, &stores);
        put(&place, source, "during").ok();
        put(&place, target, "no").ends(5).complains("copy of another");
        let report = place.line(&format!("live switch {stores} --format json")).ok().json();
        assert_eq!((&report["switched"], &report["epoch"]), (&Json::Bool(true), &1.into()));
        assert_eq!(report["differences"], 0);
        assert!(report["pause_ms"].as_u64().unwrap() < 5_000, "{report}");
        put(&place, source, "late").ends(5).complains("successor");
        put(&place, target, "there").ok();
        place.line(&format!("live abort {stores}")).ends(5).complains("is the authority");
        place.line(&format!("live back {stores}")).ok().prints("(epoch 2)");
        put(&place, source, "back").ok();
        assert_eq!(count(&place, source), "23");
        place.line(&format!("live switch {stores}")).ok().prints("(epoch 3)");
        assert_eq!(status(&place, &stores)["phase"], "switched");
        place.line(&format!("live finish {stores}")).ok().prints("finished");
        assert!(mover.wait().success(), "{source} {target}");
        assert_eq!(count(&place, target), "23");
        put(&place, source, "never").ends(5).complains("has moved");
        put(&place, target, "after").ok();
    }
}

/// A program that names the target among its routes goes on by its own configuration.
#[test]
fn a_configuration_follows_its_route() {
    let place = filled("json:data", 3);
    let stores = "--source json:data --target sqlite:new.db";
    place.write(
        "repository.json",
        r#"{"storage":{"strategy":"json","json_strategy":{"base_path":"data"},
            "routes":["sqlite:new.db"]}}"#,
    );
    let input = machine("routed", "running").to_string();
    place.run_with_input("put machines -", &input).ok();
    let mut mover = start(&place, stores);
    place.line(&format!("live switch {stores}")).ok();
    let input = machine("moved", "running").to_string();
    place.run_with_input("put machines -", &input).ok();
    place.line("count machines").ok().prints("5");
    assert_eq!(count(&place, "sqlite:new.db"), "5");
    place.line(&format!("live finish {stores}")).ok();
    assert!(mover.wait().success());
    place.line("get machines moved").ok();
    place.write(
        "repository.json",
        r#"{"storage":{"strategy":"json","json_strategy":{"base_path":"data"},
            "routes":["sqlite:other.db"]}}"#,
    );
    place.run_with_input("put machines -", &input).ends(5).complains("new.db");
    place.write("repository.json", r#"{"storage":{"strategy":"json","routes":["nowhere"]}}"#);
    place.line("count machines").ends(2).complains("storage.routes");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = filled("json:data", 3);
    let stores = "--source json:data --target sqlite:new.db";
    for verb in ["status", "verify", "switch", "back", "finish"] {
        place.line(&format!("live {verb} {stores}")).ends(1).complains("no live migration");
    }
    place.line(&format!("live abort {stores}")).ok();
    place.line("live start --source json:data --target json:data").ends(2).complains("same store");
    place.line(&format!("live switch {stores} --max-pause 60")).ends(2);
    let mut mover = start(&place, stores);
    place
        .line("live start --source json:data --target sqlite:third.db")
        .ends(5)
        .complains("another live migration");
    place.line(&format!("live finish {stores}")).ends(5).complains("not the authority yet");
    place.line("purge machines --older-than 0s --store json:data").ends(5);
    place.line(&format!("live abort {stores}")).ok().prints("given up");
    assert!(mover.wait().success());
    put(&place, "json:data", "x").ok();
}

fn signal(child: &Process, name: &str) {
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// What records were before, their names, and consumers of the changes move with the store.
#[test]
fn the_past_and_consumers_move_along() {
    let place = filled("json:data", 3);
    let stores = "--source json:data --target sqlite:new.db";
    place.line("history on machines --store json:data").ok();
    put(&place, "json:data", "a").ok();
    put(&place, "json:data", "a").ok();
    place.line("tag add machines a first --version 1 --store json:data").ok();
    place.line("changes subscribe billing --store json:data").ok();
    let mut mover = start(&place, stores);
    until(&place, stores, "ready");
    put(&place, "json:data", "a").ok();
    place.line("history off machines --yes --store json:data").ends(5).complains("live migration");
    place.line(&format!("live switch {stores}")).ok();
    place.line("versions machines a --store sqlite:new.db").ok().prints(" 3 ");
    place.line("tag list machines a --store sqlite:new.db").ok().prints("first");
    let line = "changes follow billing --until-head --store sqlite:new.db";
    place.line(line).ok().prints("\"id\":\"a\",\"version\":3");
    place.line("changes follow billing --store json:data").ends(5).complains("has moved");
    place.line(&format!("live finish {stores}")).ok();
    assert!(mover.wait().success());
    place.line("changes list --store json:data").ok().prints("no consumer");
}

/// A switch that slept while another operator cancelled it decides nothing.
#[test]
fn a_switch_that_was_stopped_cannot_decide() {
    for (source, target) in [MOVES[0], ("sqlite:data.db", "json:new")] {
        let place = filled(source, 20);
        let stores = format!("--source {source} --target {target}");
        let mut mover = start(&place, &stores);
        let line = format!("live switch {stores}");
        let mut switch = Process::start(place.command("repoctl").args(line.split_whitespace()));
        until(&place, &stores, "fenced");
        signal(&switch, "-STOP");
        place.line(&format!("live abort {stores}")).ok();
        put(&place, source, "after").ok();
        signal(&switch, "-CONT");
        assert_eq!(switch.wait().code(), Some(5), "{source} {target}");
        put(&place, source, "still").ok();
        assert_eq!(count(&place, source), "22");
        assert!(mover.wait().success());
    }
}

/// Two operators at once: one of them makes each step, and both come to the same end.
#[test]
fn two_operators_do_no_harm() {
    let place = filled("sqlite:data.db", 200);
    let stores = "--source sqlite:data.db --target json:new";
    for name in ["a", "b", "c"] {
        place.line(&format!("changes subscribe {name} --store sqlite:data.db")).ok();
    }
    let both = |line: &str| -> [Option<i32>; 2] {
        let line = format!("live {line} {stores} --quiet");
        let begin = || Process::start(place.command("repoctl").args(line.split_whitespace()));
        let mut children = [begin(), begin()];
        [0, 1].map(|n| children[n].wait().code())
    };
    let mut movers = [start(&place, stores), start(&place, stores)];
    for (verb, phase) in [("switch", "switched"), ("back", "ready"), ("switch", "switched")] {
        put(&place, if phase == "ready" { "json:new" } else { "sqlite:data.db" }, verb).ok();
        let codes = both(verb);
        assert!(codes.contains(&Some(0)), "{verb}: {codes:?}");
        assert!(codes.iter().all(|code| [Some(0), Some(5)].contains(code)), "{verb}: {codes:?}");
        assert_eq!(status(&place, stores)["phase"], phase);
    }
    let codes = both("finish");
    assert!(codes.contains(&Some(0)), "{codes:?}");
    for mover in &mut movers {
        assert!(mover.wait().success());
    }
    assert_eq!(count(&place, "json:new"), "202");
    put(&place, "sqlite:data.db", "late").ends(5);
}

/// Another tool changes a file of the source while it is followed.
#[test]
fn an_edit_by_another_tool_is_carried_over() {
    let place = filled("json:data", 3);
    let stores = "--source json:data --target sqlite:new.db";
    let mut mover = start(&place, stores);
    place.line("checkpoint --store json:data").ok();
    let mut file: Json = serde_json::from_str(&place.read(FILE)).unwrap();
    file["machines"]["m-0003"]["status"] = "edited".into();
    // As an editor does it: who reads meanwhile finds one of the two files whole.
    place.write("edited.json", file.to_string());
    std::fs::rename(place.path("edited.json"), place.path(FILE)).unwrap();
    put(&place, "json:data", "after").ok();
    place.line(&format!("live switch {stores}")).ok();
    let machine = place.line("get machines m-0003 --store sqlite:new.db").ok();
    assert!(machine.stdout.contains("edited"), "{machine:?}");
    place.line(&format!("live finish {stores}")).ok();
    assert!(mover.wait().success());
}

/// The next command is one that can be typed.
#[test]
fn the_status_gives_the_next_command() {
    let place = filled("json:data", 3);
    let stores = "--source json:data --target sqlite:new.db";
    let mut mover = start(&place, stores);
    let next = |verb: &str| {
        let command = status(&place, stores)["command"].as_str().unwrap().to_owned();
        let (_, line) = command.split_once(' ').unwrap();
        assert_eq!(line, format!("live {verb} {stores}"));
        place.line(line).ok();
    };
    next("switch");
    place.line(&format!("live status {stores}")).ok().prints("command ");
    next("finish");
    assert!(mover.wait().success());
}

/// The source is emptied at the end, once it is in an archive.
#[test]
fn the_end_may_empty_the_source() {
    for (source, target) in MOVES {
        let place = filled(source, 20);
        if target.starts_with("postgresql") {
            place.postgres();
        }
        let stores = format!("--source {source} --target {target}");
        let mut mover = start(&place, &stores);
        place.line(&format!("live switch {stores}")).ok();
        let line = format!("live finish {stores} --cleanup-source --backup-location kept");
        let report = place.line(&format!("{line} --format json")).ok().json();
        assert_eq!(report["collections"][0]["deleted"], 20, "{report}");
        assert!(mover.wait().success(), "{source} {target}");
        assert_eq!(std::fs::read_dir(place.path("kept")).unwrap().count(), 1);
        assert_eq!((count(&place, source), count(&place, target)), ("0".into(), "20".into()));
        put(&place, source, "never").ends(5).complains("has moved");
        place.line(&format!("health --store {source}")).ok().prints("its successor is");
        place.line(&line).ends(1).complains("no live migration");
    }
}

/// A target that is gone stands in nobody's way.
#[test]
fn a_move_to_a_store_that_is_gone_is_given_up() {
    let place = filled("json:data", 3);
    let stores = "--source json:data --target sqlite:new.db";
    start(&place, stores).kill();
    std::fs::remove_file(place.path("new.db")).unwrap();
    place.line(&format!("live abort {stores}")).ends(3).prints("could not be reached");
    put(&place, "json:data", "after").ok();
    place.line("live start --source json:data --target sqlite:x.db --max-load 1").ends(2);
}
