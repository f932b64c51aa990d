//! What became of blobs, for people.

use std::fmt::Write as _;

use repo_migrate::{
    BlobCount, BlobDepth, BlobProblem, BlobProblemKind, BlobProblems, BlobsReport,
    BlobsVerification, Listed, MigrationReport,
};

use crate::output::{SHOWN, cell};

/// What to do when blobs are not as their records say.
pub(crate) const WAY_OUT: &str = "bring back the blobs that are named above, or correct their records, and give the same \
     command again: what is there is left\n";

/// The blobs of a migration or a restore.
pub(crate) fn moved(text: &mut String, report: &BlobsReport) {
    let BlobsReport { needed, copied, there, .. } = report;
    let _ = writeln!(
        text,
        "blobs         {} needed, {} copied, {} already there",
        in_words(*needed),
        in_words(*copied),
        in_words(*there)
    );
    if report.pending > 0 || report.deleting > 0 {
        let _ = writeln!(
            text,
            "{} uploads have not ended and {} blobs are being removed: not copied",
            report.pending, report.deleting
        );
    }
    unrecorded(text, "the source", &report.unrecorded);
    problems(text, &report.problems);
    if let Some(found) = &report.verification {
        compared(text, found);
    }
}

/// What was copied of blobs, for a run that was interrupted; none where it has none.
#[must_use]
pub fn copied(report: &MigrationReport) -> Option<String> {
    let blobs = report.blobs.as_ref()?;
    Some(format!("{} blobs are copied", blobs.copied.blobs))
}

/// What comparing blobs with their records found.
pub(crate) fn compared(text: &mut String, found: &BlobsVerification) {
    let how = match found.depth {
        BlobDepth::Full => "read in full",
        BlobDepth::Size => "compared by size; their bytes were not read (--blobs size)",
    };
    let whose = if found.side.is_empty() { "store" } else { &*found.side };
    let _ = writeln!(
        text,
        "blobs of the {whose}: {} needed, {} sound, {how}",
        in_words(found.needed),
        in_words(found.sound)
    );
    unrecorded(text, &format!("the {whose}"), &found.unrecorded);
    problems(text, &found.problems);
}

fn in_words(count: BlobCount) -> String {
    format!("{} ({} bytes)", count.blobs, count.bytes)
}

fn unrecorded(text: &mut String, whose: &str, listed: &Listed) {
    if listed.count == 0 {
        return;
    }
    let shown: Vec<String> = listed.first.iter().take(SHOWN).map(|one| cell(one)).collect();
    let more = match listed.count.saturating_sub(shown.len() as u64) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let _ = writeln!(
        text,
        "{} blobs of {whose} have no record: {}{more}",
        listed.count,
        shown.join(", ")
    );
}

fn problems(text: &mut String, problems: &BlobProblems) {
    for problem in problems.first.iter().take(SHOWN) {
        let _ = writeln!(text, "! blob {}: {}", cell(&problem.key), what(problem));
    }
    let more = problems.count().saturating_sub(problems.first.len().min(SHOWN) as u64);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more blobs; --format json names 1000");
    }
}

fn what(problem: &BlobProblem) -> String {
    let BlobProblem { place, expected, found, .. } = problem;
    let found = found.as_deref().unwrap_or("something else");
    match problem.kind {
        BlobProblemKind::Missing => format!("it is not in {place}"),
        BlobProblemKind::Size => {
            format!("its record says {expected} bytes, and in {place} it has {found}")
        }
        BlobProblemKind::Digest => format!(
            "its bytes in {place} are not those of its record: SHA-256 {found} instead of {expected}"
        ),
        BlobProblemKind::Record => format!("its record in {place} is none of a blob: {expected}"),
    }
}
