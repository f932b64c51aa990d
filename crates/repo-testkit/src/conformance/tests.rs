//! No behaviour is forgotten in the list.

use std::collections::BTreeSet;
use std::path::Path;

/// `file::behaviour` for every public async function of the suite's files.
fn written() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let mut written = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some(rest) = line.strip_prefix("pub async fn ") {
                let name = rest.split('(').next().unwrap();
                assert!(written.insert(format!("{file}::{name}")));
            }
        }
    }
    written
}

/// `file::behaviour` for every entry of the macro's list.
fn listed() -> BTreeSet<String> {
    let text = include_str!("list.rs");
    let mut file = String::new();
    let mut listed = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(": [") {
            file = name.to_owned();
        } else if let Some(name) = line.strip_suffix(',')
            && !file.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            listed.insert(format!("{file}::{name}"));
        } else if line == "];" {
            file.clear();
        }
    }
    listed
}

#[test]
fn the_list_names_every_behaviour() {
    assert_eq!(written(), listed());
    assert!(listed().len() > 100);
}
