//! The conformance suite of stores of blobs: one file a subject, no store's name in any.
//!
//! A behaviour is a `pub async fn name(f: Fixture)` that panics when the contract is broken.
//! `list.rs` names them all.
// All of it is test code: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod list;
mod place;
pub mod reads;
pub mod sessions;
mod support;
pub mod writes;

pub use place::BlobPlace;
pub use support::Fixture;

/// Runs a behaviour on a fresh place.
///
/// # Panics
/// When the contract is broken.
pub fn run<P, M, F>(place: impl FnOnce() -> M, behaviour: impl FnOnce(Fixture) -> F)
where
    P: BlobPlace + 'static,
    M: Future<Output = P>,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime is made");
    runtime.block_on(async { behaviour(Fixture::new(place().await).await).await });
}
