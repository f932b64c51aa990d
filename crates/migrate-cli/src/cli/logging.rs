//! Diagnostics on standard error, chosen by `REPO_LOG`.

use tracing_subscriber::EnvFilter;

/// Starts logging: warnings, unless `REPO_LOG` says otherwise
/// (`REPO_LOG=repo_json=debug,warn`).
pub(crate) fn start() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .with_env_var("REPO_LOG")
        .from_env_lossy();
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
