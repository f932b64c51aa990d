//! The flags about blobs.

use clap::{Args, ValueEnum};
use repo_migrate::BlobDepth;

use crate::place::PlaceArg;

const BLOBS: &str = "Blobs";

/// Flags of `migrate`.
#[derive(Debug, Clone, Default, Args)]
pub struct MoveArgs {
    /// The blob store of the source: a folder or s3://BUCKET/PREFIX. Once for each store that
    /// records name, with its name before it [default: `server.blobs` of its configuration]
    #[arg(long, value_name = "[NAME=]PLACE", help_heading = BLOBS)]
    pub(crate) blobs_from: Vec<PlaceArg>,
    /// The blob store of the target [default: `server.blobs` of its configuration]
    #[arg(long, value_name = "[NAME=]PLACE", help_heading = BLOBS)]
    pub(crate) blobs_to: Vec<PlaceArg>,
    /// Blobs go along, and are compared with their records afterwards so [default: full where
    /// their stores are named]
    #[arg(long, value_enum, value_name = "HOW", help_heading = BLOBS)]
    pub(crate) blobs: Option<DepthArg>,
}

/// Flags of `verify`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Compare blobs with their records as well
    #[arg(long, value_enum, value_name = "HOW", help_heading = BLOBS)]
    pub(crate) blobs: Option<DepthArg>,
    /// The blob store of the source: a folder or s3://BUCKET/PREFIX. Once for each store that
    /// records name, with its name before it [default: where --blobs-to is not given either,
    /// `server.blobs` of its configuration]
    #[arg(long, value_name = "[NAME=]PLACE", help_heading = BLOBS, requires = "blobs")]
    pub(crate) blobs_from: Vec<PlaceArg>,
    /// The blob store of the target [default: as --blobs-from]
    #[arg(long, value_name = "[NAME=]PLACE", help_heading = BLOBS, requires = "blobs")]
    pub(crate) blobs_to: Vec<PlaceArg>,
}

/// Flags of `backup`.
#[derive(Debug, Clone, Default, Args)]
pub struct BackupArgs {
    /// What the archive holds of blobs
    #[arg(long, value_enum, value_name = "WHAT", help_heading = BLOBS)]
    #[arg(conflicts_with = "quarantine")]
    pub(crate) blobs: Option<KeptArg>,
    /// The blob store: a folder or s3://BUCKET/PREFIX. Once for each store that records name,
    /// with its name before it [default: `server.blobs` of the configuration]
    #[arg(long, value_name = "[NAME=]PLACE", help_heading = BLOBS, requires = "blobs")]
    pub(crate) blobs_from: Vec<PlaceArg>,
}

/// Flags of `restore`.
#[derive(Debug, Clone, Default, Args)]
pub struct RestoreArgs {
    /// The blob store that the blobs of the archive go to: a folder or s3://BUCKET/PREFIX.
    /// Once for each store that records name, with its name before it [default: with --blobs,
    /// `server.blobs` of the configuration]
    #[arg(long, value_name = "[NAME=]PLACE", help_heading = BLOBS)]
    pub(crate) blobs_to: Vec<PlaceArg>,
    /// Blobs come back, and are compared with their records afterwards so [default: full where
    /// their store is named]
    #[arg(long, value_enum, value_name = "HOW", help_heading = BLOBS)]
    pub(crate) blobs: Option<DepthArg>,
}

/// `--blobs full|size`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DepthArg {
    /// Read every byte and compare its SHA-256
    #[default]
    Full,
    /// Look whether each is there and has its size
    Size,
}

impl From<DepthArg> for BlobDepth {
    fn from(depth: DepthArg) -> Self {
        match depth {
            DepthArg::Full => Self::Full,
            DepthArg::Size => Self::Size,
        }
    }
}

/// `--blobs contents|digests`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeptArg {
    /// Their bytes
    Contents,
    /// Their digests, which are compared with the bytes while the archive is made
    Digests,
}
