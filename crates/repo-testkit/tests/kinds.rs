//! `Conflict` is made in one place, with its list. What asks for it elsewhere
//! would get `Unexpected` at run time; here it is found before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether the text makes an error of the kind `Conflict` by hand.
fn makes_one(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    ["new(", "into_kind("].iter().any(|maker| {
        ["", "repo_core::", "crate::"]
            .iter()
            .any(|path| dense.contains(&format!("{maker}{path}ErrorKind::Conflict")))
    })
}

#[test]
fn only_the_core_makes_a_conflict() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        let source = entry.unwrap().path().join("src");
        if source.is_dir() {
            sources(&source, &mut files);
        }
    }
    assert!(files.len() > 200, "{} files", files.len());
    // The error itself tries it, to show that it cannot; a transaction and a lease turn one
    // that has a list into it.
    let allowed = [
        "repo-core/src/error.rs",
        "repo-core/src/precondition.rs",
        "repo-core/src/transaction.rs",
        "repo-lease/src/refusals.rs",
    ];
    let others = files.iter().filter(|file| !allowed.iter().any(|end| file.ends_with(end)));
    let makers: Vec<_> =
        others.filter(|file| makes_one(&std::fs::read_to_string(file).unwrap())).collect();
    assert!(makers.is_empty(), "use another kind, or `Error::preconditions`: {makers:?}");
}

#[test]
fn a_maker_is_found_however_it_is_written() {
    assert!(makes_one("Error::new(\n    ErrorKind::Conflict,\n    \"commit\""));
    assert!(makes_one("error.into_kind(repo_core::ErrorKind::Conflict)"));
    assert!(!makes_one("error.kind() == ErrorKind::Conflict"));
}
