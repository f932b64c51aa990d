//! `bench`: the engine against the raw drivers.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use repo_bench::{GrowthOptions, Options, Scale, Selection};
use repo_core::{Error, ErrorKind, Result};

/// Measures the engine against the raw drivers: the same work, in one run, in
/// turn.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// A few minutes on two cores, with fewer entities.
    #[arg(long)]
    quick: bool,
    /// Only these rows or groups, as in `json,sqlite.get`.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    rows: Vec<String>,
    /// Pairs of times of each row.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// A table for people, or one JSON object.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The folder on whose disk the stores are made; the one for temporary
    /// files unless set.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// List the rows and measure nothing.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    work: Option<Work>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Opens a JSON store and prints the bytes by which the memory of this
    /// process grew. For the benchmark itself.
    #[command(hide = true)]
    ChildOpen {
        /// The folder of the store.
        folder: PathBuf,
    },
    /// Measures how the cost of an update, a read and a query grows with what
    /// a store holds. Needs the server of the rows of postgresql.
    Growth {
        /// Most entities in a store.
        #[arg(long, default_value_t = 1_000_000, value_name = "N")]
        most: usize,
        /// Draw the curves into this file.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Does the work that `scripts/bench-peers` has other programs do, and
    /// prints the times as one JSON object.
    Peers {
        /// A folder for the stores, which is there.
        folder: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.work {
        Some(Work::ChildOpen { folder }) => {
            repo_bench::open_and_measure(folder).await.map(|bytes| bytes.to_string())
        }
        Some(Work::Peers { folder }) => repo_bench::peers(folder).await.and_then(as_json),
        Some(Work::Growth { most, svg }) => {
            let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
            growth(GrowthOptions { most: *most, folder }, svg.as_deref(), arguments.format).await
        }
        None if arguments.list => Ok(repo_bench::rows_table(repo_bench::all_rows())),
        None => measure(arguments).await,
    };
    match done.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let hint = error.hint_text().map_or(String::new(), |hint| format!("\nhint: {hint}"));
            // When that fails nobody is left to read it.
            let _ = writeln!(std::io::stderr(), "error: {error}{hint}");
            ExitCode::from(if error.kind() == ErrorKind::ConfigInvalid { 2 } else { 1 })
        }
    }
}

async fn growth(options: GrowthOptions, svg: Option<&Path>, format: Format) -> Result<String> {
    let growth = repo_bench::growth(&options).await?;
    if let Some(file) = svg {
        std::fs::write(file, repo_bench::to_svg(&growth)?).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "write the plot", source.to_string())
                .with("file", file.display())
        })?;
    }
    match format {
        Format::Human => Ok(repo_bench::growth_table(&growth)),
        Format::Json => as_json(growth),
    }
}

async fn measure(arguments: Arguments) -> Result<String> {
    let failed = |source: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "find this program", source.to_string())
    };
    let report = repo_bench::run(Options {
        scale: if arguments.quick { Scale::quick() } else { Scale::full() },
        selection: Selection::of(&arguments.rows, repo_bench::all_rows)?,
        pairs: usize::from(arguments.pairs),
        folder: arguments.folder.unwrap_or_else(std::env::temp_dir),
        program: std::env::current_exe().map_err(failed)?,
        replica: std::env::var("REPO_TEST_POSTGRES_REPLICA_URL").ok(),
        progress: true,
    })
    .await?;
    match arguments.format {
        Format::Human => Ok(repo_bench::to_table(&report)),
        Format::Json => as_json(report),
    }
}

fn as_json(report: impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(&report)
        .map_err(|source| Error::new(ErrorKind::Invalid, "write the report", source.to_string()))
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(|source| {
        Error::new(ErrorKind::Unavailable, "print", source.to_string()).caused_by(source)
    })
}
