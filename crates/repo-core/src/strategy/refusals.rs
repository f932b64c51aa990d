//! Errors that every strategy words alike.

use crate::strategy::{Action, did_you_mean};
use crate::{CollectionName, Error, ErrorKind};

/// The error for a store of a layout that keeps neither changes nor histories.
#[must_use]
pub fn layout_without_changes(operation: &'static str, location: &str, layout: u32) -> Error {
    let why = "the store is of a layout from before the change feed and histories";
    Error::new(ErrorKind::Unsupported, operation, why)
        .with("store", location)
        .with("layout", layout)
        .hint(format!("bring it to the newest layout with {}", Action::UpgradeLayout))
}

/// The error for what a store does not offer.
#[must_use]
pub fn unsupported(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Unsupported, operation, "this store does not offer it yet")
        .with("store", location)
}

/// The error for a collection that was never prepared, given those that are:
/// the one that may be meant is named.
#[must_use]
pub fn not_prepared<'a>(
    operation: &'static str,
    collection: &CollectionName,
    location: &str,
    prepared: impl IntoIterator<Item = &'a CollectionName>,
) -> Error {
    let known = prepared.into_iter().map(CollectionName::as_str);
    let hint = match did_you_mean(collection.as_str(), known) {
        Some(meant) => format!("{meant} A new one is made with {}", Action::Prepare),
        None => format!("make it with {}", Action::Prepare),
    };
    Error::new(ErrorKind::NotFound, operation, "the collection was never prepared")
        .with("collection", collection)
        .with("store", location)
        .hint(hint)
}

/// The error for a store that was never prepared.
#[must_use]
pub fn never_prepared(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "the store was never prepared")
        .with("store", location)
        .hint(format!("make it with {}", Action::Prepare))
}
