//! Diagnostics on standard error, chosen by `REPO_LOG`.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is shown unless `REPO_LOG` says otherwise. AWS's chain warns of each
/// place where it finds no credentials; what follows from that is an error of
/// ours.
const USUAL: &str = "warn,aws_config=error";

/// Starts logging: warnings, unless `REPO_LOG` says otherwise
/// (`REPO_LOG=repo_json=debug,warn`).
pub(crate) fn start() {
    let asked = std::env::var("REPO_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(asked.as_deref().unwrap_or(USUAL));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(holds_no_secret))
        .with(lines)
        .try_init();
}

/// At their lowest level the crates that speak to AWS log whole requests, with
/// the session's token in them.
fn holds_no_secret(what: &Metadata<'_>) -> bool {
    let speaks_to_aws = ["aws_", "hyper", "h2", "rustls"];
    *what.level() < Level::TRACE
        || !speaks_to_aws.iter().any(|name| what.target().starts_with(name))
}
