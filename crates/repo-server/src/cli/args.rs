//! What can be typed, and where it leads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind as ClapKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use cli_output::ending;
use cli_output::exit_code::{self, Ending};
use cli_output::failure::Outcome;
use cli_output::output::{Format, Output};
use repo_core::{Error, ErrorKind};

use super::keys::KeysCommand;
use super::schema::SchemaCommand;
use crate::config::{Flags, Place};
use crate::ops::start_logging;
use crate::server;

/// The data service: documents and blobs over HTTP.
///
/// Without anything configured it keeps its data in a folder of its own, which it names when it
/// starts, and listens to this machine alone.
#[derive(Debug, Parser)]
#[command(name = "repo-server", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Common {
    /// The configuration file [default: ./repository.json, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store: json:DIR, sqlite:FILE, postgresql://USER@HOST/NAME, dynamodb:PREFIX,
    /// object:s3://BUCKET/PREFIX, memory:
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// Where the blobs are: a folder, or s3://BUCKET/PREFIX [default: blobs in the data folder]
    #[arg(long, global = true, value_name = "DIR|URL")]
    blobs: Option<String>,
    /// The folder for data [default: repo-server in XDG_DATA_HOME or ~/.local/share]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; port 0 is any free one [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The form of what is printed
    #[arg(long, global = true, value_enum, default_value_t)]
    format: FormatArg,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FormatArg {
    /// Tables and sentences
    #[default]
    Human,
    /// One JSON object
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (this is what happens without a command)
    Serve,
    /// API keys
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// The versions of the stored schemas: check, migrate, backup, restore
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Print the OpenAPI document
    Openapi,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misread(&error),
    };
    start_logging();
    let format = match arguments.common.format {
        FormatArg::Human => Format::Human,
        FormatArg::Json => Format::Json,
    };
    let output = Output { format, quiet: false };
    ending::report(output, on_runtime(arguments.run(output)))
}

fn misread(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion) {
        // The reader of a help text may leave early.
        let _ = error.print();
        return ExitCode::from(exit_code::DONE);
    }
    let given = std::env::args();
    let words: Vec<String> = given.collect();
    let json = words.windows(2).any(|pair| pair == ["--format", "json"])
        || words.iter().any(|word| word == "--format=json");
    ending::misread(&error.render().to_string(), json)
}

fn on_runtime(work: impl Future<Output = Outcome<Ending>>) -> Outcome<Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| {
        Error::new(ErrorKind::Unavailable, "start", "the runtime cannot be started")
            .with("reason", &source)
            .caused_by(source)
    })?;
    let ending = runtime.block_on(work);
    runtime.shutdown_background();
    ending
}

impl Arguments {
    async fn run(self, output: Output) -> Outcome<Ending> {
        let Common { config, store, blobs, data, listen, .. } = self.common;
        let flags = Flags { config, store, blobs, data, listen };
        let place = || Place::choose(&flags);
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => server::run(place()?, output).await,
            Command::Keys { command } => command.run(&place()?, output).await,
            Command::Schema { command } => command.run(&place()?, output).await,
            Command::Openapi => {
                let text = crate::api::openapi().to_pretty_json().map_err(|source| {
                    Error::new(ErrorKind::Unexpected, "print", "the document cannot be written")
                        .caused_by(source)
                })?;
                output.text(&text)?;
                Ok(Ending::Done)
            }
        }
    }
}
