//! What the store is, in words.

use std::collections::BTreeSet;

use repo_core::{CollectionName, SourceId};

use crate::loaded::Loaded;

/// Most files that are named of a collection.
const MOST_FILES: usize = 3;

/// What was read of which files, what stood in a place that collections share, and what
/// another entity of the same id took the place of.
pub(crate) fn words(loaded: &Loaded) -> String {
    let listed: Vec<String> =
        loaded.collections.keys().map(|name| format!("{name} ({})", files(loaded, name))).collect();
    let mut words = format!("files of another program, read as version 1: {}", listed.join(", "));
    let shared = numbers(loaded, shared);
    if !shared.is_empty() {
        words.push_str(&format!("; of these stand in a section that they share: {shared}"));
    }
    let gone = numbers(loaded, |loaded, name| {
        loaded.collections.get(name).map_or(0, |index| index.gone.len())
    });
    if !gone.is_empty() {
        words.push_str(&format!("; others of the same id that were left out: {gone}"));
    }
    words
}

fn files(loaded: &Loaded, name: &CollectionName) -> String {
    let numbers = loaded.origins.get(name).into_iter().flatten();
    let names: BTreeSet<&str> = numbers
        .filter_map(|number| loaded.files.get(usize::from(*number)))
        .map(|file| file.name.as_str())
        .collect();
    let shown: Vec<&str> = names.iter().take(MOST_FILES).copied().collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// How many of each collection, where there are any.
fn numbers(loaded: &Loaded, count: impl Fn(&Loaded, &CollectionName) -> usize) -> String {
    let of = |name: &CollectionName| match count(loaded, name) {
        0 => None,
        number => Some(format!("{number} {name}")),
    };
    loaded.collections.keys().filter_map(of).collect::<Vec<_>>().join(", ")
}

/// How many entities of a collection are from a place that others share.
fn shared(loaded: &Loaded, name: &CollectionName) -> usize {
    let shares = |number: usize| {
        loaded.routes.get(number).is_some_and(|route| route.root.id == SourceId::SharedKey)
    };
    if !(0..loaded.routes.len()).any(shares) {
        return 0;
    }
    let Some(index) = loaded.collections.get(name) else { return 0 };
    let numbers = (0..index.found()).filter_map(|number| u32::try_from(number).ok());
    numbers
        .filter(|number| !index.gone.contains(number))
        .filter_map(|number| index.place(number))
        .filter(|place| shares(usize::from(place.route)))
        .count()
}
