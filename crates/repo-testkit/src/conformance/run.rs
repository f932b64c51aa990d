//! Runs one behaviour in a runtime of its own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::boxed::Behaviour;
use crate::{Fixture, Place};

/// A store that hangs shall fail, not block the run.
const LONGEST: Duration = Duration::from_secs(120);

/// A place that is being made.
pub type Making = Pin<Box<dyn Future<Output = Fixture>>>;

/// The fixture of the place that `place` makes.
pub fn making<P, M>(place: impl FnOnce() -> M + 'static) -> Making
where
    P: Place + 'static,
    M: Future<Output = P> + 'static,
{
    Box::pin(async move { Fixture::new(place().await) })
}

/// Runs `behaviour` on the place that `place` makes.
///
/// # Panics
/// When the behaviour does, or takes longer than two minutes.
pub fn run(place: fn() -> Making, behaviour: fn(Fixture) -> Behaviour) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let fixture = place().await;
        tokio::time::timeout(LONGEST, behaviour(fixture)).await.expect("the behaviour hangs");
    });
}
