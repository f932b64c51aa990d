//! A history begins, changes, ends.

use aws_sdk_dynamodb::types::ScalarAttributeType;
use repo_core::strategy::{HistoryState, StoreRecord};
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::definition::{Definition, Histories, KeptHistory};
use crate::layout::{RECORD_OF_KEY, VERSION};
use crate::own_tables::OwnTable;
use crate::settle::SWITCH;
use crate::shared::Shared;
use crate::tables::Keys;

const KEEP: &str = "keep the history";

/// A change of a history: what its caller believes to be stored, and what it wants.
#[derive(Debug, Clone, Copy)]
struct Change {
    expected: Option<HistoryState>,
    next: Option<HistoryState>,
}

impl Shared {
    /// Begins, changes or ends the history of a collection.
    pub(crate) async fn set_history(
        &self,
        collection: &CollectionName,
        expected: Option<HistoryState>,
        next: Option<HistoryState>,
    ) -> Result<StoreRecord> {
        self.check_writable(KEEP)?;
        self.end_own_load(KEEP, collection).await?;
        let table = self.fresh_table(KEEP, collection).await?;
        table.role.check_rebuild(KEEP, &self.location, self.options.works_for)?;
        let change = Change { expected, next };
        let definition = match (expected, next) {
            (None, Some(_)) => self.begin_history(collection, change).await?,
            (_, None) => self.end_history(collection, change).await?,
            (Some(_), Some(_)) => {
                let changed =
                    |definition: &mut _| self.settle_history(definition, collection, change);
                self.change_definition(KEEP, changed).await?
            }
        };
        Ok(self.shown(&definition))
    }

    async fn begin_history(
        &self,
        collection: &CollectionName,
        change: Change,
    ) -> Result<Definition> {
        self.prepare_versions_table().await?;
        let begun = self
            .change_definition(KEEP, |definition| self.begin(definition, collection, change))
            .await?;
        // Also when another handle began it and was killed while it waited.
        tokio::time::sleep(SWITCH).await;
        let ended = begun.histories.as_ref().map_or(0, |histories| histories.ended);
        // No handle writes by what the record said before, so nothing comes after this.
        self.remove_ended(KEEP, &begun).await?;
        let number = begun.history(collection).map(|kept| kept.number);
        self.change_definition(KEEP, |definition| {
            if definition.history(collection).map(|kept| kept.number) != number {
                return Err(self.history_changed(collection));
            }
            self.settle_history(definition, collection, change)?;
            if let Some(histories) = &mut definition.histories {
                histories.removed = histories.removed.max(ended);
            }
            Ok(())
        })
        .await
    }

    /// Every writer will know of the history, and nobody reads it before.
    fn begin(
        &self,
        definition: &mut Definition,
        collection: &CollectionName,
        change: Change,
    ) -> Result<()> {
        self.check_feed_layout(KEEP, definition)?;
        HistoryState::replace(settled(definition, collection), change.expected, change.next)?;
        let found = definition.collections.get_mut(collection).filter(|found| found.ready);
        let Some(found) = found else { return Err(self.unknown(KEEP, collection)) };
        let histories = definition.histories.get_or_insert_default();
        let Some(state) = change.next else { return Ok(()) };
        if histories.kept.contains_key(collection) {
            return Ok(());
        }
        histories.last = histories.last.saturating_add(1);
        let new = KeptHistory { number: histories.last, settled: false, state };
        histories.kept.insert(collection.clone(), new);
        // Who does not know yet cannot write over a record of one who does.
        found.generation = found.generation.saturating_add(1);
        Ok(())
    }

    /// The history stands with its new state. Of two callers that began it at once the
    /// second one finds it changed.
    fn settle_history(
        &self,
        definition: &mut Definition,
        collection: &CollectionName,
        change: Change,
    ) -> Result<()> {
        self.check_feed_layout(KEEP, definition)?;
        let stored = settled(definition, collection);
        let state = HistoryState::replace(stored, change.expected, change.next)?;
        let histories = definition.histories.as_mut();
        let kept = histories.and_then(|histories| histories.kept.get_mut(collection));
        let (Some(kept), Some(state)) = (kept, state) else {
            return Err(self.history_changed(collection));
        };
        kept.state = state;
        kept.settled = true;
        Ok(())
    }

    async fn end_history(&self, collection: &CollectionName, change: Change) -> Result<Definition> {
        let ended = self
            .change_definition(KEEP, |definition| {
                self.check_feed_layout(KEEP, definition)?;
                let stored = settled(definition, collection);
                HistoryState::replace(stored, change.expected, change.next)?;
                if let Some(histories) = &mut definition.histories
                    && histories.kept.remove(collection).is_some()
                {
                    histories.ended = histories.ended.saturating_add(1);
                }
                Ok(())
            })
            .await?;
        // Handles that do not know yet may leave more behind, which is removed once the
        // next history has begun.
        self.remove_ended(KEEP, &ended).await?;
        Ok(ended)
    }

    fn history_changed(&self, collection: &CollectionName) -> Error {
        let why = "the history of the collection was changed by another program meanwhile";
        Error::new(ErrorKind::Locked, KEEP, why)
            .with("store", &self.location)
            .with("collection", collection)
            .hint("read the store's record again")
    }

    /// Makes the table of older versions.
    async fn prepare_versions_table(&self) -> Result<()> {
        let range = (VERSION, ScalarAttributeType::N);
        let table = OwnTable {
            name: &self.versions_table,
            keys: Keys { hash: RECORD_OF_KEY, range },
            is_known: |definition| definition.histories.is_some(),
            note: |definition| definition.histories = Some(Histories::default()),
        };
        self.prepare_own_table(KEEP, table).await
    }
}

/// The state that callers see.
fn settled(definition: &Definition, collection: &CollectionName) -> Option<HistoryState> {
    definition.history(collection).filter(|kept| kept.settled).map(|kept| kept.state)
}
