//! What every route speaks: errors, ETags, bodies, paths.

mod error;
mod etag;
mod extract;
mod fields;
mod status;

pub use error::ApiError;
pub use etag::{ETag, IfMatch, IfNoneMatch};
pub use extract::{IdPath, ItemPath, NamePath, Params, RawBody, read_body, read_json};
pub use fields::Taken;
pub use status::{SendAgain, status_of};
