//! Reading an index: each value of its leading field is a partition, and several
//! partitions are asked at once.
//!
//! A page is made in the order of the partitions. Those behind the one whose turn it is
//! are asked ahead, one page each; one page at a time is asked for of the partition whose
//! turn it is. A page that its first partition fills should cost one request, so reading
//! ahead begins with one partition and doubles with each that came to its end. Where all
//! has to be read, and in any order, every partition is read on as its answers come.
//!
//! At most [`PARTITIONS_AT_ONCE`] answers are under way or in memory, of 1 MB each.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use futures::stream::{FuturesUnordered, StreamExt as _};
use repo_core::strategy::Record;
use repo_core::{Direction, Entity, EntityId, Result};

use crate::cache::Table;
use crate::indexing::IndexPlace;
use crate::item::{Item, record_of, text};
use crate::layout::Layout;
use crate::native::index_start;
use crate::plan::{Bounds, IndexPlan};
use crate::retry::patiently;
use crate::scan::PAGE_ITEMS;
use crate::shared::Shared;
use crate::single::Terms;

/// Partitions of an index that are asked at the same time.
pub(crate) const PARTITIONS_AT_ONCE: usize = 8;

/// How the partitions of a plan are read.
#[derive(Debug)]
pub(crate) enum Reading {
    /// In their order, from behind a place, until no more is wanted. The first request
    /// to each partition looks at `most` items.
    InOrder { after: Option<(IndexPlace, EntityId)>, most: usize },
    /// All, as the answers come.
    Whole,
}

impl Reading {
    /// How many items the first request to a partition looks at.
    fn first(&self) -> usize {
        match self {
            Self::InOrder { most, .. } => *most,
            Self::Whole => PAGE_ITEMS,
        }
    }

    /// How many partitions are asked at once in the beginning.
    fn width(&self) -> usize {
        match self {
            Self::InOrder { .. } => 1,
            Self::Whole => PARTITIONS_AT_ONCE,
        }
    }
}

/// One request to a partition.
#[derive(Debug)]
struct Ask {
    /// Which of the partitions that are read.
    part: usize,
    start: Option<Item>,
    most: usize,
}

impl Ask {
    /// The request after this one. Few of the items may match: it looks at more of them.
    fn next(part: usize, start: Item, before: usize) -> Self {
        Self { part, start: Some(start), most: before.saturating_mul(4).min(PAGE_ITEMS) }
    }
}

/// Its answer. One that failed is an error only when its turn comes: a page may need no
/// more by then.
#[derive(Debug)]
struct Answered {
    part: usize,
    most: usize,
    answer: Result<QueryOutput>,
}

impl Shared {
    /// Hands every live entity of an index plan to `take`, until it wants no more. How
    /// many items DynamoDB looked at, in the answers that came.
    pub(crate) async fn read_index(
        &self,
        table: &Table,
        plan: &IndexPlan<'_>,
        reading: Reading,
        mut take: impl FnMut(Entity) -> Result<bool>,
    ) -> Result<u64> {
        let (most, mut width) = (reading.first(), reading.width());
        let in_order = matches!(reading, Reading::InOrder { .. });
        let parts = parts(&table.layout, plan, reading);
        let mut running = FuturesUnordered::new();
        let mut waiting: BTreeMap<usize, Answered> = BTreeMap::new();
        let (mut begun, mut turn, mut looked_at) = (0, 0, 0);
        loop {
            while running.len() + waiting.len() < width
                && let Some((hash, start)) = parts.get(begun)
            {
                let ask = Ask { part: begun, start: start.clone(), most };
                running.push(self.ask(&table.layout, plan, hash, ask));
                begun += 1;
            }
            let Some(answered) = running.next().await else { return Ok(looked_at) };
            looked_at += answered.looked_at();
            waiting.insert(answered.part, answered);
            while let Some(answered) = whose_turn(&mut waiting, in_order.then_some(turn)) {
                let (part, most) = (answered.part, answered.most);
                let answer = answered.answer?;
                for item in answer.items.unwrap_or_default() {
                    if let Some(Record::Live(entity)) = record_of(&table.layout, &item)?
                        && !take(entity)?
                    {
                        return Ok(looked_at);
                    }
                }
                match (answer.last_evaluated_key, parts.get(part)) {
                    (Some(start), Some((hash, _))) => {
                        let ask = Ask::next(part, start, most);
                        running.push(self.ask(&table.layout, plan, hash, ask));
                    }
                    _ => {
                        turn += 1;
                        width = (width * 2).min(PARTITIONS_AT_ONCE);
                    }
                }
            }
        }
    }

    /// One request to a partition of an index.
    async fn ask(&self, layout: &Layout, plan: &IndexPlan<'_>, hash: &str, ask: Ask) -> Answered {
        let Ask { part, start, most } = ask;
        let answer = match self.check_open("query") {
            Ok(()) => self.index_page(layout, plan, hash, (start, most)).await,
            Err(error) => Err(error),
        };
        Answered { part, most, answer }
    }

    async fn index_page(
        &self,
        layout: &Layout,
        plan: &IndexPlan<'_>,
        hash: &str,
        (start, most): (Option<Item>, usize),
    ) -> Result<QueryOutput> {
        let (condition, terms) = key_condition(plan, hash);
        let scene = self.repeatable("query", &layout.table);
        patiently(self.patience, || async {
            let request = self
                .client
                .query()
                .table_name(&layout.table)
                .index_name(&plan.index.name)
                .key_condition_expression(&condition)
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values())
                .scan_index_forward(plan.ordered != Some(Direction::Descending))
                .limit(i32::try_from(most).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.clone());
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await
    }
}

impl Answered {
    /// How many items DynamoDB looked at for it.
    fn looked_at(&self) -> u64 {
        let count = self.answer.as_ref().map_or(0, |answer| answer.scanned_count);
        u64::try_from(count).unwrap_or(0)
    }
}

/// The partitions to read, each with the key to begin behind.
fn parts<'p>(
    layout: &Layout,
    plan: &'p IndexPlan<'_>,
    reading: Reading,
) -> Vec<(&'p str, Option<Item>)> {
    if plan.bounds.is_empty() {
        return Vec::new();
    }
    let hashes = plan.hashes.iter().map(String::as_str);
    let Reading::InOrder { after: Some((place, id)), .. } = reading else {
        return hashes.map(|hash| (hash, None)).collect();
    };
    let left = hashes.filter(|hash| *hash >= place.hash.as_str());
    let start =
        |hash: &str| (hash == place.hash).then(|| index_start(layout, plan.index, &place, &id));
    left.map(|hash| (hash, start(hash))).collect()
}

/// Takes out the answer of the partition whose turn it is; of any, where there are no turns.
fn whose_turn(waiting: &mut BTreeMap<usize, Answered>, turn: Option<usize>) -> Option<Answered> {
    match turn {
        Some(turn) => waiting.remove(&turn),
        None => waiting.pop_first().map(|(_, answered)| answered),
    }
}

/// The part of an index that one request reads, in DynamoDB's words. A key may
/// stand in one comparison only.
fn key_condition(plan: &IndexPlan<'_>, hash: &str) -> (String, Terms) {
    let mut terms = Terms::default();
    let mut condition = format!("{} = {}", terms.name(&plan.index.hash), terms.value(text(hash)));
    let IndexPlan { index, bounds: Bounds { low, high }, .. } = plan;
    let mut bound = |bound: &str| (terms.name(&index.range), terms.value(text(bound)));
    condition += &match (low, high) {
        (None, None) => String::new(),
        (Some(low), None) => {
            let (range, low) = bound(low);
            format!(" AND {range} >= {low}")
        }
        (None, Some(high)) => {
            let (range, high) = bound(high);
            format!(" AND {range} <= {high}")
        }
        (Some(low), Some(high)) => {
            let ((range, low), (_, high)) = (bound(low), bound(high));
            format!(" AND {range} BETWEEN {low} AND {high}")
        }
    };
    (condition, terms)
}
