//! Checks of this workspace that no library offers.
//!
//! `cargo xtask circles [FOLDER…]` reads the modules of every crate and fails
//! when some import each other in a circle. A parent may re-export what its
//! children define; any other use of a child by a parent that the child uses as
//! well is a circle.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod circles;
mod graph;
mod imports;
mod modules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("circles") => circles(words.map(PathBuf::from).collect()),
        _ => {
            eprintln!("usage: cargo xtask circles [FOLDER OF A CRATE]…");
            ExitCode::from(2)
        }
    }
}

fn circles(mut folders: Vec<PathBuf>) -> ExitCode {
    if folders.is_empty() {
        folders = match every_crate(Path::new("crates")) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("xtask: crates: {error}; run it from the root of the workspace");
                return ExitCode::from(2);
            }
        };
    }
    let mut found = false;
    for folder in folders {
        match circles::of_crate(&folder) {
            Ok(circles) => {
                for circle in circles {
                    found = true;
                    println!("{}: modules in a circle\n{circle}", folder.display());
                }
            }
            Err(error) => {
                eprintln!("xtask: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if found { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn every_crate(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let folder = entry?.path();
        if folder.join("src/lib.rs").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    folders.push(PathBuf::from("xtask"));
    Ok(folders)
}
