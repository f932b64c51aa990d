//! The service over real stores, in one program: it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod broken_uploads;
mod common;
mod datapoints;
mod datasets;
mod deleted_uploads;
mod entries;
mod limits;
mod opening;
mod protocol;
mod races;
mod revisions;
mod search;
mod spawn;
mod uploads;
