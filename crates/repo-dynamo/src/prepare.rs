//! `prepare`: the store's own table, a table for each collection, its indexes.
//!
//! A change of the indexes of a filled collection goes in steps, so that no
//! item is missing from an index that queries use:
//! 1. the store's record says that the index is being built, under a new
//!    generation: a handle that has read it fills the index with each write;
//! 2. after a lease no handle begins a write by the old generation any more,
//!    and one that is still at such a write repairs it itself (see `settle`);
//! 3. every live item of an older generation gets its strings;
//! 4. DynamoDB makes the index; what was written meanwhile is looked at again;
//! 5. the store's record says that queries may use it.
//!
//! A run that was killed is finished by the next one. One gap remains: an item
//! is missing from a new index if its writer was killed in the seconds after a
//! write that DynamoDB held back for as long as the whole change took.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{
    PrepareChange, Prepared, Record, Segment, StoreId, check_distinct_collections,
};
use repo_core::{CollectionSchema, Entity, Error, ErrorKind, Result};

use crate::cache::{LEASE, Table};
use crate::catalog::Revised;
use crate::definition::{CollectionDefinition, Definition, IndexState};
use crate::item::{self, check_size, index_attributes, number, record_of, text};
use crate::layout::{
    CREATED, GENERATION, Index, Layout, MAX_INDEXES, STORE_KEY, VERSION, id_name_conflict,
    table_name,
};
use crate::retry::patiently;
use crate::scan::{PAGE_ITEMS, ScanPage, ScannedItems};
use crate::settle::MARGIN;
use crate::shared::Shared;
use crate::single::Terms;
use crate::tables::{has_index, is_active};

/// Requests under way at the same time.
const REQUESTS_AT_ONCE: usize = 32;

impl Shared {
    /// Makes what the collections need.
    pub(crate) async fn prepare(&self, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        self.check_writable("prepare")?;
        let _preparing = self.preparing.lock().await;
        self.refuse_foreign(schemas).await?;
        self.prepare_store().await?;
        self.end_own_loads(schemas).await?;
        self.end_unbegun_loads(schemas).await?;
        self.take_over_loads(schemas).await?;
        let mut prepared = Vec::with_capacity(schemas.len());
        for schema in schemas {
            let change = self.prepare_collection(schema).await?;
            prepared.push(Prepared::new(schema.collection.clone(), change));
        }
        Ok(prepared)
    }

    /// Brings a store of an older layout to the present one.
    pub(crate) async fn upgrade_layout(&self) -> Result<Option<u32>> {
        self.check_writable("upgrade the layout")?;
        let id = StoreId::random()?;
        let mut from = None;
        let upgrade = |definition: &mut Definition| {
            from = definition.upgrade(id);
            Ok(())
        };
        self.change_definition("upgrade the layout", upgrade).await?;
        Ok(from)
    }

    /// Whether [`prepare`](Self::prepare) would do its work; changes nothing.
    ///
    /// # Errors
    /// As `prepare`.
    pub(crate) async fn check_prepare(&self, schemas: &[CollectionSchema]) -> Result<()> {
        self.check_open("prepare")?;
        let lacks_tables = self.refuse_foreign(schemas).await?;
        if lacks_tables { self.check_may_create().await } else { Ok(()) }
    }

    /// Refuses what is not ours in the place of a table, before anything is
    /// made. Whether a table is still to be made.
    pub(crate) async fn refuse_foreign(&self, schemas: &[CollectionSchema]) -> Result<bool> {
        check_distinct_collections(schemas)?;
        schemas.iter().try_for_each(check_schema)?;
        let mut lacks_tables = false;
        let store = self.describe("prepare", &self.store_table).await?;
        let mut definition = None;
        match &store {
            None => lacks_tables = true,
            Some(found) => {
                self.check_key(found, &self.store_table, STORE_KEY)?;
                if is_active(found) {
                    definition = self.own_definition().await?;
                }
            }
        }
        for schema in schemas {
            let table = table_name(&self.settings.table_prefix, &schema.collection);
            let known = definition
                .as_ref()
                .and_then(|found| found.definition.collection(&schema.collection));
            if let Some(known) = known {
                adopt(&mut known.clone(), schema)?;
            }
            match self.describe("prepare", &table).await? {
                None => lacks_tables = true,
                Some(found) => {
                    self.check_key(&found, &table, schema.id_name())?;
                    // Somebody may be making the store at this moment.
                    if known.is_none() && !self.is_prepared_by_now(schema).await? {
                        return Err(self.foreign("prepare", &table));
                    }
                }
            }
        }
        Ok(lacks_tables)
    }

    async fn is_prepared_by_now(&self, schema: &CollectionSchema) -> Result<bool> {
        let found = self.read_definition("prepare").await?;
        Ok(found.is_some_and(|found| found.definition.collection(&schema.collection).is_some()))
    }

    /// The store's own table and the record in it.
    pub(crate) async fn prepare_store(&self) -> Result<()> {
        let table = &self.store_table;
        match self.describe("prepare", table).await? {
            Some(found) => {
                self.check_key(&found, table, STORE_KEY)?;
                self.wait_for(table, is_active).await?;
            }
            None => drop(self.create_table(table, STORE_KEY, &[]).await?),
        }
        if self.own_definition().await?.is_some() {
            return Ok(());
        }
        // If another handle was faster, its record is as good.
        self.write_definition("prepare", &Definition::new()?, None).await.map(drop)
    }

    /// The store's own record in its table, which is there; `None` where that is empty.
    ///
    /// # Errors
    /// `Foreign` for a table that holds something else.
    async fn own_definition(&self) -> Result<Option<Revised>> {
        let found = self.read_definition("prepare").await?;
        if found.is_some() || self.is_empty(&self.store_table).await? {
            return Ok(found);
        }
        // Somebody else may have written ours between the two looks.
        let found = self.read_definition("prepare").await?;
        found.map_or_else(
            || Err(self.foreign("prepare", &self.store_table)),
            |found| Ok(Some(found)),
        )
    }

    async fn is_empty(&self, table: &str) -> Result<bool> {
        let scene = self.repeatable("prepare", table);
        let answer = patiently(self.patience, || async {
            let request = self.client.scan().table_name(table).limit(1).consistent_read(true);
            request.send().await.map_err(|error| scene.failure(&error))
        });
        Ok(answer.await?.count == 0)
    }

    pub(crate) async fn prepare_collection(
        &self,
        schema: &CollectionSchema,
    ) -> Result<PrepareChange> {
        let name = &schema.collection;
        let table = table_name(&self.settings.table_prefix, name);
        let found = self.describe("prepare", &table).await?;
        if let Some(found) = &found {
            let known = self.read_definition("prepare").await?;
            let known = known.as_ref().and_then(|known| known.definition.collections.get(name));
            known.map_or(Ok(()), |known| refuse_other_id_field(known, schema))?;
            self.check_key(found, &table, schema.id_name())?;
        }
        let mut changed = false;
        let definition = self
            .change_definition("prepare", |definition| {
                changed = match definition.collections.get_mut(name) {
                    Some(known) => adopt(known, schema)?,
                    None if found.is_some() => return Err(self.foreign("prepare", &table)),
                    None => {
                        let new = CollectionDefinition::new(schema);
                        definition.collections.insert(name.clone(), new);
                        true
                    }
                };
                if !changed {
                    return Ok(());
                }
                let works_for = self.options.works_for;
                definition.role.check_rebuild("prepare", &self.location, works_for)
            })
            .await?;
        let Some(collection) = definition.collections.get(name) else {
            return Err(self.unknown("prepare", name));
        };
        if found.is_none() || !collection.ready {
            self.make_collection(collection, schema).await?;
            return Ok(PrepareChange::Created);
        }
        if collection.is_unfinished() {
            self.change_indexes(collection, schema).await?;
            return Ok(PrepareChange::Updated);
        }
        Ok(if changed { PrepareChange::Updated } else { PrepareChange::Unchanged })
    }

    /// Makes the table of a collection with all of its indexes.
    async fn make_collection(
        &self,
        collection: &CollectionDefinition,
        schema: &CollectionSchema,
    ) -> Result<()> {
        let layout = collection.layout(&self.settings.table_prefix, &schema.collection)?;
        self.create_table(&layout.table, layout.id_name(), &layout.indexes).await?;
        // One that an earlier run made may be of an earlier schema.
        self.make_indexes(&layout).await?;
        self.finish(schema).await
    }

    /// Makes the indexes that the table lacks.
    async fn make_indexes(&self, layout: &Layout) -> Result<()> {
        for index in layout.indexes.iter().filter(|index| !index.ready) {
            let found = self.describe("prepare", &layout.table).await?;
            if !found.is_some_and(|found| has_index(&found, &index.name)) {
                self.create_index(&layout.table, index).await?;
            }
        }
        Ok(())
    }

    /// Says that everything is as the schema wants it.
    async fn finish(&self, schema: &CollectionSchema) -> Result<()> {
        self.change_definition("prepare", |definition| {
            if let Some(known) = definition.collections.get_mut(&schema.collection) {
                known.ready = true;
                known.finish();
            }
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Builds and drops indexes of a collection that may be filled.
    async fn change_indexes(
        &self,
        collection: &CollectionDefinition,
        schema: &CollectionSchema,
    ) -> Result<()> {
        let layout = collection.layout(&self.settings.table_prefix, &schema.collection)?;
        tokio::time::sleep(LEASE + MARGIN).await;
        // First, since a table has room for so many only.
        for index in collection.indexes.iter().filter(|i| i.state == IndexState::Dropping) {
            let found = self.describe("prepare", &layout.table).await?;
            if found.is_some_and(|found| has_index(&found, &index.name)) {
                self.drop_index(&layout.table, &index.name).await?;
            }
        }
        if layout.indexes.iter().any(|index| !index.ready) {
            self.fill_indexes(&layout).await?;
            self.make_indexes(&layout).await?;
            self.fill_indexes(&layout).await?;
        }
        self.finish(schema).await
    }

    /// Gives every live item of an older generation its derived strings.
    async fn fill_indexes(&self, layout: &Layout) -> Result<()> {
        let table = Table::unrecorded(layout.clone());
        let page = ScanPage {
            kept: ScannedItems::Live,
            segment: Segment::ALL,
            strong: true,
            most: PAGE_ITEMS,
            count_only: false,
        };
        let mut start = None;
        loop {
            let answer = self.scan_page("prepare", &table, page, start.as_ref()).await?;
            let mut old = Vec::new();
            for item in answer.items.unwrap_or_default() {
                if item::generation(&item) < layout.generation
                    && let Some(Record::Live(entity)) = record_of(layout, &item)?
                {
                    old.push(entity);
                }
            }
            let filled = stream::iter(old.into_iter().map(|entity| self.fill_one(layout, entity)));
            filled.buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
            match answer.last_evaluated_key {
                Some(key) => start = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// Sets the derived strings of an entity that is still of this version; a
    /// newer one has them from its writer.
    pub(crate) async fn fill_one(&self, layout: &Layout, entity: Entity) -> Result<()> {
        check_size("prepare", layout, &entity.id, &entity.document)?;
        let mut terms = Terms::default();
        let mut sets = Vec::new();
        let derived = index_attributes(layout, &entity.id, &entity.document);
        let derived = derived.into_iter().map(|(name, value)| (name, text(value)));
        for (name, value) in derived.chain([(GENERATION.to_owned(), number(layout.generation))]) {
            sets.push(format!("{} = {}", terms.name(&name), terms.value(value)));
        }
        let condition = format!(
            "attribute_exists({}) AND {} = {} AND {}",
            terms.name(CREATED),
            terms.name(VERSION),
            terms.value(number(entity.version)),
            terms.knows_indexes(layout.generation)
        );
        let update = format!("SET {}", sets.join(", "));
        let scene = self.repeatable("prepare", &layout.table);
        patiently(self.patience, || async {
            let request = self
                .client
                .update_item()
                .table_name(&layout.table)
                .set_key(Some(item::key(layout, &entity.id)))
                .update_expression(&update)
                .condition_expression(&condition)
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values());
            match request.send().await {
                Ok(_) => Ok(()),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                    _ => Err(scene.failure(&error)),
                },
            }
        })
        .await
    }
}

/// Takes over the schema; whether it changed anything.
pub(crate) fn adopt(known: &mut CollectionDefinition, schema: &CollectionSchema) -> Result<bool> {
    refuse_other_id_field(known, schema)?;
    Ok(known.adopt(schema))
}

fn refuse_other_id_field(known: &CollectionDefinition, schema: &CollectionSchema) -> Result<()> {
    if known.id_field != schema.id_name() {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "prepare",
            "the collection was prepared with another id field",
        )
        .with("collection", &schema.collection)
        .with("prepared", &known.id_field)
        .with("declared", schema.id_name())
        .hint("the id field is the key of the table; migrate into a store of another prefix"));
    }
    Ok(())
}

/// Refuses what DynamoDB cannot hold, before anything is made.
fn check_schema(schema: &CollectionSchema) -> Result<()> {
    let indexes = Index::of_schema(schema);
    if indexes.len() > MAX_INDEXES {
        let why = "a table has at most 20 indexes in DynamoDB";
        return Err(Error::new(ErrorKind::LimitExceeded, "prepare", why)
            .with("collection", &schema.collection)
            .with("indexes", indexes.len())
            .hint("declare fewer indexes in the schema of the collection"));
    }
    match id_name_conflict(schema.id_name(), &indexes) {
        None => Ok(()),
        Some(why) => Err(Error::new(ErrorKind::Unsupported, "prepare", why)
            .with("collection", &schema.collection)
            .with("id field", schema.id_name())),
    }
}
