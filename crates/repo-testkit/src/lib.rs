//! What proves a storage strategy: one conformance suite that runs unchanged
//! on every strategy and every layer, generators, and a differential test
//! against the memory strategy.
//!
//! A strategy's own test file needs a [`Place`] and one line:
//!
//! ```ignore
//! repo_testkit::conformance!(my_strategy, || async { MyPlace::new() });
//! ```
// The whole crate is test code: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batches;
pub mod conformance;
pub mod differential;
mod fates;
mod fixture;
pub mod generate;
mod memory_place;
mod place;
mod process;
mod scratch;
pub mod servers;

pub use batches::batches;
pub use fates::{Fate, Fates, Gate};
pub use fixture::Fixture;
pub use memory_place::MemoryPlace;
pub use place::{Place, Store};
pub use process::Process;
pub use scratch::check_scratch_places;
