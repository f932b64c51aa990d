//! Reports of migrations and comparisons, for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::blob_report;
use crate::events::per_second;
use crate::output::{SHOWN, cell, draw, table_of_numbers};
use repo_migrate::{
    Carried, CleanUpReport, CollectionVerification, Counts, Depth, Difference, DifferenceKind,
    HistoryReport, Listed, MigrationReport, Outcome, VerifyReport,
};

/// The table of a migration and what belongs to it.
#[must_use]
pub fn migration(report: &MigrationReport) -> String {
    let mut text = counts_table(report);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("source", &report.source);
    line("target", &report.target);
    match &report.backup {
        Some(folder) => line("backup", &folder.display().to_string()),
        None => line("backup", "none"),
    }
    if let Some(folder) = &report.target_backup {
        line("target backup", &folder.display().to_string());
    }
    if let Some(file) = &report.quarantine {
        line("quarantine", &file.display().to_string());
    }
    if report.refusals > 0 {
        line("refusals", &format!("{}, each batch tried again", report.refusals));
    }
    if let Some(resumed) = report.resumed {
        let text = format!("after {} records, begun {}", resumed.records, resumed.begun_at);
        line("resumed", &text);
    }
    line("time", &times(report));
    for collection in report.collections.iter().filter(|one| !one.upgrade.is_empty()) {
        let _ = writeln!(text, "{}: {}", collection.name, way(&collection.upgrade));
    }
    let without_versions = has_no_versions(report);
    for collection in &report.collections {
        if collection.raised > 0 && !without_versions {
            let (raised, name) = (collection.raised, &collection.name);
            let what = "were written under a version above the source's";
            let _ = writeln!(text, "{raised} of {name} {what}");
        }
        listed(&mut text, &collection.name, "differ and were left", &collection.left_differing);
        listed(&mut text, &collection.name, "are only in the target", &collection.only_in_target);
        if collection.only_in_target.count > 0 && without_versions {
            let _ = writeln!(
                text,
                "what the source has deleted stays in the target: `repoctl delete {} ID` there \
                 removes it",
                collection.name
            );
        }
        let (what, them) = ("cannot be held by the target", &collection.quarantined_entities);
        listed(&mut text, &collection.name, what, them);
        if let Some(history) = &collection.history {
            text.push_str(&past(&collection.name, history));
            let (what, them) = ("of the past differ and were left", &history.left_differing);
            listed(&mut text, &collection.name, what, them);
        }
    }
    if let Some(blobs) = &report.blobs {
        blob_report::moved(&mut text, blobs);
    }
    if let Some(found) = report.verification.as_ref().filter(|found| !found.equal) {
        differences(&mut text, found);
    }
    if let Some(done) = &report.clean_up {
        cleaned_up(&mut text, done);
    }
    text.push_str(verdict(report));
    if report.blobs.as_ref().is_some_and(|blobs| !blobs.is_whole()) {
        text.push_str(blob_report::WAY_OUT);
    } else if report.outcome == Outcome::Differs {
        text.push_str(way_out(report));
    }
    text
}

/// Whether the source has no versions of its own.
fn has_no_versions(report: &MigrationReport) -> bool {
    report.verification.as_ref().is_some_and(|found| found.depth == Depth::Document)
}

/// What to do after a run under which a store changed.
fn way_out(report: &MigrationReport) -> &'static str {
    if has_no_versions(report) {
        "stop what writes to either side, and give the same command again with --on-conflict \
         overwrite: it brings over what changed, and lists what the source has deleted since\n"
    } else {
        "stop what writes to either side, and give the same command again with --on-conflict \
         newer: it brings over what changed and what was deleted in the source since\n"
    }
}

/// `machines: 7 older versions (2 already there), 1 tags and other items`
fn past(name: &impl std::fmt::Display, history: &HistoryReport) -> String {
    let counted = |what: &str, of: Carried| {
        let there = of.equal + of.left;
        let there = if there > 0 { format!(" ({there} already there)") } else { String::new() };
        format!("{} {what}{there}", of.read)
    };
    let versions = counted("older versions", history.versions);
    let items = counted("tags and other items", history.items);
    format!("history of {name}: {versions}, {items}\n")
}

/// What was removed from the source.
pub(crate) fn cleaned_up(text: &mut String, done: &CleanUpReport) {
    for one in &done.collections {
        let _ = writeln!(text, "{} of {} are deleted from the source", one.deleted, one.name);
        listed(text, &one.name, "were left in the source", &one.left);
    }
    if done.collections.iter().any(|one| one.deleted_by_others > 0) {
        text.push_str(
            "delete in the target what was deleted in the source, and give the same command \
             again: until then the clean-up is unfinished\n",
        );
    }
}

/// `schema 1 → 3 by 1→2→3`
pub(crate) fn way(versions: &[u32]) -> String {
    let words: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let end = |word: Option<&String>| word.cloned().unwrap_or_default();
    format!("schema {} → {} by {}", end(words.first()), end(words.last()), words.join("→"))
}

fn counts_table(report: &MigrationReport) -> String {
    let mut header = vec!["collection", "read", "applied", "equal", "older", "diverged"];
    let quarantine = report.totals.quarantined > 0;
    if quarantine {
        header.push("quarantined");
    }
    let mut table = table_of_numbers(&header, 1);
    let row = |name: &str, counts: &Counts| -> Vec<String> {
        let Counts { read, applied, equal, older, diverged, quarantined, .. } = *counts;
        let last = quarantine.then_some(quarantined);
        let numbers = [read, applied, equal, older, diverged].into_iter().chain(last);
        std::iter::once(name.to_owned()).chain(numbers.map(|n| n.to_string())).collect()
    };
    for collection in &report.collections {
        table.add_row(row(collection.name.as_str(), &collection.counts));
    }
    table.add_row(row("total", &report.totals));
    draw(&table) + "\n"
}

fn times(report: &MigrationReport) -> String {
    let micros = report.finished_at.as_micros() - report.started_at.as_micros();
    let phases: Vec<String> = report
        .phases
        .iter()
        .map(|phase| {
            let took = format!("{} {}", phase.phase.label(), milliseconds(phase.duration_ms));
            if phase.records == 0 {
                return took;
            }
            let rate = per_second(phase.records, Duration::from_millis(phase.duration_ms));
            format!("{took}, {rate}/s")
        })
        .collect();
    let total = milliseconds(u64::try_from(micros / 1_000).unwrap_or(0));
    if phases.is_empty() { total } else { format!("{total} ({})", phases.join("; ")) }
}

fn milliseconds(milliseconds: u64) -> String {
    format!("{}.{:03} s", milliseconds / 1_000, milliseconds % 1_000)
}

fn verdict(report: &MigrationReport) -> &'static str {
    match report.outcome {
        Outcome::Verified if report.clean_up.is_some() => "verified, and removed from the source\n",
        Outcome::Verified => "verified: both sides hold the same\n",
        Outcome::DoneUnverified => "done, not verified, as asked\n",
        Outcome::DryRun => "dry run: nothing was written\n",
        Outcome::DryRunPartly => {
            "dry run: nothing was written; a run would leave what is listed above\n"
        }
        Outcome::DryRunDiffers => {
            "dry run: nothing was written; a run would end with blobs that are not as their \
             records say\n"
        }
        Outcome::Partly => "partly done: what was left is listed above\n",
        Outcome::Interrupted => "interrupted: what was copied stays\n",
        Outcome::Differs => "FAILED: the two sides differ\n",
    }
}

fn listed(text: &mut String, name: &impl std::fmt::Display, what: &str, listed: &Listed) {
    if listed.count == 0 {
        return;
    }
    let shown: Vec<String> = listed.first.iter().take(SHOWN).map(|id| cell(id)).collect();
    let more = more(listed.count, shown.len());
    let _ = writeln!(text, "{} of {name} {what}: {}{more}", listed.count, shown.join(", "));
}

fn more(count: u64, shown: usize) -> String {
    match count.saturating_sub(shown as u64) {
        0 => String::new(),
        more => format!(", and {more} more"),
    }
}

/// The table of a comparison and what differs.
#[must_use]
pub fn verification(report: &VerifyReport) -> String {
    let header = ["collection", "source", "target", "missing", "unexpected", "differs", ""];
    let mut table = table_of_numbers(&header, 1);
    for found in &report.collections {
        let numbers = [
            found.source.records,
            found.target.records,
            found.missing,
            found.unexpected,
            found.differs,
        ];
        let word = if found.equal { "equal" } else { "NOT EQUAL" };
        let row = std::iter::once(found.name.to_string()).chain(numbers.map(|n| n.to_string()));
        table.add_row(row.chain(std::iter::once(word.to_owned())));
    }
    let mut text =
        format!("{}\nsource  {}\ntarget  {}\n", draw(&table), report.source, report.target);
    if let Some(began) = report.resumed_from {
        let _ = writeln!(text, "resumed a comparison that began {began}");
    }
    for found in report.collections.iter().filter(|found| !found.upgrade.is_empty()) {
        let _ = writeln!(text, "{}: compared as {}", found.name, way(&found.upgrade));
    }
    differences(&mut text, report);
    report.blobs.iter().for_each(|found| blob_report::compared(&mut text, found));
    text.push_str(match (report.equal, report.depth) {
        (true, Depth::Complete) => "equal: both stores hold the same\n",
        (true, Depth::Quick) => {
            "equal in ids, versions and deletions; documents were not compared (--quick)\n"
        }
        (true, Depth::Document) => {
            "equal in ids and documents: one side has no versions of its own to compare\n"
        }
        (false, Depth::Document) => {
            "DIFFERENT: the stores do not hold the same; `repoctl migrate --on-conflict overwrite` \
             brings over what the source holds\n"
        }
        (false, _) => "DIFFERENT: the stores do not hold the same\n",
    });
    text
}

/// Each difference on a line of its own: `+` only in the source, `-` only in
/// the target, `*` in both and not the same.
fn differences(text: &mut String, report: &VerifyReport) {
    for found in &report.collections {
        for difference in found.differences.iter().take(SHOWN) {
            let _ = writeln!(text, "{}", one(found.name.as_str(), difference));
        }
        let count = found.missing + found.unexpected + found.differs;
        let more = count.saturating_sub(found.differences.len().min(SHOWN) as u64);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more of {}; --format json names 1000", found.name);
        }
        differences_of_past(text, found);
        if found.floor_too_low {
            let _ = writeln!(
                text,
                "! {}: the floor of the target ({}) is below the source's ({})",
                found.name, found.target.floor, found.source.floor
            );
        }
        if found.source.prepared && !found.target.prepared {
            let _ = writeln!(text, "! {}: the target does not have the collection", found.name);
        }
        if found.source_changed > 0 {
            let _ = writeln!(
                text,
                "! {}: {} records of the source changed during the run",
                found.name, found.source_changed
            );
        }
    }
}

/// The same of older versions and items.
fn differences_of_past(text: &mut String, found: &CollectionVerification) {
    let name = &found.name;
    let sign = |kind: DifferenceKind| match kind {
        DifferenceKind::Missing => ('+', "the target lacks it"),
        DifferenceKind::Unexpected => ('-', "the source lacks it"),
        DifferenceKind::Differs => ('*', "both have it, and it differs"),
    };
    if let Some(history) = &found.history {
        for one in history.differences.iter().take(SHOWN) {
            let (sign, words) = sign(one.kind);
            let key = cell(&format!("{name}/{}", one.id));
            let at = one.pointer.as_deref().filter(|at| !at.is_empty());
            let at = at.map(|at| format!(", first at {}", cell(at))).unwrap_or_default();
            let words = if one.attribution { "who wrote it differs" } else { words };
            let _ = writeln!(text, "{sign} {key} version {}: {words}{at}", one.version);
        }
        let count = history.missing + history.unexpected + history.differs;
        more_of(text, count, history.differences.len(), &format!("versions of {name}"));
        match (&history.source, &history.target) {
            (Some(_), None) => {
                let _ = writeln!(text, "! {name}: the target keeps no history");
            }
            (Some(source), Some(target)) if !history.equal && target.since > source.since => {
                let (theirs, ours) = (target.since, source.since);
                let _ = writeln!(
                    text,
                    "! {name}: the history of the target begins at {theirs}, the source's at {ours}"
                );
            }
            _ => {}
        }
    }
    if let Some(items) = &found.items {
        for one in items.differences.iter().take(SHOWN) {
            let (sign, words) = sign(one.kind);
            let _ = writeln!(text, "{sign} {} {}: {words}", one.items, cell(&one.key));
        }
        let count = items.missing + items.unexpected + items.differs;
        more_of(text, count, items.differences.len(), &format!("items of {name}"));
    }
}

fn more_of(text: &mut String, count: u64, named: usize, what: &str) {
    let more = count.saturating_sub(named.min(SHOWN) as u64);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more {what}; --format json names 1000");
    }
}

fn one(name: &str, difference: &Difference) -> String {
    let key = cell(&format!("{name}/{}", difference.id));
    let version = |version: Option<u64>| version.map_or_else(|| "none".into(), |v| v.to_string());
    match difference.kind {
        DifferenceKind::Missing => format!("+ {key}: the target lacks it"),
        DifferenceKind::Unexpected => format!("- {key}: the source lacks it"),
        DifferenceKind::Differs => {
            let aspects: Vec<String> = difference
                .aspects
                .iter()
                .map(|aspect| format!("{aspect:?}").to_lowercase())
                .collect();
            let at = difference.pointer.as_deref().filter(|at| !at.is_empty());
            format!(
                "* {key}: {} differ (version {} and {}){}",
                aspects.join(", "),
                version(difference.source_version),
                version(difference.target_version),
                at.map(|at| format!(", first at {}", cell(at))).unwrap_or_default(),
            )
        }
    }
}
