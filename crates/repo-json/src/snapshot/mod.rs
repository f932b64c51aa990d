//! Data files: plain JSON that any tool can read and may have written.

mod check;
mod form;
mod scan;
mod write;

pub(crate) use check::short_digest;
pub(crate) use form::Form;
pub(crate) use scan::{ScanRules, scan_file};
pub(crate) use write::SnapshotWriter;

pub(crate) use plain_json::FileDigest;
