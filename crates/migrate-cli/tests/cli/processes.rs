//! The programs among other processes: sharing a store, being told to stop,
//! and losing their reader.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::cli_support::{Place, STORES, filled, machine, machine_lines};
use serde_json::Value as Json;

#[test]
fn two_processes_that_save_at_once_lose_nothing() {
    for store in STORES {
        let place = filled(store, 0);
        let mut children = Vec::new();
        for writer in ["a", "b"] {
            let lines: String =
                (0..500).map(|n| format!("{}\n", machine(&format!("{writer}-{n}"), "x"))).collect();
            place.write(writer, lines);
            let line = format!("import machines {writer} --batch-size 7 --store {store}");
            let mut command = place.command("repoctl");
            children.push(command.args(line.split(' ')).stdout(Stdio::null()).spawn().unwrap());
        }
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let count = place.line(&format!("count machines --store {store}")).ok();
        assert_eq!(count.stdout, "1000\n", "{store}");
        let lines = place.line(&format!("export machines --store {store}")).ok().ndjson();
        assert!(lines.iter().all(|line| line["_version"] == 1));
    }
}

#[test]
fn two_processes_that_save_the_same_id_count_every_save() {
    for store in STORES {
        let place = filled(store, 0);
        place.write("same", format!("{}\n", machine("m", "x")).repeat(40));
        let line = format!("import machines same --batch-size 1 --store {store}");
        let start = || place.command("repoctl").args(line.split(' ')).stdout(Stdio::null()).spawn();
        let children = [start().unwrap(), start().unwrap()];
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let got = place.line(&format!("get machines m --format json --store {store}")).ok().json();
        assert_eq!(got["_version"], 80, "{store}");
    }
}

#[test]
fn the_first_signal_ends_an_import_after_the_batch_in_hand() {
    for store in STORES {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let place = filled(store, 0);
            let mut child = place
                .start(&format!("import machines --batch-size 2 --format ndjson --store {store}"));
            let mut input = child.stdin.take().unwrap();
            let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
            input.write_all(machine_lines(3).as_bytes()).unwrap();
            let first: Json = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
            assert_eq!(first["records"].as_array().unwrap().len(), 2);
            send(&child, signal);
            let last: Json = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
            assert_eq!((&last["complete"], &last["saved"]), (&false.into(), &2.into()));
            assert_eq!(child.wait().unwrap().code(), Some(code));
            let count = place.line(&format!("count machines --store {store}")).ok();
            assert_eq!(count.stdout, "2\n");
        }
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    for store in STORES {
        let place = filled(store, 2_000);
        // Nobody reads: the export waits in a full pipe, where the first
        // signal cannot reach it.
        let mut child = place
            .command("repoctl")
            .args(["export", "machines", "--store", store])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut one = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut one).unwrap();
        send(&child, "INT");
        let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(notes.next().unwrap().unwrap().starts_with("stopping after the batch"));
        send(&child, "INT");
        assert_eq!(child.wait().unwrap().code(), Some(130), "{store}");
    }
}

fn send(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

#[test]
fn a_reader_that_leaves_early_ends_an_export_and_a_query_quietly() {
    for store in STORES {
        let place = filled(store, 2_000);
        for line in [
            format!("export machines --store {store}"),
            format!("export machines --format json --store {store}"),
            format!("query machines --store {store}"),
            format!("query machines --format ndjson --store {store}"),
        ] {
            let mut child = place
                .command("repoctl")
                .args(line.split(' '))
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut one = [0];
            child.stdout.take().unwrap().read_exact(&mut one).unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{line}");
            assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{line}");
        }
    }
}

#[test]
fn an_import_whose_reader_leaves_is_not_done() {
    for store in STORES {
        let place = filled(store, 0);
        let mut child = place
            .command("repoctl")
            .args("import machines --batch-size 1 --format ndjson --store".split(' '))
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut input = child.stdin.take().unwrap();
        // The program may end before it has read all of it.
        let _ = input.write_all(machine_lines(50).as_bytes());
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("nobody reads the events"));
    }
}

#[test]
fn nothing_is_left_over_in_a_new_folder() {
    let place = Place::new();
    place.line("strategies").ok();
    place.line("health").ends(2);
    assert!(place.contents().is_empty());
}
