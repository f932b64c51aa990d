//! Entries, datasets, datapoints and usage, below `/api/v1`.

pub(in crate::api) mod body;
pub(in crate::api) mod content;
pub(in crate::api) mod create;
pub(in crate::api) mod datapoints;
pub(in crate::api) mod datasets;
pub(in crate::api) mod deletion;
pub(in crate::api) mod entries;
pub(in crate::api) mod holds;
pub(in crate::api) mod members;
pub(in crate::api) mod revisions;
pub(in crate::api) mod usage;
mod view;
mod zip;
