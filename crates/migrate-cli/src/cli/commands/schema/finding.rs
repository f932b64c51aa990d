//! What `schema validate` lists.

use serde::Serialize;

/// Something that does not fit.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) collection: String,
    pub(crate) id: String,
    pub(crate) problem: &'static str,
    pub(crate) pointer: String,
    pub(crate) detail: String,
}
