//! Uploads: the bytes of an entry that a client sends in several requests.
//!
//! Each upload has a blob of its own, under the same key. When the bytes are complete and
//! hashed they are *staged*: the entry knows them, and activating it makes them its content. Of
//! two uploads for one entry the one that is complete last counts.

mod append;
mod begin;
mod end;
mod finish;
mod parts;
mod piece;
mod stage;

pub use begin::NewUpload;
pub(crate) use end::end_in;
pub use piece::{Checksum, Piece, UploadProgress};
