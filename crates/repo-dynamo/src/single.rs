//! One write: one conditional `UpdateItem`, whose answer says everything.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use repo_core::{
    Change, Document, Error, ErrorKind, Precondition, Result, Timestamp, Version, Write, Written,
};

use crate::cache::Table;
use crate::feed::Mark;
use crate::history::{Done, Replaced};
use crate::item::{self, Item, State, document_attribute, index_attributes, number, text};
use crate::layout::{CREATED, DOCUMENT, GENERATION, PURGED, UPDATED, VERSION};
use crate::retry::patiently;
use crate::shared::Shared;

/// How often a write starts over because the indexes changed under it or a
/// purge met it.
const ROUNDS: usize = 5;

/// Names and values of an expression.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Terms {
    /// The place holder of an attribute's name.
    pub(crate) fn name(&mut self, name: &str) -> String {
        let place = format!("#n{}", self.names.len());
        if let Some((known, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return known.clone();
        }
        self.names.insert(place.clone(), name.to_owned());
        place
    }

    /// The place holder of a value.
    pub(crate) fn value(&mut self, value: AttributeValue) -> String {
        let place = format!(":v{}", self.values.len());
        self.values.insert(place.clone(), value);
        place
    }

    /// The names, `None` when there are none.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        Some(self.names.clone()).filter(|names| !names.is_empty())
    }

    /// The values, `None` when there are none.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }

    /// The condition that only writers who know the item's indexes hold.
    pub(crate) fn knows_indexes(&mut self, generation: u64) -> String {
        let name = self.name(GENERATION);
        let value = self.value(number(generation));
        format!("(attribute_not_exists({name}) OR {name} <= {value})")
    }
}

/// What an update does, in DynamoDB's words.
#[derive(Debug)]
struct Update {
    terms: Terms,
    update: String,
    condition: String,
}

/// How a write counts on from what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    /// One above the record, or above the floor where there is none.
    Up,
    /// One above the floor, over what remains of a purged record.
    OverPurged(Version),
}

impl Shared {
    /// Does one write.
    pub(crate) async fn write_one(&self, table: Arc<Table>, write: &Write) -> Result<Written> {
        let now = self.options.clock.now();
        let (mut table, mut count) = (table, Count::Up);
        for _ in 0..ROUNDS {
            if table.is_recorded() {
                return self.write_recorded(table, write).await;
            }
            self.check_role("commit", &table)?;
            let update = match &write.change {
                Change::Put(document) => put(&table, write, document, now, count),
                _ => delete(&table, write, now),
            };
            let old = match self.send(&table, write, &update).await? {
                Sent::Done(old) => {
                    let written = written(&table, write, old.as_ref(), now, count)?;
                    return self.settled(&table, write, written, old.as_ref()).await;
                }
                Sent::Refused(old) => old,
            };
            let generation = old.as_ref().map_or(0, item::generation);
            if generation > table.layout.generation {
                table = self.fresh_table("commit", &write.key.collection).await?;
                continue;
            }
            let state = State::of(&table.layout, old.as_ref())?;
            if let Some(done) = refusal(write, state)? {
                return Ok(done);
            }
            if state.recorded().is_none() {
                Version::after(table.floor).map_err(|error| error.with("key", &write.key))?;
            }
            count = match state {
                State::Purged(left) if left.get() < table.floor => Count::OverPurged(left),
                _ => Count::Up,
            };
        }
        let scene = self.repeatable("commit", &table.layout.table);
        Err(scene.later("the record keeps changing").error.with("key", &write.key))
    }

    async fn settled(
        &self,
        table: &Table,
        write: &Write,
        written: Written,
        answered: Option<&Item>,
    ) -> Result<Written> {
        if let Some(mark) = mark(&written) {
            let replaced = match write.change {
                Change::Put(_) => Replaced::Item(answered),
                // A delete is told what it left.
                _ => Replaced::Version(mark.before),
            };
            let done = Done { mark, replaced, by: write.attribution.as_deref() };
            self.settle(table, &write.key, done).await?;
        }
        Ok(written)
    }

    /// Does one write together with what records it. Which version that is, and what it
    /// replaces, has to be known before, so the record is read.
    async fn write_recorded(&self, table: Arc<Table>, write: &Write) -> Result<Written> {
        let written = self.commit_many(std::slice::from_ref(write), vec![table]).await?;
        Ok(written.first().copied().unwrap_or(Written::Unchanged))
    }

    async fn send(&self, table: &Table, write: &Write, update: &Update) -> Result<Sent> {
        let layout = &table.layout;
        let scene = self.once("commit", &layout.table);
        patiently(self.patience, || async {
            let request: UpdateItemFluentBuilder = self
                .client
                .update_item()
                .table_name(&layout.table)
                .set_key(Some(item::key(layout, &write.key.id)))
                .update_expression(&update.update)
                .condition_expression(&update.condition)
                .set_expression_attribute_names(update.terms.names())
                .set_expression_attribute_values(update.terms.values())
                .return_values(match write.change {
                    // The old values: a create gets a short answer.
                    Change::Put(_) => ReturnValue::UpdatedOld,
                    // The new ones: of what is removed nothing is sent.
                    _ => ReturnValue::UpdatedNew,
                })
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let error = match request.send().await {
                Ok(answer) => return Ok(Sent::Done(answer.attributes)),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => {
                    Ok(Sent::Refused(old_item(error)))
                }
                _ => Err(scene.failure(&error)),
            }
        })
        .await
    }
}

/// The item that did not fulfil a condition.
fn old_item(
    error: aws_sdk_dynamodb::error::SdkError<
        aws_sdk_dynamodb::operation::update_item::UpdateItemError,
    >,
) -> Option<Item> {
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException;
    match error.into_service_error() {
        ConditionalCheckFailedException(refused) => refused.item,
        _ => None,
    }
}

enum Sent {
    /// It was written; the attributes that were asked for.
    Done(Option<Item>),
    /// The condition failed; the item as it is.
    Refused(Option<Item>),
}

/// Why the condition of a write failed on an item in `state`: an error, an
/// answer, or `None` when it has to be made again.
fn refusal(write: &Write, state: State) -> Result<Option<Written>> {
    if let Some(failure) = write.failure(state.live()) {
        return Err(Error::preconditions("commit", vec![failure]));
    }
    if matches!(write.change, Change::Delete) && state.live().is_none() {
        return Ok(Some(Written::Unchanged));
    }
    if let Some(version) = state.recorded() {
        version.next().map_err(|error| error.with("key", &write.key))?;
    }
    Ok(None)
}

/// The update that stores a document.
fn put(table: &Table, write: &Write, document: &Document, now: Timestamp, count: Count) -> Update {
    let mut terms = Terms::default();
    let (version, purged) = (terms.name(VERSION), terms.name(PURGED));
    let (next, counted) = match count {
        Count::Up => {
            let (floor, one) = (terms.value(number(table.floor)), terms.value(number(1)));
            // What remains of a purged record is below the floor when the
            // floor rose meanwhile; the version must be above both.
            let counted = format!("(attribute_not_exists({purged}) OR {version} >= {floor})");
            (format!("if_not_exists({version}, {floor}) + {one}"), counted)
        }
        Count::OverPurged(left) => {
            let left = terms.value(number(left));
            let counted = format!("attribute_exists({purged}) AND {version} = {left}");
            (terms.value(number(table.floor.saturating_add(1))), counted)
        }
    };
    let now = terms.value(text(now.to_string()));
    let (created, updated) = (terms.name(CREATED), terms.name(UPDATED));
    let mut sets = vec![
        format!("{version} = {next}"),
        format!("{created} = if_not_exists({created}, {now})"),
        format!("{updated} = {now}"),
    ];
    let mut set = |name: &str, value: AttributeValue| {
        let (name, value) = (terms.name(name), terms.value(value));
        sets.push(format!("{name} = {value}"));
    };
    set(DOCUMENT, document_attribute(document));
    set(GENERATION, number(table.layout.generation));
    for (name, value) in index_attributes(&table.layout, &write.key.id, document) {
        set(&name, text(value));
    }
    let knows = terms.knows_indexes(table.layout.generation);
    let mut conditions = vec![knows, room_for_version(&mut terms, table), counted];
    conditions.extend(precondition(&mut terms, write.precondition));
    let update = format!("SET {} REMOVE {purged}", sets.join(", "));
    Update { update, condition: conditions.join(" AND "), terms }
}

/// The update that leaves a tombstone.
fn delete(table: &Table, write: &Write, now: Timestamp) -> Update {
    let mut terms = Terms::default();
    let (version, updated) = (terms.name(VERSION), terms.name(UPDATED));
    let (one, now) = (terms.value(number(1)), terms.value(text(now.to_string())));
    let generation = (terms.name(GENERATION), terms.value(number(table.layout.generation)));
    let derived = table.layout.indexes.iter().flat_map(|index| [&index.hash, &index.range]);
    let removed: Vec<String> = [DOCUMENT, CREATED]
        .into_iter()
        .chain(derived.map(String::as_str))
        .map(|name| terms.name(name))
        .collect();
    let update = format!(
        "SET {version} = {version} + {one}, {updated} = {now}, {} = {} REMOVE {}",
        generation.0,
        generation.1,
        removed.join(", ")
    );
    let mut conditions = vec![
        format!("attribute_exists({})", terms.name(CREATED)),
        terms.knows_indexes(table.layout.generation),
        room_for_version(&mut terms, table),
    ];
    conditions.extend(precondition(&mut terms, write.precondition));
    Update { update, condition: conditions.join(" AND "), terms }
}

/// The condition that a version above the stored one exists.
fn room_for_version(terms: &mut Terms, table: &Table) -> String {
    let version = terms.name(VERSION);
    let last = terms.value(number(Version::MAX));
    if table.floor < Version::MAX {
        format!("(attribute_not_exists({version}) OR {version} < {last})")
    } else {
        format!("{version} < {last}")
    }
}

/// A precondition in DynamoDB's words.
fn precondition(terms: &mut Terms, precondition: Precondition) -> Option<String> {
    let created = terms.name(CREATED);
    match precondition {
        Precondition::Any => None,
        Precondition::Absent => Some(format!("attribute_not_exists({created})")),
        Precondition::Exists => Some(format!("attribute_exists({created})")),
        Precondition::Version(expected) => {
            let (version, expected) = (terms.name(VERSION), terms.value(number(expected)));
            Some(format!("attribute_exists({created}) AND {version} = {expected}"))
        }
    }
}

/// The answer of a write that was done.
fn written(
    table: &Table,
    write: &Write,
    answered: Option<&Item>,
    now: Timestamp,
    count: Count,
) -> Result<Written> {
    let nothing = Item::new();
    let answered = answered.unwrap_or(&nothing);
    let version = match answered.get(VERSION) {
        Some(AttributeValue::N(text)) => text.parse::<u64>().ok(),
        _ => None,
    };
    if !matches!(write.change, Change::Put(_)) {
        let version = version.ok_or_else(|| unanswered(write))?;
        return Ok(Written::Deleted { version: Version::new(version)?, deleted_at: now });
    }
    let version = match (count, version) {
        (Count::Up, Some(old)) => Version::after(old)?,
        (Count::Up, None) | (Count::OverPurged(_), _) => Version::after(table.floor)?,
    };
    let created_at = match answered.get(CREATED) {
        Some(AttributeValue::S(text)) => Timestamp::parse(text)?,
        _ => now,
    };
    Ok(Written::Put { version, created_at, updated_at: now })
}

/// What a write did to its record. Versions of single writes follow each other.
fn mark(written: &Written) -> Option<Mark> {
    let version = written.version()?;
    let before = Version::new(version.get().saturating_sub(1)).ok();
    Some(Mark { version, deleted: matches!(written, Written::Deleted { .. }), before })
}

fn unanswered(write: &Write) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "commit",
        "DynamoDB answered without the version it wrote",
    )
    .with("key", &write.key)
    .hint("read the record before writing again")
}
