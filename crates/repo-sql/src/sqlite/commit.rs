//! One commit within an open transaction.

use std::collections::HashMap;
use std::sync::Arc;

use repo_core::{
    Change, CollectionName, Document, Error, Key, Precondition, Result, Timestamp, Version, Write,
    Written,
};
use rusqlite::{OptionalExtension as _, ToSql};

use super::attributions;
use super::digest::Signed;
use super::fence;
use super::jobs::Transaction;
use super::rows;
use super::shared::Shared;
use super::table::Table;
use crate::errors;
use crate::names::{COLLECTIONS_TABLE, quote};

/// What is stored under a key, without the document.
#[derive(Debug, Clone, Copy)]
struct Head {
    version: Version,
    created_at: Timestamp,
    live: bool,
}

/// What a write will store.
enum Outcome {
    Nothing,
    Row { version: Version, created_at: Timestamp, exists: bool, live: bool },
}

/// Checks every precondition, then does every write.
///
/// # Errors
/// All preconditions that do not hold, in one error; nothing was written then.
pub(super) fn commit(
    shared: &Shared,
    transaction: &Transaction<'_>,
    writes: &[Write],
) -> Result<Vec<Written>> {
    fence::check_commit(shared, transaction)?;
    let now = shared.options.clock.now();
    if let [write] = writes
        && let Some(written) = update(shared, transaction, write, now)?
    {
        return Ok(vec![written]);
    }
    let mut failed = Vec::new();
    let mut planned = Vec::with_capacity(writes.len());
    let mut floors = HashMap::new();
    for write in writes {
        let table = table(shared, transaction, "commit", &write.key.collection)?;
        let head = head(shared, transaction, table, &write.key)?;
        let live = head.filter(|head| head.live);
        failed.extend(write.failure(live.map(|head| head.version)));
        let mut next = || match head {
            Some(head) => head.version.next(),
            None => Version::after(floor(shared, transaction, &write.key.collection, &mut floors)?),
        };
        let mut row = |live_after, created_at| -> Result<Outcome> {
            let version = next()?;
            Ok(Outcome::Row { version, created_at, exists: head.is_some(), live: live_after })
        };
        planned.push(match (&write.change, live) {
            (Change::Check, _) | (Change::Delete, None) => Outcome::Nothing,
            (Change::Delete, Some(head)) => row(false, head.created_at)?,
            (Change::Put(_), live) => row(true, live.map_or(now, |head| head.created_at))?,
        });
    }
    if !failed.is_empty() {
        return Err(Error::preconditions("commit", failed));
    }
    writes
        .iter()
        .zip(planned)
        .map(|(write, outcome)| store(shared, transaction, write, outcome, now))
        .collect()
}

/// The one write of a commit, where it is an update of an expected version that
/// is there: one statement instead of two. `None` when it is anything else.
fn update(
    shared: &Shared,
    transaction: &Transaction<'_>,
    write: &Write,
    now: Timestamp,
) -> Result<Option<Written>> {
    let (Change::Put(document), Precondition::Version(expected)) =
        (&write.change, write.precondition)
    else {
        return Ok(None);
    };
    let Ok(version) = expected.next() else { return Ok(None) };
    let table = table(shared, transaction, "commit", &write.key.collection)?;
    let failed = |source| errors::sqlite("commit", shared.file(), source);
    let mut statement =
        transaction.connection.prepare_cached(&table.statements.update_version).map_err(failed)?;
    let (id, text) = (write.key.id.as_str(), stored_text(document));
    let (to, updated_at) = (version.as_i64(), now.as_micros());
    let number = table.layout.digest.is_some().then(|| {
        let signed = Signed { id, version: to, updated_at, document: Some(&text) };
        signed.without_creation()
    });
    let values: [&dyn ToSql; 6] = [&id, &expected.as_i64(), &to, &updated_at, &text, &number];
    let mut rows = statement.query(table.with_digest(&values)).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let created_at = rows::integer_at(row, 0)
        .and_then(Timestamp::from_micros)
        .map_err(|error| rows::damaged_record(&write.key, error))?;
    if let Some(attribution) = &write.attribution {
        attributions::keep(shared, transaction, &write.key, version, attribution)?;
    }
    Ok(Some(Written::Put { version, created_at, updated_at: now }))
}

fn store(
    shared: &Shared,
    transaction: &Transaction<'_>,
    write: &Write,
    outcome: Outcome,
    now: Timestamp,
) -> Result<Written> {
    let Outcome::Row { version, created_at, exists, live } = outcome else {
        return Ok(Written::Unchanged);
    };
    let table = table(shared, transaction, "commit", &write.key.collection)?;
    let sql = if exists { &table.statements.update } else { &table.statements.insert };
    let document = match &write.change {
        Change::Put(document) => Some(stored_text(document)),
        _ => None,
    };
    let document = document.as_deref();
    let signed = Signed {
        id: write.key.id.as_str(),
        version: version.as_i64(),
        updated_at: now.as_micros(),
        document,
    };
    transaction
        .connection
        .prepare_cached(sql)
        .and_then(|mut statement| table.store(&mut statement, &signed, created_at.as_micros()))
        .map_err(|source| errors::sqlite("commit", shared.file(), source))?;
    if let Some(attribution) = &write.attribution {
        attributions::keep(shared, transaction, &write.key, version, attribution)?;
    }
    Ok(if live {
        Written::Put { version, created_at, updated_at: now }
    } else {
        Written::Deleted { version, deleted_at: now }
    })
}

/// The prepared collection of a write.
pub(super) fn table<'a>(
    shared: &Shared,
    transaction: &Transaction<'a>,
    operation: &'static str,
    collection: &CollectionName,
) -> Result<&'a Arc<Table>> {
    transaction
        .catalog
        .tables
        .get(collection)
        .ok_or_else(|| shared.unknown(operation, Some(transaction.connection), collection))
}

fn head(
    shared: &Shared,
    transaction: &Transaction<'_>,
    table: &Table,
    key: &Key,
) -> Result<Option<Head>> {
    let failed = |source| errors::sqlite("commit", shared.file(), source);
    let mut statement =
        transaction.connection.prepare_cached(&table.statements.head).map_err(failed)?;
    let mut rows = statement.query([key.id.as_str()]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let read = || -> Result<Head> {
        Ok(Head {
            version: Version::try_from(rows::integer_at(row, 0)?)?,
            created_at: Timestamp::from_micros(rows::integer_at(row, 1)?)?,
            live: rows::integer_at(row, 2)? != 0,
        })
    };
    read().map(Some).map_err(|error| rows::damaged_record(key, error))
}

/// The floor of a collection, read once in a commit.
fn floor(
    shared: &Shared,
    transaction: &Transaction<'_>,
    collection: &CollectionName,
    known: &mut HashMap<CollectionName, u64>,
) -> Result<u64> {
    if let Some(floor) = known.get(collection) {
        return Ok(*floor);
    }
    let sql =
        format!("SELECT \"floor\" FROM {} WHERE \"collection\" = ?1", quote(COLLECTIONS_TABLE));
    let floor: Option<i64> = transaction
        .connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row([collection.as_str()], |row| row.get(0)).optional()
        })
        .map_err(|source| errors::sqlite("commit", shared.file(), source))?;
    let floor = u64::try_from(floor.unwrap_or(0)).unwrap_or(0);
    known.insert(collection.clone(), floor);
    Ok(floor)
}

/// The text to store. Keys are stored without needless escapes, because
/// SQLite before 3.45 finds a key only as the path spells it.
pub(super) fn stored_text(document: &Document) -> std::borrow::Cow<'_, str> {
    let text = document.as_str();
    if text.contains('\\') && has_escaped_key(text) {
        return document.to_value().to_string().into();
    }
    text.into()
}

/// Whether some key of a compact document holds a backslash.
fn has_escaped_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'"' {
            continue;
        }
        let mut escaped = false;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 1;
                }
                _ => {}
            }
        }
        if escaped && bytes.get(at) == Some(&b':') {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documents_with_escaped_keys_are_spelled_anew() {
        let stored = |text: &str| stored_text(&Document::parse(text).unwrap()).into_owned();
        for same in [
            r#"{"id":"a","n":1.50,"s":"a\"b:\\"}"#,
            r#"{"id":"\u0061","l":["\n","x"],"k":{"b":"\\"}}"#,
        ] {
            assert_eq!(stored(same), same);
        }
        assert_eq!(stored(r#"{"st\u0061tus":"\u0041","id":"a"}"#), r#"{"id":"a","status":"A"}"#);
        assert_eq!(stored(r#"{"a":[{"\"":1}]}"#), r#"{"a":[{"\"":1}]}"#);
    }
}
