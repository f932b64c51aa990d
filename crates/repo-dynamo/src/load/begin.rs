//! `prepare_for_load`: a collection that is not there yet begins as a load.

use repo_core::strategy::{PrepareChange, Prepared};
use repo_core::{CollectionName, CollectionSchema, Result};

use crate::definition::{CollectionDefinition, LoadDefinition};
use crate::layout::{Layout, table_name};
use crate::load::session::Session;
use crate::load::signing::now;
use crate::shared::Shared;

impl Shared {
    /// Makes what the collections need. One that is not there yet is loaded by
    /// this handle from now on.
    pub(crate) async fn prepare_for_load(
        &self,
        schemas: &[CollectionSchema],
    ) -> Result<Vec<Prepared>> {
        self.check_writable("prepare")?;
        let _preparing = self.preparing.lock().await;
        self.refuse_foreign(schemas).await?;
        self.prepare_store().await?;
        self.end_unbegun_loads(schemas).await?;
        self.take_over_loads(schemas).await?;
        let mut prepared = Vec::with_capacity(schemas.len());
        for schema in schemas {
            let change = self.prepare_one_for_load(schema).await?;
            prepared.push(Prepared::new(schema.collection.clone(), change));
        }
        Ok(prepared)
    }

    async fn prepare_one_for_load(&self, schema: &CollectionSchema) -> Result<PrepareChange> {
        let name = &schema.collection;
        if self.loaded_table(name).await.is_some() {
            if self.is_loaded_as(schema).await? {
                return Ok(PrepareChange::Unchanged);
            }
            self.end_own_load("prepare", name).await?;
            return self.prepare_collection(schema).await;
        }
        let table = table_name(&self.settings.table_prefix, name);
        if self.describe("prepare", &table).await?.is_none() && self.begin_load(schema).await? {
            return Ok(PrepareChange::Created);
        }
        self.prepare_collection(schema).await
    }

    /// Whether the load of this handle was begun with the same schema.
    async fn is_loaded_as(&self, schema: &CollectionSchema) -> Result<bool> {
        let Some(mut found) = self.read_definition("prepare").await? else { return Ok(false) };
        let own = self.own_collection(&mut found.definition, &schema.collection);
        Ok(match own {
            Some(known) => !crate::prepare::adopt(known, schema)?,
            None => false,
        })
    }

    /// Begins a load. False when another handle was faster: then the collection
    /// is an ordinary one.
    async fn begin_load(&self, schema: &CollectionSchema) -> Result<bool> {
        let name = &schema.collection;
        let session = self.loading_session().await?;
        let mut begun = false;
        self.change_again("prepare", |definition| {
            begun = session.owns(definition, name);
            // What `BatchWriteItem` writes cannot be captured.
            let free = definition.collection(name).is_none() && !definition.capture.is_on();
            if free {
                let new = CollectionDefinition::new(schema);
                let load = LoadDefinition::new(new, session.token, now());
                definition.loads.insert(name.clone(), load);
                begun = true;
            }
            Ok(())
        })
        .await?;
        if !begun {
            self.take_over_loads(std::slice::from_ref(schema)).await?;
            return Ok(false);
        }
        let new = CollectionDefinition::new(schema);
        let layout = new.layout(&self.settings.table_prefix, name)?;
        let made = self.create_table(&layout.table, layout.id_name(), &layout.indexes).await?;
        if !made {
            // It may hold what others put there.
            self.promote("prepare", session, std::slice::from_ref(name)).await?;
            return Ok(false);
        }
        self.confirm_load(session, name).await?;
        Ok(true)
    }

    /// The table is there and empty: from now on it is written to.
    async fn confirm_load(&self, session: &Session, name: &CollectionName) -> Result<()> {
        let mut layout: Option<Layout> = None;
        self.change_again("prepare", |definition| {
            if !session.owns(definition, name) {
                return Err(self.taken_over("prepare", name));
            }
            if let Some(load) = definition.loads.get_mut(name) {
                load.definition.ready = true;
                load.definition.finish();
                layout = Some(load.definition.layout(&self.settings.table_prefix, name)?);
            }
            Ok(())
        })
        .await?;
        let Some(layout) = layout else { return Err(self.taken_over("prepare", name)) };
        session.insert(name.clone(), layout).await;
        Ok(())
    }
}
