//! Whether a store is of the versions that this program declares.

use repo_core::strategy::{JobKind, StorageStrategy, StorageStrategyExt as _, StoreRecord};
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, Result, Schemas};
use serde::Serialize;

/// What the versions of a collection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is of the declared version.
    Current,
    /// It is not there yet; it is made when the server starts.
    Missing,
    /// Its documents have to be upgraded.
    Upgradable,
    /// Its documents are older, and no upgrade leads to the declared version.
    NoWay,
    /// A newer program wrote it.
    Newer,
}

/// A collection in a check.
#[derive(Debug, Clone, Serialize)]
pub struct CollectionCheck {
    /// Its name.
    pub collection: CollectionName,
    /// The version of its documents; `None` where it is missing.
    pub stored: Option<u32>,
    /// The version that this program declares.
    pub declared: u32,
    /// What follows.
    pub state: State,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The store.
    pub store: String,
    /// The layout of the store; `None` for one that was never prepared.
    pub layout: Option<u32>,
    /// The declared collections.
    pub collections: Vec<CollectionCheck>,
    /// A job that has not ended, in words.
    pub unfinished: Option<String>,
    /// Whether the server would start.
    pub ready: bool,
}

impl Check {
    /// Looks at a store, which is only read.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(store: &dyn StorageStrategy, schemas: &Schemas) -> Result<Self> {
        let record = match store.store_record().await {
            Ok(record) => Some(record),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let declared: Vec<CollectionSchema> = schemas.iter().cloned().collect();
        let outdated = store.outdated(&declared).await?;
        let outdated: Vec<_> = outdated.into_iter().map(|(name, _)| name).collect();
        let mut collections = Vec::new();
        for schema in &declared {
            let checked = one(store, record.as_ref(), schema, &outdated).await?;
            collections.push(checked);
        }
        let unfinished = record.as_ref().and_then(unfinished);
        let may = |one: &CollectionCheck| matches!(one.state, State::Current | State::Missing);
        let ready = unfinished.is_none() && collections.iter().all(may);
        let layout = record.map(|record| record.layout_version);
        let store = store.location().to_owned();
        Ok(Self { store, layout, collections, unfinished, ready })
    }

    /// Why the server does not start, with the command that mends it.
    ///
    /// # Errors
    /// `ConfigInvalid` for a version that is not the declared one, `Locked` for a job that has
    /// not ended.
    pub fn refuse(&self) -> Result<()> {
        if let Some(job) = &self.unfinished {
            return Err(Error::new(ErrorKind::Locked, "start", job)
                .with("store", &self.store)
                .hint("upgrades go on with `repo-server schema migrate`; see `repoctl migrate --status` for others"));
        }
        let not = |one: &&CollectionCheck| !matches!(one.state, State::Current | State::Missing);
        let Some(worst) = self.collections.iter().filter(not).max_by_key(|one| one.state as u8)
        else {
            return Ok(());
        };
        let (why, hint) = match worst.state {
            State::Newer => (
                "a newer program wrote this collection",
                "use that program, or bring an older backup back with `repo-server schema restore ARCHIVE`",
            ),
            State::NoWay => (
                "the documents are of an older version, and no upgrade leads to the declared one",
                "declare the upgrades in the schema file, then run `repo-server schema migrate`",
            ),
            _ => (
                "the documents are of an older version",
                "run `repo-server schema migrate`: it backs them up and upgrades them",
            ),
        };
        Err(Error::new(ErrorKind::ConfigInvalid, "start", why)
            .with("store", &self.store)
            .with("collection", &worst.collection)
            .with("stored_version", worst.stored.unwrap_or_default())
            .with("declared_version", worst.declared)
            .hint(hint))
    }

    /// The collections that have to be upgraded.
    pub fn upgradable(&self) -> impl Iterator<Item = &CollectionCheck> {
        self.collections.iter().filter(|one| one.state == State::Upgradable)
    }

    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut table = cli_output::output::table(&["collection", "stored", "declared", ""]);
        for one in &self.collections {
            let word = match one.state {
                State::Current => "ok",
                State::Missing => "will be made",
                State::Upgradable => "TO UPGRADE: `repo-server schema migrate`",
                State::NoWay => "NO UPGRADE IS DECLARED",
                State::Newer => "NEWER THAN THIS PROGRAM",
            };
            let stored = one.stored.map(|stored| stored.to_string()).unwrap_or_default();
            let name = one.collection.to_string();
            table.add_row([name, stored, one.declared.to_string(), word.to_owned()]);
        }
        let layout = self.layout.map_or("none yet".to_owned(), |layout| layout.to_string());
        let job = self.unfinished.as_ref().map(|job| format!("\n{job}")).unwrap_or_default();
        let verdict = if self.ready { "ready" } else { "NOT ready" };
        let table = cli_output::output::draw(&table);
        format!("{table}\nlayout: {layout}{job}\n{} is {verdict}", self.store)
    }
}

async fn one(
    store: &dyn StorageStrategy,
    record: Option<&StoreRecord>,
    schema: &CollectionSchema,
    outdated: &[CollectionName],
) -> Result<CollectionCheck> {
    let name = &schema.collection;
    let stored = record.and_then(|record| record.collections.get(name));
    let stored = stored.map(|state| state.schema_version);
    let declared = schema.schema_version;
    let state = match stored {
        None => State::Missing,
        Some(stored) if stored > declared => State::Newer,
        Some(_) if outdated.contains(name) => State::Upgradable,
        Some(stored) if stored < declared && schema.upgrade_path(stored, declared).is_none() => {
            let all = repo_core::Filter::default();
            match store.count(name, &all, repo_core::Consistency::Strong).await? {
                0 => State::Current,
                _ => State::NoWay,
            }
        }
        Some(_) => State::Current,
    };
    Ok(CollectionCheck { collection: name.clone(), stored, declared, state })
}

fn unfinished(record: &StoreRecord) -> Option<String> {
    let job = record.job.as_ref()?;
    Some(match job.kind() {
        JobKind::Migration => "a migration into the store has not ended".to_owned(),
        JobKind::CleanUp => "a clean-up of the store has not ended".to_owned(),
        JobKind::Upgrade => "an upgrade of a collection has not ended".to_owned(),
        _ => return None,
    })
}
