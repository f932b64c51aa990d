//! What the store keeps about itself: one item in a table of its own.

use std::collections::BTreeMap;

use repo_core::strategy::{
    Capture, CollectionState, HistoryState, RoleState, StoreId, StoreRecord, UnfinishedJob,
};
use repo_core::{CollectionName, CollectionSchema, Error, FieldPath, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::layout::{Index, LAYOUT_VERSION, Layout, table_name};

/// The store's own record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) layout_version: u32,
    /// None in layout 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<StoreId>,
    /// What it was before there were roles.
    epoch: u64,
    /// Whether programs may write to the store.
    #[serde(default, skip_serializing_if = "RoleState::is_unused")]
    pub(crate) role: RoleState,
    pub(crate) collections: BTreeMap<CollectionName, CollectionDefinition>,
    #[serde(rename = "migration")]
    pub(crate) job: Option<UnfinishedJob>,
    /// Collections that are being loaded: not under `collections` as well, so
    /// nobody but the handle with the token uses them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) loads: BTreeMap<CollectionName, LoadDefinition>,
    /// Who needs the changes; none before layout 3.
    #[serde(default, skip_serializing_if = "Capture::is_unused")]
    pub(crate) capture: Capture,
    /// Of the captured changes; it is there before their table is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) feed: Option<FeedDefinition>,
    /// Of the histories; it is there before the table of older versions is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) histories: Option<Histories>,
}

/// Of which collections the history is kept, and what is left of earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Histories {
    pub(crate) kept: BTreeMap<CollectionName, KeptHistory>,
    /// The number of the history that began last.
    pub(crate) last: u64,
    /// How many histories have ended.
    pub(crate) ended: u64,
    /// Of how many of these nothing is left.
    pub(crate) removed: u64,
}

/// The history of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptHistory {
    /// Its own in this store.
    pub(crate) number: u64,
    /// Whether every writer knows of it.
    pub(crate) settled: bool,
    pub(crate) state: HistoryState,
}

/// What is known of the captured changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct FeedDefinition {
    /// The last generation of which every writer knows.
    pub(crate) settled: u64,
    /// The oldest generation of which something may be left.
    pub(crate) oldest: u64,
    /// Up to where the changes of this generation were removed, by shard.
    pub(crate) trimmed: Vec<u64>,
}

/// A collection that is being loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadDefinition {
    pub(crate) definition: CollectionDefinition,
    /// Of the handle that loads it.
    pub(crate) token: StoreId,
    /// The latest time that its requests are signed with.
    pub(crate) renewed_at: Timestamp,
    /// Counts the renewals: the time may be the same after one.
    pub(crate) renewals: u64,
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
            role: RoleState::default(),
            collections: BTreeMap::new(),
            job: None,
            loads: BTreeMap::new(),
            capture: Capture::default(),
            feed: None,
            histories: None,
        }
    }
}

impl Definition {
    /// What a new store keeps.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { id: Some(StoreId::random()?), ..Self::default() })
    }

    /// A collection, prepared or being loaded.
    pub(crate) fn collection(&self, name: &CollectionName) -> Option<&CollectionDefinition> {
        let loaded = || self.loads.get(name).map(|load| &load.definition);
        self.collections.get(name).or_else(loaded)
    }

    /// Brings an older layout to the present one, with this id; gives the
    /// layout that it was in.
    pub(crate) fn upgrade(&mut self, id: StoreId) -> Option<u32> {
        let from = std::mem::replace(&mut self.layout_version, LAYOUT_VERSION);
        self.id.get_or_insert(id);
        (from < LAYOUT_VERSION).then_some(from)
    }

    /// As the contract shows it: collections whose table is not there yet are
    /// not prepared, and those that are being loaded only to their `owner`.
    pub(crate) fn to_record(&self, owner: impl Fn(&CollectionName) -> bool) -> StoreRecord {
        let state = |collection: &CollectionDefinition| {
            CollectionState::new(collection.schema_version, collection.floor)
        };
        let (mut collections, mut loading) = (BTreeMap::new(), BTreeMap::new());
        for (name, collection) in self.collections.iter().filter(|(_, c)| c.ready) {
            collections.insert(name.clone(), state(collection));
        }
        for (name, load) in &self.loads {
            let shown = if owner(name) { &mut collections } else { &mut loading };
            shown.insert(name.clone(), state(&load.definition));
        }
        StoreRecord::new(self.layout_version)
            .with_id(self.id)
            .with_role(self.role.clone())
            .with_collections(collections)
            .with_job(self.job.clone())
            .with_loading(loading)
            .with_capture(self.capture.clone())
            .with_history(self.settled_histories())
    }

    fn settled_histories(&self) -> BTreeMap<CollectionName, HistoryState> {
        let kept = self.histories.iter().flat_map(|histories| &histories.kept);
        let settled = kept.filter(|(_, kept)| kept.settled);
        settled.map(|(name, kept)| (name.clone(), kept.state)).collect()
    }

    /// The history of a collection, one that begins included.
    pub(crate) fn history(&self, name: &CollectionName) -> Option<&KeptHistory> {
        self.histories.as_ref()?.kept.get(name)
    }

    /// The generation that writes are captured in, `None` while they are not.
    pub(crate) fn captures(&self) -> Option<u64> {
        self.capture.is_on().then_some(self.capture.generation)
    }
}

impl LoadDefinition {
    /// A load that begins.
    pub(crate) fn new(definition: CollectionDefinition, token: StoreId, at: Timestamp) -> Self {
        Self { definition, token, renewed_at: at, renewals: 0 }
    }

    /// Its requests are signed with this time from now on.
    pub(crate) fn renew(&mut self, at: Timestamp) {
        // A clock that goes back must not hide what was signed before.
        self.renewed_at = self.renewed_at.max(at);
        self.renewals = self.renewals.saturating_add(1);
    }

    /// Whether it was renewed or begun anew since it was seen as `seen`.
    pub(crate) fn differs(&self, seen: &Self) -> bool {
        (self.token, self.renewals) != (seen.token, seen.renewals)
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

#[cfg(test)]
mod tests {
    use repo_core::strategy::JobKind;

    use super::*;

    /// As programs of every version read and write it.
    #[test]
    fn an_unfinished_job_keeps_its_bytes() {
        let text = r#"{"layout_version":2,"epoch":0,"collections":{},"migration":{"plan":"clean-up:0123","progress":"{\"format\":1}"}}"#;
        let definition: Definition = serde_json::from_str(text).unwrap();
        let job = definition.job.as_ref().unwrap();
        assert_eq!((job.kind(), job.progress()), (JobKind::CleanUp, "{\"format\":1}"));
        assert_eq!(serde_json::to_string(&definition).unwrap(), text);
        let none = serde_json::to_string(&Definition { job: None, ..definition }).unwrap();
        assert!(none.ends_with(r#""migration":null}"#), "{none}");
    }

    /// An older program reads the record of a store without a load.
    #[test]
    fn a_record_without_a_load_names_none() {
        let mut definition = Definition::new().unwrap();
        let plain = serde_json::to_string(&definition).unwrap();
        assert!(!plain.contains("loads"), "{plain}");
        assert_eq!(serde_json::from_str::<Definition>(&plain).unwrap(), definition);

        let name = CollectionName::new("items").unwrap();
        let new = CollectionDefinition::new(&CollectionSchema::undeclared(name.clone()));
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let load = LoadDefinition::new(new, StoreId::random().unwrap(), at(7));
        definition.loads.insert(name.clone(), load.clone());
        let loading = serde_json::to_string(&definition).unwrap();
        assert_eq!(serde_json::from_str::<Definition>(&loading).unwrap(), definition);
        assert!(definition.to_record(|_| false).collections.is_empty());
        assert!(definition.to_record(|_| true).collections.contains_key(&name));

        // By a clock that went back.
        let mut renewed = load.clone();
        renewed.renew(at(3));
        assert!(renewed.differs(&load) && !load.differs(&load));
        assert_eq!(renewed.renewed_at, at(7));
    }
}
