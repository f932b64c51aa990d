//! The commands of a guide page, run as they stand there.
#![cfg(all(unix, feature = "json", feature = "sql"))]

use std::process::Command;

use crate::cli_support::{Place, Run};

/// The lines of the shell blocks of a page.
fn lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_shell = false;
    for line in page.lines() {
        match line {
            "```sh" => is_shell = true,
            "```" => is_shell = false,
            command if is_shell => lines.push(command.to_owned()),
            _ => {}
        }
    }
    lines
}

/// Runs a line in a shell which finds `repoctl`. One that begins with `! ` has to fail.
fn run(place: &Place, line: &str) -> Run {
    let repoctl = place.command("repoctl");
    let program = std::path::Path::new(repoctl.get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", line.strip_prefix("! ").unwrap_or(line)]);
    Run::of(shell.env("PATH", path).current_dir(place.path(".")))
}

#[test]
fn named_versions_and_upgrades() {
    let page = include_str!("../../../../docs/guide/versions-and-upgrades.md");
    let place = Place::new();
    let mut outputs = Vec::new();
    for line in lines(page) {
        let done = run(&place, &line);
        let fails = line.starts_with("! ");
        let code = done.code.unwrap();
        assert!(if fails { code == 1 || code == 2 } else { code == 0 }, "{line}: {done:?}");
        outputs.push((line, done));
    }
    let of = |part: &str| {
        let found = outputs.iter().rfind(|(line, _)| line.contains(part));
        &found.unwrap_or_else(|| panic!("no line has {part}")).1
    };
    assert!(of("versions datasets").stdout.contains("two late rows"));
    assert!(of("get datasets sales --tag delivered").stdout.contains("10"));
    assert!(of("--at-version 2").stdout.contains("12"));
    assert!(of("diff datasets sales 1 3").stdout.contains("1.75"));
    assert!(of("--at-version 9").stderr.contains("no such version yet"));
    assert!(of("--to 3 --store").stdout.contains("1→3"), "{:?}", of("--to 3 --store"));
    assert!(of("get datasets sales --store sqlite:data.db --schemas").stdout.contains("cost"));
    assert!(of("get datasets bad").stdout.contains("a lot"));
    assert!(of("--to 4").stderr.contains("bad"), "{:?}", of("--to 4"));
    assert!(of("--at-version 3").stdout.contains("\"price\""));
}
