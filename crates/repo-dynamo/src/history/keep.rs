//! What a write keeps of what it replaces: beside it, or late.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use repo_core::strategy::{OlderState, OlderVersion};
use repo_core::{Attribution, Error, ErrorKind, Key, Result, Version};

use super::item::{added_item, kept_item};
use crate::cache::TableHistory;
use crate::feed::Mark;
use crate::item::Item;
use crate::layout::VERSION;
use crate::retry::patiently;
use crate::shared::Shared;

/// What a write replaced, as far as its writer was told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Replaced<'a> {
    /// This item, or nothing.
    Item(Option<&'a Item>),
    /// A record of this version, or nothing.
    Version(Option<Version>),
}

/// What a write did, for who looks after it later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done<'a> {
    pub(crate) mark: Mark,
    pub(crate) replaced: Replaced<'a>,
    pub(crate) by: Option<&'a Attribution>,
}

impl Shared {
    /// The action of a transaction that keeps what one of its writes replaces; `None`
    /// where that is no record.
    pub(crate) fn keep_action(
        &self,
        operation: &'static str,
        history: TableHistory,
        key: &Key,
        replaced: &Item,
    ) -> Result<Option<TransactWriteItem>> {
        let item = kept_item(history.number, key, replaced);
        let action = |item| self.store_action(operation, &self.versions_table, item, None);
        item.map(action).transpose()
    }

    /// Keeps what a write replaced, and who did it, that was done by a record of the
    /// store from before the history.
    ///
    /// # Errors
    /// `OutcomeUnknown` where that is not known any more: a mark says that it was there.
    pub(crate) async fn keep_late(
        &self,
        history: TableHistory,
        key: &Key,
        done: Done<'_>,
    ) -> Result<()> {
        if let Some(by) = done.by {
            self.attribute_late(history, key, done.mark.version, by).await?;
        }
        match done.replaced {
            Replaced::Item(None) | Replaced::Version(None) => Ok(()),
            Replaced::Item(Some(item)) => match kept_item(history.number, key, item) {
                Some(item) => self.store_version("commit", item, true).await.map(drop),
                None => Ok(()),
            },
            Replaced::Version(Some(version)) => {
                // Before that time nothing is known; it was there ever since.
                let (id, since) = (key.id.clone(), history.since);
                let mark = OlderVersion::new(id, version, since, OlderState::Removed);
                let mark = added_item(history.number, &key.collection, &mark);
                self.store_version("commit", mark, false).await?;
                let why = "the history began meanwhile, and what was replaced is not known";
                Err(Error::new(ErrorKind::OutcomeUnknown, "commit", why).with("version", version))
            }
        }
    }

    /// Stores a version, `over` one of its number or only where there is none; gives
    /// the one that is there.
    pub(super) async fn store_version(
        &self,
        operation: &'static str,
        item: Item,
        over: bool,
    ) -> Result<Option<Item>> {
        use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
        let scene = self.repeatable(operation, &self.versions_table);
        patiently(self.patience, || async {
            let mut request = self
                .client
                .put_item()
                .table_name(&self.versions_table)
                .set_item(Some(item.clone()));
            if !over {
                request = request
                    .condition_expression("attribute_not_exists(#version)")
                    .expression_attribute_names("#version", VERSION)
                    .return_values_on_condition_check_failure(AllOld);
            }
            let error = match request.send().await {
                Ok(_) => return Ok(None),
                Err(error) => error,
            };
            if let Some(PutItemError::ConditionalCheckFailedException(refused)) =
                error.as_service_error()
            {
                let stored = refused.item.clone();
                return stored.map(Some).ok_or_else(|| scene.later("no stored item was named"));
            }
            Err(scene.failure(&error))
        })
        .await
    }
}
