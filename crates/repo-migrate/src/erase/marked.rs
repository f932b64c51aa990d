//! Refusing what would bring an erased record back.

use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use repo_core::strategy::{Erasures, SystemCollection};
use repo_core::{EntityId, Error, ErrorKind, Key, Result};

use crate::plan::{MigrationPlan, PlannedCollection, Purpose};
use crate::remedy::Remedy;

/// Most records that an error names.
const MAX_NAMED: usize = 8;
/// Records and versions read at a time.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Refuses a source that holds records, or versions of them, which were erased from
/// either side. The source is read for it only where something was erased.
///
/// # Errors
/// `Invalid`, with the first of the ids.
pub(crate) async fn refuse(plan: &MigrationPlan) -> Result<()> {
    for planned in &plan.collections {
        let mut erased = plan.target.erasures(planned.name()).await?;
        let mut marks = plan.history_origin().items(SystemCollection::Erased, planned.name());
        while let Some(page) = marks.try_next().await? {
            page.iter().try_for_each(|item| erased.take(item))?;
        }
        if !erased.is_empty() {
            refuse_one(plan, planned, &erased).await?;
        }
    }
    Ok(())
}

async fn refuse_one(
    plan: &MigrationPlan,
    planned: &PlannedCollection,
    erased: &Erasures,
) -> Result<()> {
    let name = planned.name();
    let key = |id: &EntityId| Key::new(name.clone(), id.clone());
    let mut found: Vec<String> = Vec::new();
    let mut count = 0_u64;
    let mut records = plan.source.scan_all(name, BATCH, 1).await?;
    while let Some(batch) = records.try_next().await? {
        for record in batch.iter().filter(|record| record.is_live()) {
            if erased.cover(&record.key(), record.version()) {
                count += 1;
                found.extend((found.len() < MAX_NAMED).then(|| record.key().to_string()));
            }
        }
    }
    if planned.history.is_some() {
        let mut versions = plan.history_origin().all(name, 0, BATCH).await?;
        while let Some(batch) = versions.try_next().await? {
            for version in batch {
                if version.has_content() && erased.cover(&key(&version.id), version.version) {
                    count += 1;
                    let shown = format!("{name}/{} version {}", version.id, version.version);
                    found.extend((found.len() < MAX_NAMED).then_some(shown));
                }
            }
        }
    }
    if count == 0 {
        return Ok(());
    }
    let why = format!("the source holds {count} records or versions that were erased");
    Err(Error::new(ErrorKind::Invalid, plan.purpose.operation(), why)
        .with("side", "source")
        .with("erased", found.join(", "))
        .remedy(match plan.purpose {
            Purpose::Migrate => Remedy::EraseInSource,
            Purpose::Restore => Remedy::EraseElsewhere,
        }))
}
