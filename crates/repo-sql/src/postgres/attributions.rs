//! Who wrote versions, and why.

use std::collections::HashMap;

use repo_core::strategy::{Applied, VersionWrite};
use repo_core::{Attribution, CollectionName, EntityId, Key, Result, Version, Write, Written};

use super::rows::{PgRow, damaged_record, id_at, optional_text_at, version_at};
use super::statement::{SqlValue, Statement};
use crate::dialect::MARK;
use crate::names::{ATTRIBUTIONS_TABLE, STORE_TABLE, quote};

const COLUMNS: &str = "\"collection\", \"id\", \"version\", \"author\", \"reason\"";

/// Versions and who wrote them; without an author or a reason the text is empty.
#[derive(Default)]
struct Rows {
    collections: Vec<String>,
    ids: Vec<String>,
    versions: Vec<i64>,
    authors: Vec<String>,
    reasons: Vec<String>,
}

impl Rows {
    fn push(
        &mut self,
        collection: &CollectionName,
        id: &EntityId,
        version: Version,
        of: &Attribution,
    ) {
        self.collections.push(collection.to_string());
        self.ids.push(id.to_string());
        self.versions.push(version.as_i64());
        self.authors.push(of.author().unwrap_or_default().to_owned());
        self.reasons.push(of.reason().unwrap_or_default().to_owned());
    }

    fn into_values(self) -> [SqlValue; 5] {
        [
            SqlValue::Texts(self.collections),
            SqlValue::Texts(self.ids),
            SqlValue::Numbers(self.versions),
            SqlValue::Texts(self.authors),
            SqlValue::Texts(self.reasons),
        ]
    }
}

/// What inserts rows with the values of [`Rows`], from `o`.
fn insert() -> String {
    format!(
        "INSERT INTO {} ({COLUMNS}) SELECT o.\"collection\", o.\"id\", o.\"version\", \
         nullif(o.\"author\", ''), nullif(o.\"reason\", '') FROM unnest({MARK}1{MARK}, \
         {MARK}2{MARK}, {MARK}3{MARK}, {MARK}4{MARK}, {MARK}5{MARK}) AS o({COLUMNS})",
        quote(ATTRIBUTIONS_TABLE)
    )
}

/// What keeps who made the versions of a commit, where histories are kept. It stands
/// behind the writes: whoever ends a history waits for these.
pub(super) fn keep<'w>(
    written: impl Iterator<Item = (&'w Write, &'w Written)>,
) -> Option<Statement> {
    let mut rows = Rows::default();
    for (write, written) in written {
        let version = match written {
            Written::Put { version, .. } | Written::Deleted { version, .. } => *version,
            Written::Unchanged => continue,
        };
        if let Some(of) = &write.attribution {
            rows.push(&write.key.collection, &write.key.id, version, of);
        }
    }
    let sql = format!(
        "{} WHERE EXISTS (SELECT 1 FROM {} AS s \
         WHERE s.\"history\"::jsonb -> o.\"collection\" IS NOT NULL) \
         ON CONFLICT (\"collection\", \"id\", \"version\") DO UPDATE \
         SET \"author\" = excluded.\"author\", \"reason\" = excluded.\"reason\"",
        insert(),
        quote(STORE_TABLE)
    );
    (!rows.ids.is_empty()).then(|| Statement::made(sql, rows.into_values()))
}

/// Those of some versions.
pub(super) fn select<'v>(
    collection: &CollectionName,
    of: impl Iterator<Item = (&'v EntityId, Version)>,
) -> Statement {
    let (ids, versions) = of.map(|(id, version)| (id.to_string(), version.as_i64())).unzip();
    let sql = format!(
        "SELECT a.\"id\", a.\"version\", a.\"author\", a.\"reason\" FROM {} AS a \
         JOIN unnest({MARK}2{MARK}, {MARK}3{MARK}) AS o(\"id\", \"version\") \
         ON a.\"id\" = o.\"id\" AND a.\"version\" = o.\"version\" \
         WHERE a.\"collection\" = {MARK}1{MARK}",
        quote(ATTRIBUTIONS_TABLE)
    );
    let name = SqlValue::Text(collection.to_string());
    Statement::made(sql, [name, SqlValue::Texts(ids), SqlValue::Numbers(versions)])
}

/// What [`select`] answered.
///
/// # Errors
/// `Corrupt`, naming the key, for a row that tells nothing.
pub(super) fn found(
    collection: &CollectionName,
    rows: &[PgRow],
) -> Result<HashMap<(EntityId, Version), Attribution>> {
    let read = |row: &PgRow| {
        let id = id_at(row, 0)?;
        let of = || {
            let (author, reason) = (optional_text_at(row, 2)?, optional_text_at(row, 3)?);
            Ok((version_at(row, 1)?, Attribution::new(author.as_deref(), reason.as_deref())?))
        };
        let (version, of) =
            of().map_err(|error| damaged_record(&Key::new(collection.clone(), id.clone()), error))?;
        Ok(((id, version), of))
    };
    rows.iter().map(read).collect()
}

/// Removes those of versions that are forgotten.
pub(super) fn remove(collection: &CollectionName, writes: &[&VersionWrite]) -> Statement {
    let forgotten = writes
        .iter()
        .filter(|write| matches!(write, VersionWrite::Clear(..) | VersionWrite::Remove(..)));
    let (ids, versions) =
        forgotten.map(|write| write.of()).map(|(id, v)| (id.to_string(), v.as_i64())).unzip();
    let sql = format!(
        "DELETE FROM {} AS a USING unnest({MARK}2{MARK}, {MARK}3{MARK}) AS o(\"id\", \"version\") \
         WHERE a.\"collection\" = {MARK}1{MARK} AND a.\"id\" = o.\"id\" \
         AND a.\"version\" = o.\"version\"",
        quote(ATTRIBUTIONS_TABLE)
    );
    let name = SqlValue::Text(collection.to_string());
    Statement::made(sql, [name, SqlValue::Texts(ids), SqlValue::Numbers(versions)])
}

/// Removes all of a collection.
pub(super) fn remove_all(collection: &CollectionName) -> Statement {
    let sql =
        format!("DELETE FROM {} WHERE \"collection\" = {MARK}1{MARK}", quote(ATTRIBUTIONS_TABLE));
    Statement::made(sql, [SqlValue::Text(collection.to_string())])
}

/// Adds those that are not known, and answers their versions.
pub(super) fn add(collection: &CollectionName, writes: &[&VersionWrite]) -> Statement {
    let mut rows = Rows::default();
    for write in writes {
        if let VersionWrite::Attribute(id, version, of) = write {
            rows.push(collection, id, *version, of);
        }
    }
    let sql = format!("{} ON CONFLICT DO NOTHING RETURNING \"id\", \"version\"", insert());
    Statement::made(sql, rows.into_values())
}

/// The answer for one that was not added.
pub(super) fn compare(of: &Attribution, stored: Option<&Attribution>) -> Applied {
    match stored {
        Some(stored) if stored == of => Applied::Equal,
        Some(_) => Applied::Diverged,
        None => Applied::Applied,
    }
}
