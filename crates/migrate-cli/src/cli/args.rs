//! Flags that every command has.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cli_output::output::Format;

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CommonArgs {
    /// The configuration file [default: ./repository.json, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder with the *.schema.json files of the collections [default:
    /// `storage.schemas`, or the three Host Factory collections]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "preset")]
    pub(crate) schemas: Option<PathBuf>,
    /// The collections of another program, by a name that `schema presets` lists
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// The form of the results on standard output
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: FormatArg,
    /// Print no progress and no notes on standard error
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum FormatArg {
    /// Tables and sentences.
    #[default]
    Human,
    /// One JSON object.
    Json,
    /// One JSON object a line, as they come.
    Ndjson,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Human => Self::Human,
            FormatArg::Json => Self::Json,
            FormatArg::Ndjson => Self::Ndjson,
        }
    }
}

/// Flags that choose the one store of a command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StoreArgs {
    /// The store, without a configuration: json:DIR, sqlite:FILE, postgresql://…,
    /// dynamodb:PREFIX, object:s3://BUCKET/PREFIX, or files:DIR of another program
    #[arg(long, global = true, value_name = "URL", conflicts_with = "strategy")]
    pub(crate) store: Option<String>,
    /// The storage strategy, instead of `storage.strategy`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
}
