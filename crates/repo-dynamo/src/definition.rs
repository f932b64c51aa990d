//! What the store keeps about itself: one item in a table of its own.

use std::collections::BTreeMap;

use repo_core::{
    CollectionName, CollectionSchema, CollectionState, Error, FieldPath, MigrationState, Result,
    StoreId, StoreRecord,
};
use serde::{Deserialize, Serialize};

use crate::layout::{Index, LAYOUT_VERSION, Layout, table_name};

/// The store's own record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) layout_version: u32,
    /// None in layout 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<StoreId>,
    pub(crate) epoch: u64,
    pub(crate) collections: BTreeMap<CollectionName, CollectionDefinition>,
    pub(crate) migration: Option<MigrationState>,
}

/// One collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CollectionDefinition {
    /// Whether its table was made completely.
    pub(crate) ready: bool,
    pub(crate) id_field: String,
    pub(crate) schema_version: u32,
    pub(crate) floor: u64,
    /// Raised whenever the indexes change.
    pub(crate) generation: u64,
    pub(crate) indexes: Vec<IndexDefinition>,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexDefinition {
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
    pub(crate) state: IndexState,
}

/// How far an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IndexState {
    /// Writes fill it; queries do not use it yet.
    Building,
    /// Queries use it.
    Ready,
    /// Nobody uses it any more; it is still to be removed.
    Dropping,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            layout_version: LAYOUT_VERSION,
            id: None,
            epoch: 0,
            collections: BTreeMap::new(),
            migration: None,
        }
    }
}

impl Definition {
    /// What a new store keeps.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { id: Some(StoreId::random()?), ..Self::default() })
    }

    /// Brings an older layout to the present one, with this id; gives the
    /// layout that it was in.
    pub(crate) fn upgrade(&mut self, id: StoreId) -> Option<u32> {
        let from = std::mem::replace(&mut self.layout_version, LAYOUT_VERSION);
        self.id.get_or_insert(id);
        (from < LAYOUT_VERSION).then_some(from)
    }

    /// As the contract shows it: collections whose table is not there yet are
    /// not prepared.
    pub(crate) fn to_record(&self) -> StoreRecord {
        let ready = self.collections.iter().filter(|(_, collection)| collection.ready);
        StoreRecord {
            layout_version: self.layout_version,
            id: self.id,
            epoch: self.epoch,
            collections: ready
                .map(|(name, collection)| {
                    let CollectionDefinition { schema_version, floor, .. } = *collection;
                    (name.clone(), CollectionState { schema_version, floor })
                })
                .collect(),
            migration: self.migration.clone(),
        }
    }
}

impl CollectionDefinition {
    /// A new collection whose table is still to be made.
    pub(crate) fn new(schema: &CollectionSchema) -> Self {
        let indexes = Index::of_schema(schema);
        Self {
            ready: false,
            id_field: schema.id_name().to_owned(),
            schema_version: schema.schema_version,
            floor: 0,
            generation: 1,
            indexes: indexes.iter().map(IndexDefinition::building).collect(),
        }
    }

    /// How the collection lies in its table.
    ///
    /// # Errors
    /// `Invalid` when a stored path is none.
    pub(crate) fn layout(&self, prefix: &str, name: &CollectionName) -> Result<Layout> {
        let live = self.indexes.iter().filter(|index| index.state != IndexState::Dropping);
        let indexes = live.map(IndexDefinition::index).collect::<Result<Vec<_>>>()?;
        let mut schema = CollectionSchema::undeclared(name.clone());
        schema.id_field = FieldPath::parse(&self.id_field)?;
        schema.schema_version = self.schema_version;
        schema.indexes = indexes.iter().map(|index| index.fields.clone()).collect();
        Ok(Layout { table: table_name(prefix, name), schema, generation: self.generation, indexes })
    }

    /// Takes over a schema: gained indexes are to be built, lost ones to be
    /// dropped. Returns whether anything changed.
    pub(crate) fn adopt(&mut self, schema: &CollectionSchema) -> bool {
        let before = self.clone();
        self.schema_version = schema.schema_version;
        let wanted = Index::of_schema(schema);
        let is_wanted = |index: &IndexDefinition| wanted.iter().any(|w| w.name == index.name);
        let mut indexes_changed = false;
        for index in &mut self.indexes {
            let state = match (is_wanted(index), index.state) {
                (false, _) => IndexState::Dropping,
                (true, IndexState::Dropping) => IndexState::Building,
                (true, state) => state,
            };
            indexes_changed |= state != index.state;
            index.state = state;
        }
        for index in wanted {
            if !self.indexes.iter().any(|known| known.name == index.name) {
                self.indexes.push(IndexDefinition::building(&index));
                indexes_changed = true;
            }
        }
        self.generation += u64::from(indexes_changed);
        *self != before
    }

    /// Whether an index is still to be built or dropped.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.indexes.iter().any(|index| index.state != IndexState::Ready)
    }

    /// Every index is as it should be.
    pub(crate) fn finish(&mut self) {
        self.indexes.retain(|index| index.state != IndexState::Dropping);
        for index in &mut self.indexes {
            index.state = IndexState::Ready;
        }
    }
}

impl IndexDefinition {
    fn building(index: &Index) -> Self {
        Self {
            name: index.name.clone(),
            fields: index.fields.iter().map(ToString::to_string).collect(),
            state: IndexState::Building,
        }
    }

    fn index(&self) -> Result<Index> {
        let fields = self.fields.iter().map(|field| FieldPath::parse(field));
        let fields = fields.collect::<Result<Vec<_>, Error>>()?;
        Ok(Index::named(self.name.clone(), fields, self.state == IndexState::Ready))
    }
}
