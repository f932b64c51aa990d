//! References that schemas want enforced: a layer, or its refusal where it was left out.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionSchema, Result, Schemas};

/// The collections to prepare.
#[cfg(feature = "references")]
pub(crate) fn collections(schemas: &Schemas) -> Result<Vec<CollectionSchema>> {
    repo_layers::ReferenceLayer::prepared_with(schemas)
}

/// Puts the layer around a store, where a schema asks for it.
#[cfg(feature = "references")]
pub(crate) fn around(
    store: Arc<dyn StorageStrategy>,
    schemas: &Schemas,
) -> Result<Arc<dyn StorageStrategy>> {
    use repo_layers::{Layer as _, ReferenceLayer};

    if !ReferenceLayer::is_needed(schemas) {
        return Ok(store);
    }
    Ok(ReferenceLayer::new(schemas)?.around(store))
}

/// The collections to prepare.
#[cfg(not(feature = "references"))]
pub(crate) fn collections(schemas: &Schemas) -> Result<Vec<CollectionSchema>> {
    refuse(schemas)?;
    Ok(schemas.iter().cloned().collect())
}

/// The store itself, where no schema asks for more.
#[cfg(not(feature = "references"))]
pub(crate) fn around(
    store: Arc<dyn StorageStrategy>,
    schemas: &Schemas,
) -> Result<Arc<dyn StorageStrategy>> {
    refuse(schemas)?;
    Ok(store)
}

#[cfg(not(feature = "references"))]
fn refuse(schemas: &Schemas) -> Result<()> {
    use repo_core::{Error, ErrorKind};

    let Some(schema) = schemas.iter().find(|schema| schema.enforce_references) else {
        return Ok(());
    };
    let why = "this program is built without what enforces references";
    Err(Error::new(ErrorKind::Unsupported, "open", why)
        .with("collection", &schema.collection)
        .hint("build it with the feature `references` of repo-engine, or leave enforceReferences out of the schema"))
}
