//! Pieces of the data service that need no store.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod directory_manifest;
mod directory_zip;
mod pipeline;
mod selector_superset;
mod storage_manager;
