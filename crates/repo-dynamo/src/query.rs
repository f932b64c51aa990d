//! Queries and counts: by the index that fits, else by a scan. What DynamoDB
//! returns is always filtered again on the document, and what it looked at is
//! counted, as its answers say.
//!
//! A cursor stays good when the next page is asked for with `.strong()`, but an
//! index cannot be read consistently, and a scan has another order. So a cursor
//! without an order says where it stands: behind an id in a scan, or behind a
//! place in an index. A strong page behind a place in an index reads the whole
//! table and keeps the next page in that order, in bounded memory. A cursor of
//! an index that was dropped is `Invalid`.

use std::collections::BTreeMap;

use repo_core::strategy::{Effort, Position, Record, Segment, Selector};
use repo_core::{
    CollectionName, Consistency, Cursor, Entity, EntityId, Filter, MAX_PAGE_SIZE, Page, Plan,
    Query, QueryAnalysis, Result,
};

use crate::cache::Table;
use crate::enough::Enough;
use crate::indexing::IndexPlace;
use crate::item::{Item, record_of};
use crate::layout::Index;
use crate::native::{Native, not_a_position, scan_start};
use crate::partitions::Reading;
use crate::plan::{IndexPlan, choose};
use crate::scan::{PAGE_ITEMS, ScanPage, ScannedItems};
use crate::shared::Shared;

/// Where to read on, and how many items to look at in a request.
#[derive(Debug)]
struct Read {
    start: Option<Item>,
    most: usize,
}

impl Read {
    /// From the start to the end.
    const ALL: Self = Self { start: None, most: PAGE_ITEMS };
}

impl Shared {
    /// Whether a read has to see every acknowledged write.
    pub(crate) fn is_strong(&self, consistency: Consistency) -> bool {
        consistency.is_bounded() || self.settings.consistent_reads
    }

    /// One page.
    pub(crate) async fn query(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        level: Consistency,
    ) -> Result<Page> {
        Ok(self.page(table, collection, query, level).await?.0)
    }

    /// What one page takes.
    pub(crate) async fn analyze(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        level: Consistency,
    ) -> Result<QueryAnalysis> {
        let (page, effort) = self.page(table, collection, query, level).await?;
        Ok(QueryAnalysis::counted(&page, effort))
    }

    async fn page(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        level: Consistency,
    ) -> Result<(Page, Effort)> {
        let layout = &table.layout;
        let strong = self.is_strong(level);
        let position = query.cursor().map(|c| c.position_in(collection, query)).transpose()?;
        let plan = choose(layout, query.filter(), query.order()).filter(|_| !strong);
        match (position, plan) {
            (Some(Position::Native(text)), plan) => match Native::parse(text)? {
                Native::Scan(id) => {
                    let start = Some(scan_start(layout, &id));
                    self.scan_query(table, collection, query, strong, start).await
                }
                Native::Index { name, hash, range, id } => {
                    let after = (IndexPlace { hash, range }, id);
                    self.go_on(table, collection, query, plan, &name, after).await
                }
            },
            (position, Some(mut plan)) => {
                if let Some(Position::Ordered { key, .. }) = position {
                    plan.start_at(key);
                }
                self.index_query(table, collection, query, &plan, None).await
            }
            (_, None) => self.scan_query(table, collection, query, strong, None).await,
        }
    }

    /// The next page of a query whose pages come in the order of an index.
    async fn go_on(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        plan: Option<IndexPlan<'_>>,
        name: &str,
        after: (IndexPlace, EntityId),
    ) -> Result<(Page, Effort)> {
        match plan.filter(|plan| plan.index.name == name) {
            Some(plan) => self.index_query(table, collection, query, &plan, Some(after)).await,
            None => {
                let index = table.layout.indexes.iter().find(|index| index.name == name);
                let index = index.ok_or_else(not_a_position)?;
                self.scan_in_index_order(table, collection, query, index, after).await
            }
        }
    }

    /// By reading the whole table.
    async fn scan_query(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        strong: bool,
        start: Option<Item>,
    ) -> Result<(Page, Effort)> {
        let mut selector = Selector::new(collection, query)?;
        let mut effort = Effort::default();
        // Without filter and order no more is read than the page holds.
        let exact = query.order().is_none() && query.filter().is_all();
        let most = if exact { query.page_size().min(MAX_PAGE_SIZE) + 1 } else { PAGE_ITEMS };
        let looked_at = self
            .scan_live(table, strong, Read { start, most }, |entity| {
                let matches = query.filter().matches(&entity.document);
                effort.hand_over(matches);
                Ok(!matches || selector.keep(entity))
            })
            .await?;
        effort.examined = looked_at;
        let page = selector.finish(Plan::Scan, |last| Native::Scan(last.id.clone()).to_text());
        Ok((page, effort))
    }

    /// A strong page in the order of an index, which cannot be read so.
    async fn scan_in_index_order(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        index: &Index,
        after: (IndexPlace, EntityId),
    ) -> Result<(Page, Effort)> {
        let most = query.page_size();
        let mut effort = Effort::default();
        let mut kept: BTreeMap<(IndexPlace, EntityId), Entity> = BTreeMap::new();
        let looked_at = self
            .scan_live(table, true, Read::ALL, |entity| {
                let place = (index.place(&entity.id, &entity.document), entity.id.clone());
                let matches = query.filter().matches(&entity.document);
                effort.hand_over(matches);
                if matches && place > after {
                    kept.insert(place, entity);
                    if kept.len() > most + 1 {
                        kept.pop_last();
                    }
                }
                Ok(true)
            })
            .await?;
        effort.examined = looked_at;
        let more = kept.len() > most;
        if more {
            kept.pop_last();
        }
        let position = kept.last_key_value().filter(|_| more).map(|((place, id), _)| {
            Position::Native(Native::behind(index, place.clone(), id).to_text())
        });
        let page = Page {
            next: position.map(|position| Cursor::new(collection, query, position)),
            entities: kept.into_values().collect(),
            plan: Plan::Scan,
        };
        Ok((page, effort))
    }

    /// Hands every live entity of a table to `take`, until it wants no more. How
    /// many items DynamoDB looked at.
    async fn scan_live(
        &self,
        table: &Table,
        strong: bool,
        read: Read,
        mut take: impl FnMut(Entity) -> Result<bool>,
    ) -> Result<u64> {
        let page = ScanPage {
            kept: ScannedItems::Live,
            segment: Segment::ALL,
            strong,
            most: read.most,
            count_only: false,
        };
        let (mut start, mut looked_at) = (read.start, 0);
        loop {
            self.check_open("query")?;
            let answer = self.scan_page("query", table, page, start.as_ref()).await?;
            looked_at += u64::try_from(answer.scanned_count).unwrap_or(0);
            for item in answer.items.unwrap_or_default() {
                if let Some(Record::Live(entity)) = record_of(&table.layout, &item)?
                    && !take(entity)?
                {
                    return Ok(looked_at);
                }
            }
            match answer.last_evaluated_key {
                Some(key) => start = Some(key),
                None => return Ok(looked_at),
            }
        }
    }

    /// By an index.
    async fn index_query(
        &self,
        table: &Table,
        collection: &CollectionName,
        query: &Query,
        plan: &IndexPlan<'_>,
        after: Option<(IndexPlace, EntityId)>,
    ) -> Result<(Page, Effort)> {
        let mut selector = Selector::new(collection, query)?;
        let mut effort = Effort::default();
        let mut enough = Enough::new(collection, plan, query)?;
        // Where the index gives the order, a page of it is most of the answer. Another
        // order is made of everything.
        let short = query.order().is_none() || plan.ordered.is_some();
        let reading = match short {
            true => Reading::InOrder { after, most: query.page_size() + 1 },
            false => Reading::Whole,
        };
        let looked_at = self
            .read_index(table, plan, reading, |entity| {
                let matches = query.filter().matches(&entity.document);
                effort.hand_over(matches);
                if matches && enough.reached(&entity) {
                    return Ok(false);
                }
                Ok(!matches || selector.keep(entity))
            })
            .await?;
        effort.examined = looked_at;
        let index = plan.index;
        let page = selector.finish(Plan::Index { name: index.name.clone() }, |last| {
            Native::behind(index, index.place(&last.id, &last.document), &last.id).to_text()
        });
        Ok((page, effort))
    }

    /// How many live entities match.
    pub(crate) async fn count(
        &self,
        table: &Table,
        filter: &Filter,
        consistency: Consistency,
    ) -> Result<u64> {
        let strong = self.is_strong(consistency);
        if filter.is_all() {
            return self.count_all(table, strong).await;
        }
        let mut found = 0;
        let mut count = |entity: Entity| {
            found += u64::from(filter.matches(&entity.document));
            Ok(true)
        };
        match choose(&table.layout, filter, None).filter(|_| !strong) {
            Some(plan) => self.read_index(table, &plan, Reading::Whole, count).await?,
            None => self.scan_live(table, strong, Read::ALL, &mut count).await?,
        };
        Ok(found)
    }

    /// How many live entities there are, without their documents.
    pub(crate) async fn count_all(&self, table: &Table, strong: bool) -> Result<u64> {
        let page = ScanPage {
            kept: ScannedItems::Live,
            segment: Segment::ALL,
            strong,
            most: PAGE_ITEMS,
            count_only: true,
        };
        let (mut found, mut start) = (0, None);
        loop {
            self.check_open("count")?;
            let answer = self.scan_page("count", table, page, start.as_ref()).await?;
            found += u64::try_from(answer.count).unwrap_or(0);
            match answer.last_evaluated_key {
                Some(key) => start = Some(key),
                None => return Ok(found),
            }
        }
    }
}
