//! Which histories a run carries over, and what the target keeps afterwards.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use repo_core::strategy::HistoryState;
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};

use crate::MigrationOptions;
use crate::archive::Archive;
use crate::history::items::travelling;
use crate::history::reader::HistoryOrigin;
use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// The history of one collection that a run carries over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedHistory {
    /// What the source keeps.
    pub(crate) source: HistoryState,
    /// What the target kept before; `None` when it kept none.
    pub(crate) target: Option<HistoryState>,
}

impl PlannedHistory {
    /// What the target is to keep. It begins no earlier than either side can answer
    /// for: `own_past` says that the target held what the source does not know of. Who
    /// looks after a target that keeps a history already has chosen how much of it.
    pub(crate) fn wanted(
        &self,
        target_holds: bool,
        own_past: bool,
        now: Timestamp,
    ) -> HistoryState {
        let source = self.source.since;
        match self.target {
            None if target_holds && own_past => {
                HistoryState::new(now).with_retention(self.source.retention)
            }
            None => self.source,
            Some(kept) if !target_holds => HistoryState::new(source).with_retention(kept.retention),
            Some(kept) => HistoryState::new(source.max(kept.since)).with_retention(kept.retention),
        }
    }
}

/// What the source keeps of the past of the chosen collections.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    /// Those with a history, and what the target keeps of them.
    kept: BTreeMap<CollectionName, PlannedHistory>,
    /// How many items belong to each, where there are any.
    items: BTreeMap<CollectionName, u64>,
    left_behind: bool,
}

impl Histories {
    /// Looks at both sides.
    pub(crate) async fn of(
        source: &StoreReference,
        target: &StoreReference,
        restored: Option<&Archive>,
        chosen: &[CollectionName],
        options: &MigrationOptions,
    ) -> Result<Self> {
        let origin = HistoryOrigin::of(restored, source);
        let (ours, theirs) = (source.record().await?.history, target.record().await?.history);
        let mut this = Self { left_behind: options.without_history, ..Self::default() };
        for name in chosen {
            if let Some(source) = ours.get(name).copied() {
                let target = theirs.get(name).copied();
                this.kept.insert(name.clone(), PlannedHistory { source, target });
            }
        }
        if origin.has_items().await? {
            for name in chosen {
                let items = count_items(&origin, name).await?;
                this.items.extend((items > 0).then(|| (name.clone(), items)));
            }
        }
        Ok(this)
    }

    /// What is carried over of a collection.
    pub(crate) fn planned(&self, name: &CollectionName) -> (Option<PlannedHistory>, u64) {
        (self.kept.get(name).copied(), self.items.get(name).copied().unwrap_or(0))
    }

    /// Those that have a past.
    fn names(&self) -> String {
        let names: BTreeSet<&str> =
            self.kept.keys().chain(self.items.keys()).map(CollectionName::as_str).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// What the operator should know before anything is written.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let names = self.names();
        if self.left_behind && !names.is_empty() {
            let items: u64 = self.items.values().sum();
            warnings.push(format!(
                "the source keeps the history of {names}: older versions, and {items} tags and \
                 other items that belong to them, are left behind as asked"
            ));
        }
        warnings
    }

    /// Refuses to clean up a source that keeps histories: what is deleted there stays in
    /// them, tombstones too, and these would delete in the target of a later migration.
    ///
    /// # Errors
    /// `Unsupported`, before anything is written.
    pub(crate) fn refuse_clean_up(
        &self,
        source: &StoreReference,
        operation: &'static str,
    ) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let kept: Vec<&str> = self.kept.keys().map(CollectionName::as_str).collect();
        let why = format!(
            "the source keeps the history of {}, in which what is removed would stay",
            kept.join(", ")
        );
        Err(source.err(Error::new(ErrorKind::Unsupported, operation, why)).hint(
            "migrate without cleaning up, end the histories of the source, and clean up then",
        ))
    }

    /// Refuses a target that cannot keep what the source keeps.
    ///
    /// # Errors
    /// `Unsupported`, before anything is written.
    pub(crate) async fn check(
        &self,
        source: &StoreReference,
        target: &StoreReference,
        operation: &'static str,
    ) -> Result<()> {
        let names = self.names();
        if names.is_empty() {
            return Ok(());
        }
        let refused = match target.capabilities().history {
            false => None,
            true => match target.has_items(travelling()).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => Some(error),
                _ => return Ok(()),
            },
        };
        if let Some(error) = refused {
            return Err(error.with("histories_of", names));
        }
        let why = format!("the source keeps the history of {names}, the target cannot keep any");
        Err(Error::new(ErrorKind::Unsupported, operation, why)
            .with("side", "target")
            .with("store", target.location())
            .with("source", source.location())
            .remedy(Remedy::LeaveHistory))
    }
}

/// How many items of a collection travel.
async fn count_items(origin: &HistoryOrigin, name: &CollectionName) -> Result<u64> {
    let mut count = 0;
    for of in travelling() {
        let mut pages = origin.items(of, name);
        while let Some(page) = pages.try_next().await? {
            count += page.len() as u64;
        }
    }
    Ok(count)
}
