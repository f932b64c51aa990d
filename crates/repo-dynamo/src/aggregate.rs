//! Groups: DynamoDB makes none, so the engine does, of as little as can be read. A scan
//! runs in several segments at once, and answers only the fields that are looked at.

use std::num::NonZeroUsize;

use aws_sdk_dynamodb::operation::scan::ScanOutput;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Aggregator, Segment};
use repo_core::{Aggregates, Aggregation, Consistency, FieldPath, GroupedBy, Result};

use crate::cache::Table;
use crate::item::{Item, seen_document};
use crate::layout::{CREATED, DOCUMENT};
use crate::partitions::Reading;
use crate::plan::choose;
use crate::retry::patiently;
use crate::scan::PAGE_ITEMS;
use crate::shared::Shared;
use crate::single::Terms;

const OPERATION: &str = "aggregate";

/// Segments that are read at the same time.
const SEGMENTS: usize = 4;

/// Most bytes of an expression (Amazon DynamoDB Developer Guide, "Quotas": 4 KB).
const MOST_EXPRESSION_BYTES: usize = 4_000;

impl Shared {
    /// Groups of live entities. How many there are in all DynamoDB counts itself.
    pub(crate) async fn aggregate(
        &self,
        table: &Table,
        aggregation: &Aggregation,
        level: Consistency,
    ) -> Result<Aggregates> {
        let strong = self.is_strong(level);
        let mut groups = Aggregator::new(&table.layout.schema.collection, aggregation);
        if aggregation.counts_everything() {
            let live = self.count_all(table, strong).await?;
            groups.add_group(&[], live, Vec::new())?;
            return groups.finish(GroupedBy::Store);
        }
        match choose(&table.layout, aggregation.filter(), None).filter(|_| !strong) {
            Some(plan) => {
                self.read_index(table, &plan, Reading::Whole, |entity| {
                    groups.offer(&entity.document)?;
                    Ok(true)
                })
                .await?;
            }
            None => self.offer_all(table, aggregation, strong, &mut groups).await?,
        }
        groups.finish(GroupedBy::Engine)
    }

    /// Offers every live entity, as far as it is looked at.
    async fn offer_all(
        &self,
        table: &Table,
        aggregation: &Aggregation,
        strong: bool,
        groups: &mut Aggregator<'_>,
    ) -> Result<()> {
        let scan = ShortScan::new(table, aggregation, strong);
        let total = NonZeroUsize::new(SEGMENTS).unwrap_or(NonZeroUsize::MIN);
        let segments = Segment::split(total).map(|segment| self.short_pages(&scan, segment));
        let mut pages = stream::select_all(segments);
        while let Some(items) = pages.try_next().await? {
            for item in &items {
                groups.offer(&seen_document(&table.layout, item)?)?;
            }
        }
        Ok(())
    }

    /// The pages of a segment.
    fn short_pages<'s>(
        &'s self,
        scan: &'s ShortScan<'s>,
        segment: Segment,
    ) -> BoxStream<'s, Result<Vec<Item>>> {
        let pages = stream::try_unfold(At::Start, move |at| self.next_page(scan, segment, at));
        pages.boxed()
    }

    /// The next items of a segment, and where it stands after them.
    async fn next_page(
        &self,
        scan: &ShortScan<'_>,
        segment: Segment,
        at: At,
    ) -> Result<Option<(Vec<Item>, At)>> {
        let start = match at {
            At::Start => None,
            At::After(key) => Some(key),
            At::End => return Ok(None),
        };
        self.check_open(OPERATION)?;
        let answer = self.short_page(scan, segment, start.as_ref()).await?;
        let next = answer.last_evaluated_key.map_or(At::End, At::After);
        Ok(Some((answer.items.unwrap_or_default(), next)))
    }

    async fn short_page(
        &self,
        scan: &ShortScan<'_>,
        segment: Segment,
        start: Option<&Item>,
    ) -> Result<ScanOutput> {
        let name = &scan.table.layout.table;
        let scene = self.repeatable(OPERATION, name);
        let as_i32 = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        patiently(self.patience, || async {
            let request = self
                .client
                .scan()
                .table_name(name)
                .consistent_read(scan.strong)
                .filter_expression(&scan.live)
                .set_projection_expression(scan.shown.clone())
                .set_expression_attribute_names(scan.terms.names())
                .limit(as_i32(PAGE_ITEMS))
                .segment(as_i32(segment.index()))
                .total_segments(as_i32(segment.total()))
                .set_exclusive_start_key(start.cloned());
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await
    }
}

/// Where the pages of a segment stand.
enum At {
    Start,
    After(Item),
    End,
}

/// A scan of live entities that answers some of their fields.
struct ShortScan<'a> {
    table: &'a Table,
    strong: bool,
    terms: Terms,
    /// The condition on live entities.
    live: String,
    /// The fields; `None` for all, where there are too many to be named.
    shown: Option<String>,
}

impl<'a> ShortScan<'a> {
    fn new(table: &'a Table, aggregation: &Aggregation, strong: bool) -> Self {
        let mut all = Terms::default();
        let shown = shown(aggregation.fields(), &mut all);
        if shown.len() <= MOST_EXPRESSION_BYTES {
            let live = is_live(&mut all);
            return Self { table, strong, terms: all, live, shown: Some(shown) };
        }
        // A request names nothing that it does not use.
        let mut terms = Terms::default();
        let live = is_live(&mut terms);
        Self { table, strong, terms, live, shown: None }
    }
}

fn is_live(terms: &mut Terms) -> String {
    format!("attribute_exists({})", terms.name(CREATED))
}

/// The fields in a document as an expression; when there are none, something short. No
/// field may stand in it together with one that it holds.
fn shown<'f>(fields: impl IntoIterator<Item = &'f FieldPath>, terms: &mut Terms) -> String {
    let mut outermost: Vec<&FieldPath> = Vec::new();
    // In their order a field stands right before those that it holds.
    for path in fields {
        if outermost.last().is_none_or(|outer| !path.steps().starts_with(outer.steps())) {
            outermost.push(path);
        }
    }
    if outermost.is_empty() {
        return terms.name(CREATED);
    }
    let document = terms.name(DOCUMENT);
    let place = |path: &FieldPath| {
        let steps = path.steps().iter().map(|step| format!(".{}", terms.name(step)));
        format!("{document}{}", steps.collect::<String>())
    };
    outermost.into_iter().map(place).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use repo_core::Filter;

    use super::*;

    fn expression(aggregation: &Aggregation) -> String {
        let mut terms = Terms::default();
        let text = shown(aggregation.fields(), &mut terms);
        let mut names: Vec<(String, String)> = terms.names().unwrap().into_iter().collect();
        // Longer placeholders first: one may begin like another.
        names.sort_by_key(|(place, _)| std::cmp::Reverse(place.len()));
        names.iter().fold(text, |text, (place, name)| text.replace(place, name))
    }

    #[test]
    fn each_field_is_asked_for_once_and_none_within_another() {
        let filter = Filter::parse(r#"{"a.b": 1, "a b": {"$exists": true}, "z.y.x": 1}"#).unwrap();
        let asked = Aggregation::new(filter);
        let asked = asked.group_by("a").unwrap().sum("a.b.c").unwrap().sum("z.y").unwrap();
        assert_eq!(expression(&asked), "document.a, document.a b, document.z.y");
        let counted = Aggregation::new(Filter::Or(Vec::new())).count().unwrap();
        assert_eq!(expression(&counted), "_created_at");
    }
}
