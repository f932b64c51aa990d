//! Refusing a run before anything is written, with names.

use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::check::source_checks::SourceCheck;
use crate::plan::{MigrationPlan, PlannedCollection, Purpose};
use crate::remedy::Remedy;
use crate::report::Listed;
use crate::store_reference::StoreReference;

/// Most records that an error names.
const MAX_NAMED: usize = 8;

/// Refuses entities that the target cannot hold.
pub(crate) fn offenders(plan: &MigrationPlan, checks: &[SourceCheck]) -> Result<()> {
    let Some((count, names)) = list(plan, checks, |check| &check.offenders) else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Invalid,
        plan.purpose.operation(),
        format!("{count} of the source's records cannot be moved; nothing was written"),
    )
    .with("side", "source")
    .with("entities", names)
    .remedy(Remedy::CorrectOrQuarantine))
}

/// Refuses older versions that the target cannot hold. No quarantine takes them.
pub(crate) fn offending_versions(plan: &MigrationPlan, checks: &[SourceCheck]) -> Result<()> {
    let Some((count, names)) = list(plan, checks, |check| &check.history.offenders) else {
        return Ok(());
    };
    let why = format!("{count} older versions are too large for the target; nothing was written");
    Err(Error::new(ErrorKind::LimitExceeded, plan.purpose.operation(), why)
        .with("side", "source")
        .with("versions", names)
        .with("most_bytes", plan.target.capabilities().max_entity_bytes)
        .remedy(Remedy::LeaveHistory))
}

/// Refuses records of the target that are in the way, and what differs of their past.
pub(crate) fn conflicts(plan: &MigrationPlan, checks: &[SourceCheck]) -> Result<()> {
    let of_past = list(plan, checks, |check| &check.history.conflicts);
    let Some((count, names)) = list(plan, checks, |check| &check.conflicts).or(of_past) else {
        return Ok(());
    };
    let least = if checks.iter().any(|check| check.cut_short) { "at least " } else { "" };
    let why = format!("the target already holds other records: {least}{count} differ");
    Err(Error::new(
        ErrorKind::AlreadyExists,
        plan.purpose.operation(),
        format!("{why}; nothing was written"),
    )
    .with("side", "target")
    .with("store", plan.target.location())
    .with("records", names)
    .remedy(match plan.purpose {
        Purpose::Migrate => Remedy::ChooseOnConflict,
        Purpose::Restore => Remedy::RestoreElsewhere,
    }))
}

/// Refuses entities that cannot be upgraded.
pub(crate) fn not_upgradable(
    side: &StoreReference,
    name: &CollectionName,
    mut offenders: Listed,
) -> Result<()> {
    let count = offenders.count;
    if count == 0 {
        return Ok(());
    }
    offenders.sort();
    let mut names: Vec<String> =
        offenders.first.iter().take(MAX_NAMED).map(|text| format!("{name}/{text}")).collect();
    let more = count - names.len() as u64;
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let why = format!("{count} entities cannot be upgraded; nothing was written");
    Err(side
        .err(Error::new(ErrorKind::Invalid, "upgrade", why))
        .with("entities", names.join("; "))
        .hint("correct them, or the steps in the schema file"))
}

/// How many records a list holds over all collections, and the first of them.
fn list(
    plan: &MigrationPlan,
    checks: &[SourceCheck],
    of: impl Fn(&SourceCheck) -> &Listed,
) -> Option<(u64, String)> {
    let count: u64 = checks.iter().map(|check| of(check).count).sum();
    if count == 0 {
        return None;
    }
    let named = |(planned, check): (&PlannedCollection, _)| {
        let name = planned.name().clone();
        of(check).first.iter().map(move |text| format!("{name}/{text}")).collect::<Vec<_>>()
    };
    let mut names: Vec<String> =
        plan.collections.iter().zip(checks).flat_map(named).take(MAX_NAMED).collect();
    let more = count - names.len() as u64;
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    Some((count, names.join("; ")))
}
