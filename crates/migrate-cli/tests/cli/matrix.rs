//! `repoctl strategies --matrix`: each command is asked of the programs, each page is read.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb", feature = "data"))]

use std::path::PathBuf;

use cli_records::strategies::matrix::{Answer, SEEDS, page};

use crate::cli_support::{Place, Run};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// With `UPDATE_MATRIX=1` the page is written instead.
#[test]
fn the_page_is_what_the_program_prints() {
    let path = root().join("docs/reference/matrix.md");
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == page(), "docs/reference/matrix.md is out of date: UPDATE_MATRIX=1");
    let place = Place::new();
    assert_eq!(place.line("strategies --matrix").ok().stdout, found);
    let rows = place.line("strategies --matrix --format json").ok().json();
    let all: usize = SEEDS.iter().map(|seed| seed.features.len()).sum();
    assert_eq!(rows["features"].as_array().unwrap().len(), all);
    assert_eq!(place.line("strategies --matrix --format ndjson").ok().ndjson().len(), all);
}

/// A word of a command, in contrast to a flag and to what stands for a value.
fn is_name(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-')
}

/// Asks the program itself for the command and for each of its flags.
fn check_command(place: &Place, line: &str) {
    let (program, rest) = line.split_once(' ').unwrap();
    let words: Vec<&str> = rest.split(' ').collect();
    let names: Vec<&str> = words.iter().copied().take_while(|word| is_name(word)).collect();
    let help = Run::of(place.command(program).args(&names).arg("--help")).ok().stdout;
    let usage = std::iter::once(program).chain(names.iter().copied()).collect::<Vec<_>>().join(" ");
    assert!(help.contains(&format!("Usage: {usage}")), "{line}: {help}");
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        let there = help.split([' ', ',', '\n', '[', '<', '=']).any(|word| word == *flag);
        assert!(there, "{line}: no {flag} in {help}");
    }
}

#[test]
fn each_command_is_one_of_the_programs() {
    let place = Place::new();
    for feature in SEEDS.iter().flat_map(|seed| seed.features) {
        if let Answer::Command(line) = feature.answer {
            check_command(&place, line);
        }
    }
}

/// Text with each run of white space as one space: a page breaks its lines anywhere.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_page_says_what_it_is_named_for() {
    for feature in SEEDS.iter().flat_map(|seed| seed.features) {
        if let Answer::Page { path, words } = feature.answer {
            let text = std::fs::read_to_string(root().join(path)).unwrap();
            assert!(in_one_line(&text).contains(&in_one_line(words)), "{path}: {words}");
        }
    }
}

/// What is refused is a short list, and each reason was given by a person.
#[test]
fn nothing_else_is_refused() {
    let refused: Vec<&str> = SEEDS
        .iter()
        .flat_map(|seed| seed.features)
        .filter(|feature| matches!(feature.answer, Answer::Refused { .. }))
        .map(|feature| feature.name)
        .collect();
    assert_eq!(
        refused,
        [
            "Redis as a place",
            "DynamoDB Accelerator (DAX)",
            "MongoDB as the store",
            "Redis as the store",
            "own hash ring and sharding, with questions to all shards",
            "vertical partitions over connections of one's own",
            "several masters with quorums, and vector clocks that decide between them",
            "own two-phase commit",
            "queries that are rewritten with hints for an index",
            "MongoDB below it",
        ]
    );
}
