//! The entrance for programs that keep entities.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod registry;

pub use registry::registry;
