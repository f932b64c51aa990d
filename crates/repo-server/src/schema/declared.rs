//! The collections that the server declares.

use std::sync::Arc;

use repo_core::{CollectionSchema, Result, Schemas};

use crate::api::idempotency_schema;

/// The server's own collections: those of the data service, keys among them, and ours.
///
/// # Errors
/// None that can happen.
pub fn own() -> Result<Vec<CollectionSchema>> {
    let mut all: Vec<CollectionSchema> =
        repo_data::collections::schemas()?.iter().cloned().collect();
    all.push(idempotency_schema()?);
    Ok(all)
}

/// The server's own collections and those of the configuration.
///
/// # Errors
/// `ConfigInvalid` for a collection of the configuration that has the name of one of ours.
pub fn declared(configured: &Schemas) -> Result<Arc<Schemas>> {
    let mut all = configured.clone();
    for schema in own()? {
        all.insert(schema).map_err(|error| {
            error.hint("the data service uses this name: give your collection another one")
        })?;
    }
    Ok(Arc::new(all))
}
