//! Layers around a store, one around the other.

use std::sync::Arc;

use repo_core::{Clock, Result, Schemas};
#[cfg(not(all(
    feature = "cache",
    feature = "metrics",
    feature = "tracing",
    feature = "validation"
)))]
use repo_core::{Error, ErrorKind};

use crate::{
    CacheConfig, ExpiryLayer, Inner, Layer as _, LayerConfig, ReferenceLayer, check_layers,
};

/// As [`stack`], with an [`ExpiryLayer`] among them where a schema names the field with the time
/// to live, and none otherwise. It stands right around the cache; where there is none, right
/// around what enforces references, else around the store.
///
/// # Errors
/// As [`stack`].
pub fn stack_with_expiry(
    store: Inner,
    layers: &[LayerConfig],
    schemas: &Schemas,
    clock: Arc<dyn Clock>,
) -> Result<Inner> {
    check_layers(layers)?;
    let Some(expiry) = ExpiryLayer::of(schemas, clock) else {
        return stack(store, layers, schemas);
    };
    let inside =
        |layer: &LayerConfig| matches!(layer, LayerConfig::Cache(_) | LayerConfig::References(_));
    let (outer, inner) = layers.split_at(layers.iter().position(inside).unwrap_or(layers.len()));
    stack(expiry.around(stack(store, inner, schemas)?), outer, schemas)
}

/// Puts layers around a store, the first of them outermost. The
/// [crate's documentation](crate#order) says which order means what.
///
/// # Errors
/// `ConfigInvalid` for a stack that [makes no sense](check_layers), and for a
/// schema that cannot be compiled; `Unsupported` for a layer that this program is
/// built without.
pub fn stack(store: Inner, layers: &[LayerConfig], schemas: &Schemas) -> Result<Inner> {
    check_layers(layers)?;
    layers.iter().rev().try_fold(store, |inner, layer| one(inner, layer, schemas))
}

fn one(inner: Inner, layer: &LayerConfig, schemas: &Schemas) -> Result<Inner> {
    Ok(match layer {
        LayerConfig::Retry(settings) => settings.build()?.around(inner),
        LayerConfig::Timeout(settings) => settings.build()?.around(inner),
        LayerConfig::ConcurrencyLimit(settings) => settings.build().around(inner),
        LayerConfig::RecordQueries(settings) => settings.build().around(inner),
        LayerConfig::Tracing(_) => traced(inner)?,
        LayerConfig::Metrics(_) => measured(inner)?,
        LayerConfig::Cache(settings) => cached(inner, settings)?,
        LayerConfig::Validation(_) => validated(inner, schemas)?,
        LayerConfig::References(_) => ReferenceLayer::new(schemas)?.around(inner),
    })
}

#[cfg(feature = "tracing")]
fn traced(inner: Inner) -> Result<Inner> {
    Ok(crate::TracingLayer::new().around(inner))
}

#[cfg(not(feature = "tracing"))]
fn traced(_: Inner) -> Result<Inner> {
    Err(left_out("tracing"))
}

#[cfg(feature = "metrics")]
fn measured(inner: Inner) -> Result<Inner> {
    Ok(crate::MetricsLayer::new().around(inner))
}

#[cfg(not(feature = "metrics"))]
fn measured(_: Inner) -> Result<Inner> {
    Err(left_out("metrics"))
}

#[cfg(feature = "cache")]
fn cached(inner: Inner, settings: &CacheConfig) -> Result<Inner> {
    Ok(settings.build()?.around(inner))
}

#[cfg(not(feature = "cache"))]
fn cached(_: Inner, _: &CacheConfig) -> Result<Inner> {
    Err(left_out("cache"))
}

#[cfg(feature = "validation")]
fn validated(inner: Inner, schemas: &Schemas) -> Result<Inner> {
    Ok(crate::ValidationLayer::new(schemas)?.around(inner))
}

#[cfg(not(feature = "validation"))]
fn validated(_: Inner, _: &Schemas) -> Result<Inner> {
    Err(left_out("validation"))
}

#[cfg(not(all(
    feature = "cache",
    feature = "metrics",
    feature = "tracing",
    feature = "validation"
)))]
fn left_out(layer: &'static str) -> Error {
    let why = "this program is built without the layer";
    Error::new(ErrorKind::Unsupported, "put layers around a store", why)
        .with("layer", layer)
        .hint("build it with the feature of that name of repo-layers, or leave the layer out")
}
