//! What the server is told: the section `server`, flags, and where everything is.

mod place;
mod secret;
mod section;

pub use place::{Chosen, Flags, Place};
pub use secret::Secret;
pub use section::{
    BucketConfig, ConsoleMode, LimitsConfig, Milliseconds, S3Config, ServerConfig, SourcesConfig,
};
