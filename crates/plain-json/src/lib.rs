//! JSON files that anybody may have written, read from front to back.
//!
//! [`JsonReader`] goes through the structure of a file in bounded memory; what stands
//! inside an entity is checked by `Document::read`. [`errors`] says where in a file
//! something is wrong, as people look for it. [`TheirLock`] keeps the program apart that
//! writes the file. The strategy for JSON files and the reader of other programs' files
//! both stand on this.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod errors;
mod lock;
mod reader;
mod set_aside;
mod signature;
pub mod spot;

pub use lock::TheirLock;
pub use reader::JsonReader;
pub use set_aside::{AllSetAside, SetAside};
pub use signature::Signature;

use repo_core::{Rule, SyntaxError};

/// A digest of a whole file.
pub type FileDigest = [u8; 32];

/// A step of a JSON Pointer.
///
/// ```
/// assert_eq!(plain_json::escape("a/b~c"), "a~1b~0c");
/// ```
#[must_use]
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Bytes as text.
///
/// # Errors
/// The byte that is not UTF-8.
pub fn utf8(raw: &[u8]) -> Result<&str, SyntaxError> {
    std::str::from_utf8(raw).map_err(|error| SyntaxError {
        rule: Rule::NotUtf8,
        pointer: String::new(),
        offset: error.valid_up_to(),
    })
}
