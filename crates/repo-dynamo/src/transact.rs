//! Transactions: what they are made of, and how they are sent.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use repo_core::strategy::Record;
use repo_core::{EntityId, ErrorKind, Result};

use crate::errors::Failure;
use crate::item::{self, Item, State, item_of, number};
use crate::layout::{Layout, PURGED, VERSION};
use crate::retry::patiently;
use crate::shared::Shared;
use crate::single::Terms;

/// A condition in DynamoDB's words.
pub(crate) type Condition = (String, Terms);

/// The condition that there is no item with this attribute, or that there is one.
pub(crate) fn is_there(attribute: &str, there: bool) -> Condition {
    let mut terms = Terms::default();
    let name = terms.name(attribute);
    let condition = if there { "attribute_exists" } else { "attribute_not_exists" };
    (format!("{condition}({name})"), terms)
}

/// The condition that an attribute has this value.
pub(crate) fn equals(attribute: &str, value: AttributeValue) -> Condition {
    let mut terms = Terms::default();
    let (name, value) = (terms.name(attribute), terms.value(value));
    (format!("{name} = {value}"), terms)
}

/// The condition that the record is in the state that was read, and that its indexes
/// are known.
pub(crate) fn unchanged(state: State, generation: u64) -> Condition {
    let mut terms = Terms::default();
    let version = terms.name(VERSION);
    let unchanged = match state {
        State::Nothing => format!("attribute_not_exists({version})"),
        State::Purged(left) => {
            let (purged, left) = (terms.name(PURGED), terms.value(number(left)));
            format!("attribute_exists({purged}) AND {version} = {left}")
        }
        State::Tombstone(known) | State::Live(known, _) => {
            let (purged, known) = (terms.name(PURGED), terms.value(number(known)));
            format!("attribute_not_exists({purged}) AND {version} = {known}")
        }
    };
    let knows = terms.knows_indexes(generation);
    (format!("{unchanged} AND {knows}"), terms)
}

impl Shared {
    /// Stores an item, on a condition if there is one.
    pub(crate) fn store_action(
        &self,
        operation: &'static str,
        table: &str,
        item: Item,
        condition: Option<Condition>,
    ) -> Result<TransactWriteItem> {
        let mut put = Put::builder().table_name(table).set_item(Some(item));
        if let Some((condition, terms)) = condition {
            put = put
                .condition_expression(condition)
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values());
        }
        let put = put.build();
        let put = put.map_err(|source| self.repeatable(operation, table).malformed(source))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Removes an item on a condition.
    pub(crate) fn remove_action(
        &self,
        operation: &'static str,
        table: &str,
        key: Item,
        (condition, terms): Condition,
    ) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_names(terms.names())
            .set_expression_attribute_values(terms.values())
            .build()
            .map_err(|source| self.repeatable(operation, table).malformed(source))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Stores a record on a condition.
    pub(crate) fn put_action(
        &self,
        operation: &'static str,
        layout: &Layout,
        record: &Record,
        (condition, terms): Condition,
    ) -> Result<TransactWriteItem> {
        let put = Put::builder()
            .table_name(&layout.table)
            .set_item(Some(item_of(layout, record)))
            .condition_expression(condition)
            .set_expression_attribute_names(terms.names())
            .set_expression_attribute_values(terms.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|source| self.repeatable(operation, &layout.table).malformed(source))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Holds a record to a condition.
    pub(crate) fn check_action(
        &self,
        operation: &'static str,
        layout: &Layout,
        id: &EntityId,
        (condition, terms): Condition,
    ) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&layout.table)
            .set_key(Some(item::key(layout, id)))
            .condition_expression(condition)
            .set_expression_attribute_names(terms.names())
            .set_expression_attribute_values(terms.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|source| self.repeatable(operation, &layout.table).malformed(source))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Sends the transaction. `None`: it was done. Otherwise why it was not,
    /// one reason for each request.
    ///
    /// A lost answer is resolved by sending the same request again: its token
    /// makes DynamoDB answer for what it has done already.
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        table: &str,
        requests: &[TransactWriteItem],
    ) -> Result<Option<Vec<CancellationReason>>> {
        let token = format!("{:032x}", fastrand::u128(..));
        let lost = std::sync::atomic::AtomicBool::new(false);
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(requests.to_vec()));
            let error = match request.send().await {
                Ok(_) => return Ok(None),
                Err(error) => error,
            };
            if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            {
                let reasons = canceled.cancellation_reasons.clone().unwrap_or_default();
                return self.canceled(operation, table, reasons).map(Some);
            }
            let failure = self.repeatable(operation, table).failure(&error);
            let unknown = self.once(operation, table).failure(&error).error.kind();
            if unknown == ErrorKind::OutcomeUnknown {
                lost.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Err(failure)
        })
        .await;
        answer.map_err(|error| {
            let may_be_done = lost.into_inner() && error.kind() == ErrorKind::Unavailable;
            if may_be_done { error.into_kind(ErrorKind::OutcomeUnknown) } else { error }
        })
    }

    /// A canceled transaction: nothing of it was done.
    pub(crate) fn canceled(
        &self,
        operation: &'static str,
        table: &str,
        reasons: Vec<CancellationReason>,
    ) -> Result<Vec<CancellationReason>, Failure> {
        let scene = self.repeatable(operation, table);
        if has(&reasons, FAILED) || has(&reasons, "TransactionConflict") {
            return Ok(reasons);
        }
        if has(&reasons, "ThrottlingError") || has(&reasons, "ProvisionedThroughputExceeded") {
            return Err(scene.throttled());
        }
        Err(scene.canceled(&reasons).into())
    }
}

/// The reason of a condition that failed.
pub(crate) const FAILED: &str = "ConditionalCheckFailed";

/// Whether any of the reasons is this one.
pub(crate) fn has(reasons: &[CancellationReason], code: &str) -> bool {
    reasons.iter().any(|reason| reason.code() == Some(code))
}
