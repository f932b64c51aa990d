//! The log, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

/// What is shown unless `REPO_LOG` says otherwise.
const USUAL: &str = "repo_server=info,warn,aws_config=error";

/// Starts logging: requests and warnings, unless `REPO_LOG` asks for something else.
pub fn start_logging() {
    let asked = std::env::var("REPO_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = EnvFilter::builder().parse_lossy(asked.as_deref().unwrap_or(USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // A second start in one process, as in tests, keeps the first.
    let _ = lines.with_writer(|| Complaints).try_init();
}

/// Standard error, without the user parts of URLs that other crates log.
struct Complaints;

impl io::Write for Complaints {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        cli_output::output::complain(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
