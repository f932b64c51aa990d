//! Everything that a server keeps, to see that nothing of it changed.

use std::path::Path;

use crate::support::{Client, Place};

const COLLECTIONS: [&str; 9] = [
    "datasets",
    "entries",
    "datapoints",
    "revisions",
    "blobs",
    "uploads",
    "usage",
    "service",
    "items",
];

/// Everything that a server without keys keeps: all records, and the names and sizes of all
/// files, but for those that a store changes by itself.
pub(super) fn snapshot(place: &Place, client: &Client) -> Vec<String> {
    client.make("items");
    let mut all = Vec::new();
    for collection in COLLECTIONS {
        let lines = client.get(&format!("/api/v1/collections/{collection}/export")).expect(200);
        all.extend(lines.text().lines().map(|line| format!("{collection} {line}")));
    }
    files(&place.path("share"), &mut all);
    all
}

/// Names and sizes of all files below a folder.
fn files(folder: &Path, all: &mut Vec<String>) {
    let Ok(listed) = std::fs::read_dir(folder) else { return };
    for found in listed {
        let path = found.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if !path.file_name().unwrap().to_string_lossy().starts_with("store.db") {
            all.push(format!("{} {}", path.display(), path.metadata().unwrap().len()));
        }
    }
}

/// The names in the folder of a place itself.
pub(super) fn names(place: &Place) -> Vec<String> {
    let listed = std::fs::read_dir(place.path("")).unwrap();
    let name = |found: std::fs::DirEntry| found.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = listed.map(|found| name(found.unwrap())).collect();
    names.sort();
    names
}
