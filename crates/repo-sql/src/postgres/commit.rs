//! A commit of several writes: one transaction, three round trips.
//!
//! Every key is locked before it is looked at, in one order: a record by its
//! row, an id without a record by a row that is put in its place and removed
//! before the end. So a commit sees no key change until it ends, at the usual
//! isolation, and nothing has to be given up because of what others read.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::{
    Change, CollectionName, Document, EntityId, Error, Key, Result, Timestamp, Version, Write,
    Written,
};

use super::attributions;
use super::feed;
use super::role;
use super::rows;
use super::rows::PgRow;
use super::shared::Shared;
use super::statement::{JsonText, SqlValue, Statement};
use super::store_record;
use super::table::Table;
use super::transaction::{Sees, Transaction};
use crate::errors;

/// How often a commit begins again because an id got a record meanwhile.
const MOST_TRIES: usize = 32;

/// What is stored under a key, without the document.
#[derive(Debug, Clone, Copy)]
struct Head {
    version: Version,
    created_at: Timestamp,
    live: bool,
}

/// A write with what it needs.
struct Planned<'a> {
    write: &'a Write,
    table: &'a Arc<Table>,
    head: Option<Head>,
}

/// Checks every precondition, then does every write.
///
/// # Errors
/// All preconditions that do not hold, in one error; nothing was written then.
pub(super) async fn commit(
    shared: &Shared,
    tables: &BTreeMap<CollectionName, Arc<Table>>,
    writes: &[Write],
    now: Timestamp,
) -> Result<Vec<Written>> {
    for _ in 0..MOST_TRIES {
        if let Some(written) = try_commit(shared, tables, writes, now).await? {
            return Ok(written);
        }
    }
    // Once an id has a record, the next try locks it: nobody can be faster so
    // often.
    Err(errors::not_stored(&shared.location).with("keys", writes.len()))
}

/// `None` when an id got a record between the look and the lock.
async fn try_commit(
    shared: &Shared,
    tables: &BTreeMap<CollectionName, Arc<Table>>,
    writes: &[Write],
    now: Timestamp,
) -> Result<Option<Vec<Written>>> {
    let mut planned: Vec<Planned<'_>> = writes
        .iter()
        .filter_map(|write| {
            let table = tables.get(&write.key.collection)?;
            Some(Planned { write, table, head: None })
        })
        .collect();
    planned.sort_by(|a, b| a.write.key.cmp(&b.write.key));
    let reads_only = writes.iter().all(|write| matches!(write.change, Change::Check));
    let sees = if reads_only { Sees::OneState } else { Sees::Committed };
    let runs = runs(&planned, reads_only);
    let (transaction, found) =
        Transaction::begin(&shared.pool, "commit", sees, lock_statements(&planned, &runs)).await?;
    let outcome = async {
        take_heads(&mut planned, &runs, &found)?;
        let failed = check(&planned).err();
        if failed.is_some() || reads_only {
            // Nothing is written that would meet the fence.
            role::check_commit_in(shared, &transaction).await?;
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        if reads_only {
            let written = vec![Written::Unchanged; writes.len()];
            return Ok(Some(Done { written, last: Vec::new() }));
        }
        let done = write_all(shared, &transaction, &planned, now).await?;
        let unchanged = |done: &Done| done.written.iter().all(|w| matches!(w, Written::Unchanged));
        if done.as_ref().is_some_and(unchanged) {
            role::check_commit_in(shared, &transaction).await?;
        }
        Ok(done)
    };
    match outcome.await {
        Ok(Some(Done { written, last })) => {
            transaction.commit_after(last).await?;
            Ok(Some(in_order_of(writes, &planned, written)))
        }
        Ok(None) => {
            transaction.rollback().await;
            Ok(None)
        }
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

/// Keys that one statement locks: neighbours in one collection with one lock.
struct LockRun {
    range: std::ops::Range<usize>,
    /// Which of [`Statements::heads`](super::table::Statements).
    lock: usize,
}

fn runs(planned: &[Planned<'_>], reads_only: bool) -> Vec<LockRun> {
    let lock = |planned: &Planned<'_>| match planned.write.change {
        _ if reads_only => 0,
        Change::Check => 1,
        _ => 2,
    };
    let mut runs: Vec<LockRun> = Vec::new();
    for (at, this) in planned.iter().enumerate() {
        let same = at > 0
            && planned[at - 1].write.key.collection == this.write.key.collection
            && lock(&planned[at - 1]) == lock(this);
        match runs.last_mut() {
            Some(run) if same => run.range.end = at + 1,
            _ => runs.push(LockRun { range: at..at + 1, lock: lock(this) }),
        }
    }
    runs
}

fn lock_statements(planned: &[Planned<'_>], runs: &[LockRun]) -> Vec<Statement> {
    runs.iter()
        .map(|run| {
            let part = &planned[run.range.clone()];
            let ids = part.iter().map(|planned| planned.write.key.id.to_string()).collect();
            Statement::new(&part[0].table.statements.heads[run.lock], [SqlValue::Texts(ids)])
        })
        .collect()
}

fn take_heads(planned: &mut [Planned<'_>], runs: &[LockRun], found: &[Vec<PgRow>]) -> Result<()> {
    for (run, rows) in runs.iter().zip(found) {
        let mut heads: BTreeMap<EntityId, Head> = BTreeMap::new();
        for row in rows {
            let head = Head {
                version: rows::version_at(row, 1)?,
                created_at: rows::time_at(row, 2)?,
                live: rows::truth_at(row, 3),
            };
            heads.insert(rows::id_at(row, 0)?, head);
        }
        for planned in &mut planned[run.range.clone()] {
            planned.head = heads.remove(&planned.write.key.id);
        }
    }
    Ok(())
}

/// # Errors
/// Every precondition that does not hold.
fn check(planned: &[Planned<'_>]) -> Result<()> {
    let failure = |planned: &Planned<'_>| {
        let live = planned.head.filter(|head| head.live);
        planned.write.failure(live.map(|head| head.version))
    };
    let failed: Vec<_> = planned.iter().filter_map(failure).collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::preconditions("commit", failed)) }
}

/// What goes into one collection.
struct Changes<'a> {
    table: &'a Table,
    inserts: Inserts,
    updates: Updates,
    /// Ids that were inserted as locks only.
    locks: Vec<String>,
}

/// Ids without a record; without a document they are only locked.
#[derive(Default)]
struct Inserts {
    ids: Vec<String>,
    documents: Vec<Option<JsonText>>,
}

#[derive(Default)]
struct Updates {
    ids: Vec<String>,
    versions: Vec<i64>,
    created_at: Vec<i64>,
    documents: Vec<Option<JsonText>>,
}

fn changes<'a>(planned: &[Planned<'a>], now: Timestamp) -> Result<Vec<Changes<'a>>> {
    let mut all: Vec<Changes<'a>> = Vec::new();
    for this in planned {
        let collection = &this.table.schema.collection;
        match all.last_mut() {
            Some(changes) if changes.table.schema.collection == *collection => {
                changes.push(this, now)?;
            }
            _ => {
                let mut changes = Changes::of(this.table);
                changes.push(this, now)?;
                all.push(changes);
            }
        }
    }
    Ok(all)
}

impl<'a> Changes<'a> {
    fn of(table: &'a Table) -> Self {
        let (inserts, updates) = (Inserts::default(), Updates::default());
        Self { table, inserts, updates, locks: Vec::new() }
    }

    fn push(&mut self, planned: &Planned<'_>, now: Timestamp) -> Result<()> {
        let id = planned.write.key.id.to_string();
        let document = |document: &Document| Some(JsonText(document.clone()));
        match (&planned.write.change, planned.head) {
            (Change::Put(put), None) => self.inserts.push(id, document(put)),
            // Its absence has to last until the end.
            (Change::Check | Change::Delete, None) => {
                self.inserts.push(id.clone(), None);
                self.locks.push(id);
            }
            (Change::Put(put), Some(head)) => self.updates.push(id, head, now, document(put))?,
            (Change::Delete, Some(head)) if head.live => self.updates.push(id, head, now, None)?,
            (Change::Check | Change::Delete, Some(_)) => {}
        }
        Ok(())
    }

    /// The statement that inserts, and how many rows it has to answer.
    fn insert(&mut self, now: Timestamp) -> Option<(Statement, usize)> {
        let Inserts { ids, documents } = std::mem::take(&mut self.inserts);
        let count = ids.len();
        let time = SqlValue::Number(now.as_micros());
        let values = [SqlValue::Texts(ids), time, SqlValue::Jsons(documents)];
        (count > 0).then(|| (Statement::new(&self.table.statements.insert, values), count))
    }

    /// The statement that changes what was there.
    fn update(&mut self, now: Timestamp) -> Option<Statement> {
        let Updates { ids, versions, created_at, documents } = std::mem::take(&mut self.updates);
        let any = !ids.is_empty();
        let values = [
            SqlValue::Texts(ids),
            SqlValue::Numbers(versions),
            SqlValue::Numbers(created_at),
            SqlValue::Number(now.as_micros()),
            SqlValue::Jsons(documents),
        ];
        any.then(|| Statement::new(&self.table.statements.update, values))
    }

    /// The statement that removes what was inserted as a lock.
    fn unlock(self) -> Option<Statement> {
        let remove = &self.table.statements.remove;
        (!self.locks.is_empty()).then(|| Statement::new(remove, [SqlValue::Texts(self.locks)]))
    }
}

impl Inserts {
    fn push(&mut self, id: String, document: Option<JsonText>) {
        self.ids.push(id);
        self.documents.push(document);
    }
}

impl Updates {
    fn push(
        &mut self,
        id: String,
        head: Head,
        now: Timestamp,
        document: Option<JsonText>,
    ) -> Result<()> {
        let created_at = if head.live { head.created_at } else { now };
        self.ids.push(id);
        self.versions.push(head.version.next()?.as_i64());
        self.created_at.push(created_at.as_micros());
        self.documents.push(document);
        Ok(())
    }
}

/// What a commit did before its end.
struct Done {
    /// What each planned write did.
    written: Vec<Written>,
    /// What has to be done before the end: rows removed that were inserted as locks.
    /// Not sooner: only when all ids were inserted is it known that these rows are
    /// ours, and a row of somebody else would be waited for out of order.
    last: Vec<Statement>,
}

/// Writes; `None` when an id that was without a record has one now.
async fn write_all(
    shared: &Shared,
    transaction: &Transaction,
    planned: &[Planned<'_>],
    now: Timestamp,
) -> Result<Option<Done>> {
    let mut all = changes(planned, now)?;
    // All inserts come first, in the order of the keys: they are locks too.
    let mut statements = Vec::new();
    let mut expected = Vec::new();
    for changes in &mut all {
        if let Some((statement, count)) = changes.insert(now) {
            statements.push(statement);
            let table: &Table = changes.table;
            expected.push((&table.schema.collection, count));
        }
    }
    statements.extend(all.iter_mut().filter_map(|changes| changes.update(now)));
    let answers = transaction.all(statements).await?;
    let mut inserted: BTreeMap<Key, Version> = BTreeMap::new();
    for (rows, (collection, count)) in answers.iter().zip(expected) {
        if rows.len() < count {
            return Ok(None);
        }
        for row in rows {
            let key = Key::new(collection.clone(), rows::id_at(row, 0)?);
            inserted.insert(key, rows::version_at(row, 1)?);
        }
    }
    check_floors(shared, planned, &inserted).await?;
    let outcome =
        |this: &Planned<'_>| outcome(shared, this, inserted.get(&this.write.key).copied(), now);
    let written: Vec<Written> = planned.iter().map(outcome).collect::<Result<_>>()?;
    let mut last: Vec<Statement> = all.into_iter().filter_map(Changes::unlock).collect();
    let writes = planned.iter().map(|planned| planned.write).zip(&written);
    if let Some(keep) = attributions::keep(writes)
        && feed::check_layout(shared, "commit").await.is_ok()
    {
        last.push(keep);
    }
    Ok(Some(Done { written, last }))
}

fn outcome(
    shared: &Shared,
    planned: &Planned<'_>,
    inserted: Option<Version>,
    now: Timestamp,
) -> Result<Written> {
    let put = |version, created_at| Written::Put { version, created_at, updated_at: now };
    Ok(match (&planned.write.change, planned.head) {
        (Change::Put(_), Some(head)) if head.live => put(head.version.next()?, head.created_at),
        (Change::Put(_), Some(head)) => put(head.version.next()?, now),
        (Change::Put(_), None) => match inserted {
            Some(version) => put(version, now),
            None => {
                return Err(errors::not_stored(&shared.location).with("key", &planned.write.key));
            }
        },
        (Change::Delete, Some(head)) if head.live => {
            Written::Deleted { version: head.version.next()?, deleted_at: now }
        }
        (Change::Check | Change::Delete, _) => Written::Unchanged,
    })
}

/// An id above the highest floor has no version left; the statement cannot say
/// so itself, and gave it the highest one.
async fn check_floors(
    shared: &Shared,
    planned: &[Planned<'_>],
    inserted: &BTreeMap<Key, Version>,
) -> Result<()> {
    let at_the_end = planned.iter().find(|this| {
        let version = inserted.get(&this.write.key);
        matches!(this.write.change, Change::Put(_))
            && version.is_some_and(|version| version.get() == Version::MAX)
    });
    let Some(this) = at_the_end else { return Ok(()) };
    let record = store_record::read(shared).await?;
    let floor = record.collections.get(&this.write.key.collection).map_or(0, |state| state.floor);
    Version::after(floor).map(drop).map_err(|error| error.with("key", &this.write.key))
}

/// The answers in the order in which the writes were given.
fn in_order_of(writes: &[Write], planned: &[Planned<'_>], written: Vec<Written>) -> Vec<Written> {
    let by_key: BTreeMap<_, _> =
        planned.iter().map(|planned| &planned.write.key).zip(written).collect();
    writes.iter().filter_map(|write| by_key.get(&write.key).copied()).collect()
}
