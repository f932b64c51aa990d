//! The mark of an unfinished migration, kept with its target: a run that was
//! killed is repeated by the same command, and no other run gets between.

use std::collections::BTreeSet;

use repo_core::{CollectionName, Error, ErrorKind, MigrationState, Result, StoreUpdate, Timestamp};
use serde::{Deserialize, Serialize};

use super::side::Side;

/// The mark of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    plan: String,
    about: About,
}

/// What the mark says to people, and to a later run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    source: String,
    target: String,
    /// The collections that were named; none when all were meant.
    collections: Option<BTreeSet<CollectionName>>,
    started_at: Timestamp,
    tool_version: String,
}

impl Mark {
    /// The mark of a migration. Two runs have the same plan when they move the
    /// same collections between the same stores. What is to be done with
    /// conflicts is not part of it: every run goes over all records, so it may
    /// be chosen anew, and a run that conflicts stop can always be finished.
    pub(super) fn new(
        source: &Side,
        target: &Side,
        collections: Option<&[CollectionName]>,
        started_at: Timestamp,
    ) -> Result<Self> {
        let collections: Option<BTreeSet<_>> =
            collections.map(|names| names.iter().cloned().collect());
        let plan = serde_json::to_vec(&(1, source.location(), target.location(), &collections))
            .map_err(unwritable)?;
        Ok(Self {
            plan: blake3::hash(&plan).to_hex().to_string(),
            about: About {
                source: source.location().to_owned(),
                target: target.location().to_owned(),
                collections,
                started_at,
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            },
        })
    }

    /// Whether the target carries this mark already.
    ///
    /// # Errors
    /// `Locked` when it carries another.
    pub(super) fn check(&self, stored: Option<&MigrationState>) -> Result<bool> {
        match stored {
            None => Ok(false),
            Some(stored) if stored.plan == self.plan => Ok(true),
            Some(stored) => Err(another(stored, &self.about.target)),
        }
    }

    /// Puts the mark on the target, unless it is there.
    pub(super) async fn set(&self, target: &Side) -> Result<()> {
        if self.check(target.record().await?.migration.as_ref())? {
            return Ok(());
        }
        let progress = serde_json::to_string(&self.about).map_err(unwritable)?;
        let state = Some(MigrationState { plan: self.plan.clone(), progress });
        target.update(StoreUpdate::Migration { expected: None, state }).await?;
        Ok(())
    }

    /// Takes the mark off the target.
    pub(super) async fn clear(&self, target: &Side) -> Result<()> {
        let expected = Some(self.plan.clone());
        target.update(StoreUpdate::Migration { expected, state: None }).await?;
        Ok(())
    }
}

fn another(stored: &MigrationState, target: &str) -> Error {
    let error = Error::new(
        ErrorKind::Locked,
        "migrate",
        "the target carries the mark of another migration, which is unfinished",
    )
    .with("side", "target")
    .with("store", target);
    let Ok(about) = serde_json::from_str::<About>(&stored.progress) else {
        return error
            .with("plan", &stored.plan)
            .hint("finish that migration first, with the version of the tool that began it");
    };
    let collections = about.collections.map(|names| {
        let names: Vec<&str> = names.iter().map(CollectionName::as_str).collect();
        names.join(",")
    });
    let error = error.with("its_source", &about.source).with("begun_at", about.started_at);
    let hint = "finish it first: run it again, from the same source";
    match collections {
        None => error.hint(format!("{hint} and with all its collections")),
        Some(names) => error
            .with("its_collections", &names)
            .hint(format!("{hint} and with --collections {names}")),
    }
}

fn unwritable(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Invalid, "migrate", "the mark of the migration cannot be written")
        .caused_by(source)
}
