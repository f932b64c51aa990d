//! No collection and no key twice in one call.

use std::collections::HashSet;

use crate::{CollectionSchema, Error, ErrorKind, Result, Write};

/// Refuses a commit that names a key twice.
///
/// # Errors
/// `Invalid`, naming the key.
pub fn check_distinct_keys(writes: &[Write]) -> Result<()> {
    let mut seen = HashSet::with_capacity(writes.len());
    match writes.iter().find(|write| !seen.insert(&write.key)) {
        None => Ok(()),
        Some(twice) => {
            let why = "a key stands more than once in this commit";
            Err(Error::new(ErrorKind::Invalid, "commit", why).with("key", &twice.key))
        }
    }
}

/// Refuses to prepare a collection by two schemas.
///
/// # Errors
/// `Invalid`, naming the collection.
pub fn check_distinct_collections(schemas: &[CollectionSchema]) -> Result<()> {
    let mut seen = HashSet::with_capacity(schemas.len());
    match schemas.iter().find(|schema| !seen.insert(&schema.collection)) {
        None => Ok(()),
        Some(twice) => {
            let why = "a collection stands more than once among those to prepare";
            let error = Error::new(ErrorKind::Invalid, "prepare", why);
            Err(error.with("collection", &twice.collection).hint("give one schema for each"))
        }
    }
}
