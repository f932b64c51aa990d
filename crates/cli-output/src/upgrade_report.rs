//! The report of an upgrade in its place, for people.

use std::fmt::Write as _;

use repo_migrate::{Listed, UpgradeOutcome, UpgradeReport};

use crate::output::{SHOWN, cell};
use crate::report::way;

/// What became of the documents of a collection.
#[must_use]
pub fn in_words(report: &UpgradeReport) -> String {
    let name = &report.collection;
    let (way, to) = (way(&report.versions), report.versions.last().copied().unwrap_or_default());
    let upgraded = report.counts.upgraded;
    let mut text = match report.outcome {
        UpgradeOutcome::Current => return format!("{name} is at schema version {to} already\n"),
        UpgradeOutcome::DryRun => format!(
            "{name}: {way}: {upgraded} entities can be upgraded; dry run: \
             nothing was written\n"
        ),
        _ => format!("{name}: {way}: {upgraded} entities are upgraded\n"),
    };
    if let Some(done) = report.resumed_after {
        let _ = writeln!(text, "resumed after {done} records");
    }
    if report.counts.gone > 0 {
        let _ = writeln!(text, "{} were deleted meanwhile", report.counts.gone);
    }
    listed(&mut text, "left as they are", &report.left);
    listed(&mut text, "created meanwhile, and left as they are", &report.created);
    if let Some(folder) = &report.backup {
        let _ = writeln!(text, "backup        {}", folder.display());
    }
    text
}

fn listed(text: &mut String, what: &str, listed: &Listed) {
    if listed.count > 0 {
        let shown: Vec<String> = listed.first.iter().take(SHOWN).map(|one| cell(one)).collect();
        let _ = writeln!(text, "{} {what}: {}", listed.count, shown.join(", "));
    }
}
