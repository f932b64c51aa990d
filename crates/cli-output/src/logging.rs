//! Diagnostics on standard error, chosen by `REPO_LOG`.

use std::fmt::{self, Write as _};
use std::io;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::output::complain;

/// What is shown unless `REPO_LOG` says otherwise. AWS's chain warns of each
/// place where it finds no credentials; what follows from that is an error of
/// ours.
const USUAL: &str = "warn,aws_config=error";

/// Starts logging: warnings in words for people, unless `REPO_LOG` asks for
/// diagnostics (`REPO_LOG=repo_json=debug,warn`).
pub fn start() {
    let asked = std::env::var("REPO_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(asked.as_deref().unwrap_or(USUAL));
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Complaints).without_time();
    let lines = match asked {
        Some(_) => lines.boxed(),
        None => lines.event_format(ForPeople).boxed(),
    };
    let registry = tracing_subscriber::registry();
    // A second start in one process, as in tests, keeps the first.
    let _ =
        registry.with(lines.with_filter(filter_fn(holds_no_secret)).with_filter(filter)).try_init();
}

/// At their lowest level the crates that speak to AWS log whole requests, with
/// the session's token in them.
fn holds_no_secret(what: &Metadata<'_>) -> bool {
    let speaks_to_aws = ["aws_", "hyper", "h2", "rustls"];
    *what.level() < Level::TRACE
        || !speaks_to_aws.iter().any(|name| what.target().starts_with(name))
}

/// Standard error, on the way that every message takes: other crates log URLs
/// with the user and the password that stand in them.
struct Complaints;

impl io::Write for Complaints {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        complain(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `warning: what happened (file: a.json)`, without the module that says so.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut words = Words::default();
        event.record(&mut words);
        let label = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
        writeln!(writer, "{label}: {words}")
    }
}

/// The message of an event, and its fields.
#[derive(Debug, Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let (text, name) = match field.name() {
            "message" => (&mut self.message, None),
            name => (&mut self.fields, Some(name)),
        };
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing into a string does not fail.
        let _ = match name {
            Some(name) => write!(text, "{separator}{name}: {value:?}"),
            None => write!(text, "{value:?}"),
        };
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.fields.is_empty() { Ok(()) } else { write!(f, " ({})", self.fields) }
    }
}
