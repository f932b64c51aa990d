//! Reading the items of tables of another program: always consistently, since nothing
//! else says that a record was seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::stream;
use repo_core::strategy::{
    ForeignReader, OnUnreadable, PhysicalIdentity, ReadFrom, Record, RecordBatch, RecordStream,
    Segment, did_you_mean, read_ahead, suggestion_before,
};
use repo_core::{
    CollectionName, Consistency, EntityId, Error, ErrorKind, HealthCheck, Result, Timestamp,
};

use super::item::{Unread, record};
use super::search::Tables;
use super::table::ItemTable;
use crate::get::{Asked, KEYS_AT_ONCE};
use crate::identity::holder;
use crate::item::Item;
use crate::scan::{PAGE_ITEMS, ScanPage, ScannedItems};
use crate::shared::Shared;
use crate::tables::is_active;

/// Tables of another program.
#[derive(Debug)]
pub(super) struct Items {
    shared: Arc<Shared>,
    tables: Tables,
    words: String,
    /// When they were opened: no item says when it was changed.
    time: Timestamp,
}

impl Items {
    pub(super) fn new(shared: Arc<Shared>, tables: Tables) -> Self {
        let listed: Vec<String> =
            tables.iter().map(|(name, table)| format!("{name} (table {})", table.name)).collect();
        let words =
            format!("DynamoDB tables of another program, read as version 1: {}", listed.join(", "));
        let time = shared.options.clock.now();
        Self { shared, tables, words, time }
    }

    fn table(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<&Arc<ItemTable>> {
        self.tables.get(collection).ok_or_else(|| self.unknown(operation, collection))
    }
}

/// A table that is gone is none that `prepare` would make.
fn theirs(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.hint("the table was there when it was opened; open it again"),
        _ => error,
    }
}

/// Where a read of a table stands.
enum At {
    Start(Option<Item>),
    After(Item),
    End,
}

/// The next items and where the read stands after them; none at the end only.
async fn next_page(
    shared: &Shared,
    operation: &'static str,
    table: &str,
    page: ScanPage,
    mut at: At,
) -> Result<Option<(Vec<Item>, At)>> {
    loop {
        let start = match &at {
            At::Start(key) => key.as_ref(),
            At::After(key) => Some(key),
            At::End => return Ok(None),
        };
        shared.check_open(operation)?;
        let answer = shared.scan_page_of(operation, table, page, start).await.map_err(theirs)?;
        at = answer.last_evaluated_key.map_or(At::End, At::After);
        match answer.items {
            Some(items) if !items.is_empty() => return Ok(Some((items, at))),
            _ => {}
        }
    }
}

fn page(segment: Segment, most: usize, count_only: bool) -> ScanPage {
    ScanPage { kept: ScannedItems::Records, segment, strong: true, most, count_only }
}

fn batch_of(
    table: &ItemTable,
    time: Timestamp,
    items: &[Item],
    on_unreadable: OnUnreadable,
) -> Result<RecordBatch> {
    let mut batch = RecordBatch::with_capacity(items.len());
    for item in items {
        match record(table, time, item) {
            Ok(record) => batch.records.push(record),
            Err(Unread::WithoutId(error)) => return Err(error),
            Err(Unread::Item(unreadable)) => batch.push(Err(unreadable), on_unreadable)?,
        }
    }
    Ok(batch)
}

#[async_trait]
impl ForeignReader for Items {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn words(&self) -> &str {
        &self.words
    }

    fn collections(&self) -> BTreeMap<CollectionName, u32> {
        let of = |(name, table): (&CollectionName, &Arc<ItemTable>)| {
            (name.clone(), table.schema.schema_version)
        };
        self.tables.iter().map(of).collect()
    }

    fn unknown(&self, operation: &'static str, collection: &CollectionName) -> Error {
        let known = self.tables.keys().map(CollectionName::as_str);
        let meant = did_you_mean(collection.as_str(), known);
        let hint = "a table of another name is named by `table` in the x-repository block of the \
                    collection's schema";
        Error::new(ErrorKind::NotFound, operation, "there is no table for it")
            .with("collection", collection)
            .with("store", &self.shared.location)
            .hint(suggestion_before(meant, hint))
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        self.shared.check_open(operation)
    }

    async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        const OPERATION: &str = "identify the store";
        self.shared.check_open(OPERATION)?;
        let mut found = PhysicalIdentity::new("dynamodb").within("tables");
        for table in self.tables.values() {
            let described = match self.shared.describe(OPERATION, &table.name).await {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
                described => described?,
            };
            match described.as_ref().and_then(holder) {
                Some(holder) => found = found.holds(holder),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    async fn batches(
        &self,
        operation: &'static str,
        collection: &CollectionName,
        from: ReadFrom,
    ) -> Result<RecordStream> {
        let table = Arc::clone(self.table(operation, collection)?);
        let (time, on_unreadable) = (self.time, from.on_unreadable);
        let page = page(from.segment, from.most.min(PAGE_ITEMS), false);
        let start = At::Start(from.after.map(|id| table.key_of(&id)));
        let (shared, of) = (Arc::clone(&self.shared), Arc::clone(&table));
        let pages = stream::try_unfold(start, move |at| {
            let (shared, of) = (Arc::clone(&shared), Arc::clone(&of));
            async move { next_page(&shared, operation, &of.name, page, at).await }
        });
        Ok(read_ahead(pages, move |items: Vec<Item>| batch_of(&table, time, &items, on_unreadable)))
    }

    async fn get(&self, collection: &CollectionName, ids: &[EntityId]) -> Result<Vec<Record>> {
        let table = self.table("get", collection)?;
        let mut seen = HashSet::with_capacity(ids.len());
        let distinct: Vec<&EntityId> = ids.iter().filter(|id| seen.insert(*id)).collect();
        let mut records = Vec::with_capacity(distinct.len());
        for ids in distinct.chunks(KEYS_AT_ONCE) {
            let keys: Vec<Item> = ids.iter().map(|id| table.key_of(id)).collect();
            let scene = self.shared.repeatable("get", &table.name);
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(|source| scene.malformed(source))?;
            let asked = Asked::from([(table.name.clone(), request)]);
            for (_, item) in self.shared.batch_get("get", asked).await.map_err(theirs)? {
                records.push(record(table, self.time, &item)?);
            }
        }
        Ok(records)
    }

    async fn count(&self, collection: &CollectionName, _consistency: Consistency) -> Result<u64> {
        let table = self.table("count", collection)?;
        let page = page(Segment::ALL, PAGE_ITEMS, true);
        let (mut counted, mut start) = (0, None);
        loop {
            self.shared.check_open("count")?;
            let answer = self
                .shared
                .scan_page_of("count", &table.name, page, start.as_ref())
                .await
                .map_err(theirs)?;
            counted += u64::try_from(answer.count).unwrap_or(0);
            match answer.last_evaluated_key {
                Some(key) => start = Some(key),
                None => return Ok(counted),
            }
        }
    }

    async fn health(&self) -> Result<Vec<HealthCheck>> {
        let mut checks = Vec::with_capacity(self.tables.len() + 1);
        for table in self.tables.values() {
            let found = self.shared.describe("health", &table.name).await?;
            let ok = found.as_ref().is_some_and(is_active);
            let detail = match ok {
                true => format!("{} can be read", table.name),
                false => format!("{} is missing or not active", table.name),
            };
            checks.push(HealthCheck::new("table", ok, detail));
        }
        checks.push(HealthCheck::new("tables", true, self.words.clone()));
        Ok(checks)
    }

    async fn close(&self) {
        self.shared.close();
    }
}
