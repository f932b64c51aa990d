//! Blobs: bytes under random keys, in a folder or in storage that speaks S3.
//!
//! - **Whole or not at all.** A blob is streamed in, hashed on the way, compared with what
//!   the caller expects, and only then found under its key. A stream that fails leaves
//!   nothing behind.
//! - **Never replaced.** A key is written once. A store that would replace is refused when it
//!   is [opened](open).
//! - **Bounded memory**, whatever the size of a blob: see [`BlobStore`].
//! - **In parts**, where a client sends a blob over hours: a [`PartSession`] is JSON that
//!   outlives the process.
//! - **Proved.** [`BlobStore::verify`] reads a blob and compares its digests.
//!
//! A [`BlobKey`] is random. No name or path of a user becomes a key: names are kept in
//! records beside the blobs, which also say which blobs are still needed.
//!
//! [`UrlSigner`] makes URLs that let their holder read or write one blob for a time.
//!
//! [`open`] begins with an example.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod digest;
mod folder;
mod hex;
mod key;
mod limited;
mod location;
mod objects;
mod open;
mod options;
mod part_check;
mod parts;
mod range;
mod sign;
mod store;
mod stream;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use digest::{BlobDigest, Expected, Hash, Md5, Sha256};
pub use folder::FolderBlobs;
pub use key::BlobKey;
pub use objects::{NamedObject, NamedObjects, ObjectBlobs, Remote};
pub use open::{empty_in_memory, open, open_existing, probe};
pub use options::{BlobOptions, Credentials, Endpoint};
pub use parts::{MAX_PART_BYTES, MAX_PARTS, PartNumber, PartReceipt, PartSession};
pub use range::ByteRange;
pub use sign::{FileName, Grant, SignedMethod, UrlSigner};
pub use store::{Blob, BlobEntry, BlobMeta, BlobStore, ByteStream, PageLimit};
