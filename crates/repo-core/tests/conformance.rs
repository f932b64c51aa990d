//! The conformance suite on the memory strategy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use repo_testkit::MemoryPlace;

repo_testkit::conformance!(memory, || async { MemoryPlace::default() });
repo_testkit::differential!(memory_differs_not_from_itself, || async { MemoryPlace::default() });
