//! The version of what the service keeps, compared whenever it is opened.

use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{CollectionName, Document, EntityId, Error, ErrorKind, Key, Result};
use serde::{Deserialize, Serialize};

use crate::collections;

/// The version of the collections and records that this library writes and reads.
pub const LAYOUT_VERSION: u32 = 1;

const RECORD: &str = "layout";
const OPEN: &str = "open the service";

#[derive(Serialize, Deserialize)]
struct Layout {
    id: String,
    layout_version: u32,
}

/// Checks that a store has the layout of this library. A store in which there is nothing of a
/// service is made ready, if that is wanted.
pub(crate) async fn check(store: &dyn StorageStrategy, create: bool) -> Result<()> {
    let present = store.collections().await?;
    let ours = |name: &CollectionName| {
        collections::schemas().is_ok_and(|schemas| schemas.declared(name).is_some())
    };
    let has_service = present.iter().any(|name| name.as_str() == collections::SERVICE);
    match if has_service { read(store).await? } else { None } {
        Some(LAYOUT_VERSION) => check_complete(store, create).await,
        Some(found) => Err(other(found)),
        // A killed first opening may have made collections, all of them empty.
        None if create && empty(store, &present, ours).await? => make(store).await,
        None => {
            let message = "the store has no version of the service's data";
            Err(Error::new(ErrorKind::NotFound, OPEN, message)
                .with("store", store.location())
                .with("needed", LAYOUT_VERSION)
                .hint("make it ready with `repo-server schema migrate`, and start again"))
        }
    }
}

fn other(found: u32) -> Error {
    let (message, hint) = if found < LAYOUT_VERSION {
        let hint = "back the store up with `repo-server schema backup`, upgrade it with \
                    `repo-server schema migrate`, and start again";
        ("the data of the service is of an older version", hint)
    } else {
        let hint = "start a newer version of the program, or restore a backup with `repo-server \
                    schema restore`";
        ("the data of the service is of a newer version", hint)
    };
    Error::new(ErrorKind::Unsupported, OPEN, message)
        .with("found", found)
        .with("needed", LAYOUT_VERSION)
        .hint(hint)
}

async fn read(store: &dyn StorageStrategy) -> Result<Option<u32>> {
    let entity = store.get(&name()?, &EntityId::new(RECORD)?).await?;
    let layout: Option<Layout> = entity.map(|entity| entity.document.deserialize()).transpose()?;
    Ok(layout.map(|layout| layout.layout_version))
}

/// Adds indexes that a newer program of the same layout has.
async fn check_complete(store: &dyn StorageStrategy, create: bool) -> Result<()> {
    if create && !store.capabilities().read_only {
        store.prepare_keeping_versions(&collections::declared()?).await?;
    }
    Ok(())
}

/// Whether none of our collections holds a record.
async fn empty(
    store: &dyn StorageStrategy,
    present: &[CollectionName],
    ours: impl Fn(&CollectionName) -> bool,
) -> Result<bool> {
    let query = repo_core::Query::all().limit(1)?.strong();
    for name in present.iter().filter(|name| ours(name)) {
        if !store.query(name, &query).await?.entities.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn make(store: &dyn StorageStrategy) -> Result<()> {
    store.prepare_keeping_versions(&collections::declared()?).await?;
    let layout = Layout { id: RECORD.to_owned(), layout_version: LAYOUT_VERSION };
    let key = Key::new(name()?, EntityId::new(RECORD)?);
    match store.create(key, Document::from_serialize(&layout)?).await {
        // Another process was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match read(store).await? {
            Some(LAYOUT_VERSION) => Ok(()),
            found => Err(other(found.unwrap_or(0))),
        },
        made => made.map(|_| ()),
    }
}

fn name() -> Result<CollectionName> {
    CollectionName::new(collections::SERVICE)
}
