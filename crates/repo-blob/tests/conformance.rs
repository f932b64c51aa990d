//! The conformance suite on every store of blobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FolderPlace, MemoryPlace, S3Place};

repo_blob::blob_conformance!(folder, || async { FolderPlace::new() });
repo_blob::blob_conformance!(memory, || async { MemoryPlace::new() });
repo_blob::blob_conformance!(s3, || async { S3Place::new() });
