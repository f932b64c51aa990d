//! Resumable uploads by tus 1.0, at `/api/v1/uploads`.
//!
//! An upload brings the bytes of a pending entry: one that its creation makes, or one that is
//! there. What is acknowledged is durable, and the last byte makes the entry active.

mod answer;
pub(in crate::api) mod create;
mod headers;
mod metadata;
mod names;
mod parts;
pub(in crate::api) mod pieces;
mod speak;

pub(in crate::api) use names::{KEPT_WITH, upload_path};
pub(in crate::api) use speak::speak;
