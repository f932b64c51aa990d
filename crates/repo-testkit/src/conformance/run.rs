//! Runs one behaviour in a runtime of its own.

use std::future::Future;
use std::time::Duration;

use crate::{Fixture, Place};

/// A store that hangs shall fail, not block the run.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs `behaviour` on the place that `place` makes.
pub fn run<P, M, B>(place: impl FnOnce() -> M, behaviour: impl FnOnce(Fixture) -> B)
where
    P: Place + 'static,
    M: Future<Output = P>,
    B: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let fixture = Fixture::new(place().await);
        tokio::time::timeout(LONGEST, behaviour(fixture)).await.expect("the behaviour hangs");
    });
}
