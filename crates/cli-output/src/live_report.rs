//! Reports of live migrations, for people.

use repo_core::Version;
use repo_core::strategy::OpenTransaction;
use repo_migrate::CleanUpReport;
use repo_migrate::live::{
    AbortReport, CopyProgress, Lag, LiveDifference, LivePhase, LiveStatus, LiveVerification,
    SideStatus, SwitchReport,
};
use serde::Serialize;

use crate::report;
use crate::resume_command::live_step;

/// The status of a live migration, and what to do next.
#[derive(Debug, Serialize)]
pub struct Reported<'a> {
    #[serde(flatten)]
    status: &'a LiveStatus,
    /// In words.
    next: &'static str,
    /// The next command, as this process was called.
    command: String,
}

impl<'a> Reported<'a> {
    /// Reads the command line of this process.
    #[must_use]
    pub fn new(status: &'a LiveStatus) -> Self {
        let command = live_step(next_verb(status));
        Self { status, next: next_step(status.phase, status.differences), command }
    }
}

fn next_verb(status: &LiveStatus) -> &'static str {
    match status.phase {
        LivePhase::Following if status.differences.is_some_and(|count| count > 0) => "verify",
        LivePhase::Ready | LivePhase::Fenced => "switch",
        // What was decided last is finished.
        LivePhase::Decided if status.source.epoch > status.target.epoch => "switch",
        LivePhase::Decided => "back",
        LivePhase::Switched => "finish",
        _ => "start",
    }
}

fn next_step(phase: LivePhase, differences: Option<u64>) -> &'static str {
    match phase {
        LivePhase::Copying => "keep `repoctl live start` running",
        LivePhase::Following if differences.is_some_and(|count| count > 0) => {
            "`repoctl live verify` names the differences; `repoctl live abort`, and begin again"
        }
        LivePhase::Following => "keep `repoctl live start` running until both are compared",
        LivePhase::Ready => "`repoctl live switch`",
        LivePhase::Fenced => "`repoctl live switch` goes on, `repoctl live abort` gives up",
        LivePhase::Decided => "`repoctl live switch`, or `live back` if that was on its way",
        LivePhase::Switched => "`repoctl live finish`, or `repoctl live back`",
        _ => "use the newest version of this program",
    }
}

/// Where a live migration stands.
#[must_use]
pub fn status(reported: &Reported<'_>) -> String {
    let Reported { status, next, command } = reported;
    let phase = match status.phase {
        LivePhase::Copying => "copying",
        LivePhase::Following => "following",
        LivePhase::Ready => "ready",
        LivePhase::Fenced => "fenced",
        LivePhase::Decided => "decided",
        LivePhase::Switched => "switched",
        _ => "unknown",
    };
    let side = |name: &str, side: &SideStatus| {
        format!("{name}     {}: {}, epoch {}", side.store, side.role.as_str(), side.epoch)
    };
    let compared = match (status.verified_at, status.differences) {
        (Some(at), Some(count)) => format!("{at}, {count} differences"),
        _ => "not yet".to_owned(),
    };
    let mut lines = vec![
        format!("phase      {phase}"),
        side("source", &status.source),
        side("target", &status.target),
        format!("since      {}", status.started_at),
        format!("behind     {}", behind(&status.lag)),
        format!("compared   {compared}"),
    ];
    if let Some(copy) = &status.copy {
        let CopyProgress { records, total, per_second, left_seconds, .. } = copy;
        let left = left_seconds.map_or_else(String::new, |left| format!(", {left:.0} s left"));
        lines.insert(1, format!("copied     {records} of {total}, {per_second:.0} a second{left}"));
    }
    if status.late_writes > 0 {
        let count = status.late_writes;
        lines.push(format!("late       {count} writes came past the fence and were outranked"));
    }
    lines.extend(
        status.named_differences.iter().map(|found| format!("differs    {}", differs(found))),
    );
    if let Some(open) = &status.oldest_transaction {
        let OpenTransaction { pid, application_name, age_seconds, .. } = open;
        let name = if application_name.is_empty() { "no name" } else { application_name };
        lines.push(format!("open       a transaction for {age_seconds} s: {name}, process {pid}"));
    }
    lines.push(format!("next       {next}"));
    lines.push(format!("command    {command}"));
    lines.join("\n")
}

fn behind(lag: &Lag) -> String {
    let mut text = format!("{} changes", lag.behind);
    if let Some(seconds) = lag.behind_seconds {
        text.push_str(&format!(", {seconds:.1} s"));
    }
    match (lag.caught_up_per_second, lag.caught_up_in_seconds) {
        (_, Some(seconds)) => text.push_str(&format!(", caught up in {seconds:.0} s")),
        (Some(rate), None) => {
            let more = -rate;
            text.push_str(&format!(", growing by {more:.0} a second: it will not catch up"));
        }
        (None, None) => {}
    }
    text
}

/// What a comparison found.
#[must_use]
pub fn verification(found: &LiveVerification) -> String {
    let mut lines = vec![match (found.finished, found.differences) {
        (false, _) => format!("stopped after {} records", found.records),
        (true, 0) => format!("{} records compared: both stores are equal", found.records),
        (true, count) => format!("{} records compared: {count} differ", found.records),
    }];
    lines.extend(found.named.iter().map(|difference| format!("  {}", differs(difference))));
    lines.join("\n")
}

fn differs(difference: &LiveDifference) -> String {
    let shown = |version: Option<Version>| {
        version.map_or_else(|| "absent".to_owned(), |version| format!("version {version}"))
    };
    format!(
        "{}: {} in the authority, {} in the other store",
        difference.key,
        shown(difference.authority),
        shown(difference.other)
    )
}

/// What a switch did.
#[must_use]
pub fn switched(report: &SwitchReport) -> String {
    if !report.switched {
        return format!("nothing is in the way; {} stays the authority", report.authority);
    }
    format!(
        "{} is the authority (epoch {}); programs waited {} ms, {} records were compared meanwhile",
        report.authority, report.epoch, report.pause_ms, report.compared
    )
}

/// What giving up did.
#[must_use]
pub fn aborted(report: &AbortReport) -> String {
    let given_up = "given up; programs go on writing to the source".to_owned();
    let (Some(left), Some(reason)) = (&report.left, &report.reason) else { return given_up };
    format!(
        "{given_up}\nthe target {left} could not be reached, and takes no writes until \
         `repoctl live abort` reaches it: {reason}"
    )
}

/// What the clean-up of the source did.
#[must_use]
pub fn cleaned_up(report: &CleanUpReport) -> String {
    let mut text = String::new();
    report::cleaned_up(&mut text, report);
    text.push_str(match (report.interrupted, report.is_complete()) {
        (true, _) => "interrupted: the same command goes on",
        (false, true) => "finished; the source is empty and takes no writes any more",
        (false, false) => "finished; what was left in the source is in the archive as well",
    });
    text
}

/// Reads what is typed after `--max-load`.
///
/// # Errors
/// What is expected instead.
pub fn factor(text: &str) -> Result<f64, &'static str> {
    let is_one = |factor: &f64| *factor == 0.0 || (*factor > 1.0 && factor.is_finite());
    text.parse().ok().filter(is_one).ok_or("a number above 1, or 0 for never")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_above_one_or_nothing() {
        assert_eq!(["2", "1.5", "0"].map(factor), [Ok(2.0), Ok(1.5), Ok(0.0)]);
        for text in ["1", "0.5", "-3", "inf", "NaN", "x", ""] {
            assert!(factor(text).is_err(), "{text}");
        }
    }
}
