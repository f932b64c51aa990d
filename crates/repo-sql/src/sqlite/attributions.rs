//! Who wrote versions, and why.

use repo_core::strategy::Applied;
use repo_core::{Attribution, CollectionName, EntityId, Key, Result, Version};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::jobs::Transaction;
use super::rows::damaged_record;
use super::shared::Shared;
use crate::errors;
use crate::layout::LAYOUT_WITH_CHANGES;
use crate::names::{ATTRIBUTIONS_TABLE, STORE_TABLE, quote};

/// Keeps who wrote a version, where the history of its collection is kept.
pub(super) fn keep(
    shared: &Shared,
    transaction: &Transaction<'_>,
    key: &Key,
    version: Version,
    of: &Attribution,
) -> Result<()> {
    if transaction.catalog.layout < LAYOUT_WITH_CHANGES {
        return Ok(());
    }
    let sql = format!(
        "INSERT OR REPLACE INTO {} (\"collection\", \"id\", \"version\", \"author\", \"reason\") \
         SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE EXISTS (SELECT 1 FROM {}, json_each(\"history\") WHERE json_each.\"key\" = ?1)",
        quote(ATTRIBUTIONS_TABLE),
        quote(STORE_TABLE)
    );
    let (collection, id) = (key.collection.as_str(), key.id.as_str());
    let values = params![collection, id, version.as_i64(), of.author(), of.reason()];
    transaction
        .connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute(values))
        .map(drop)
        .map_err(|source| errors::sqlite("commit", shared.file(), source))
}

/// What is kept of one collection.
pub(super) struct Attributions<'a> {
    pub(super) shared: &'a Shared,
    pub(super) connection: &'a Connection,
    pub(super) collection: &'a CollectionName,
    pub(super) operation: &'static str,
}

impl Attributions<'_> {
    pub(super) fn get(&self, id: &EntityId, version: Version) -> Result<Option<Attribution>> {
        let sql = format!(
            "SELECT \"author\", \"reason\" FROM {} \
             WHERE \"collection\" = ?1 AND \"id\" = ?2 AND \"version\" = ?3",
            quote(ATTRIBUTIONS_TABLE)
        );
        let read = |row: &Row<'_>| {
            let text = |at| row.get::<_, Option<String>>(at);
            Ok((text(0)?, text(1)?))
        };
        let found = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| {
                let of = params![self.collection.as_str(), id.as_str(), version.as_i64()];
                statement.query_row(of, read).optional()
            })
            .map_err(|source| errors::sqlite(self.operation, self.shared.file(), source))?;
        found
            .map(|(author, reason)| Attribution::new(author.as_deref(), reason.as_deref()))
            .transpose()
            .map_err(|error| damaged_record(&Key::new(self.collection.clone(), id.clone()), error))
    }

    pub(super) fn add(&self, id: &EntityId, version: Version, of: &Attribution) -> Result<Applied> {
        match self.get(id, version)? {
            Some(stored) if stored == *of => return Ok(Applied::Equal),
            Some(_) => return Ok(Applied::Diverged),
            None => {}
        }
        let sql = format!(
            "INSERT INTO {} (\"collection\", \"id\", \"version\", \"author\", \"reason\") \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            quote(ATTRIBUTIONS_TABLE)
        );
        let (collection, id) = (self.collection.as_str(), id.as_str());
        self.run(&sql, params![collection, id, version.as_i64(), of.author(), of.reason()])?;
        Ok(Applied::Applied)
    }

    pub(super) fn remove(&self, id: &EntityId, version: Version) -> Result<()> {
        let sql = format!(
            "DELETE FROM {} WHERE \"collection\" = ?1 AND \"id\" = ?2 AND \"version\" = ?3",
            quote(ATTRIBUTIONS_TABLE)
        );
        self.run(&sql, params![self.collection.as_str(), id.as_str(), version.as_i64()])
    }

    pub(super) fn remove_all(&self) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE \"collection\" = ?1", quote(ATTRIBUTIONS_TABLE));
        self.run(&sql, params![self.collection.as_str()])
    }

    fn run(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map(drop)
            .map_err(|source| errors::sqlite(self.operation, self.shared.file(), source))
    }
}
