//! The data service without HTTP.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod directory;
pub mod pipeline;
pub mod selector;
pub mod sources;
pub mod storage_manager;
