//! SQLite by rusqlite alone, on a copy of a file that ours made: the same
//! table, columns, indexes and view.

use std::hint::black_box;
use std::path::Path;

use repo_core::Result;
use repo_core::strategy::Record;
use rusqlite::{Connection, Row, Statement, TransactionBehavior, params};

use crate::data::{LOADED_AT, MACHINES_OF_A_REQUEST, Totals, request_id};
use crate::errors;
use crate::measure::{Timed, timed_here};
use crate::plan::Update;

const UPDATE: &str = r#"UPDATE "machines_records"
    SET "_version" = "_version" + 1, "_updated_at" = ?3, "document" = ?4
    WHERE "machine_id" = ?1 AND "_version" = ?2"#;
const GET: &str = r#"SELECT "machine_id", "_version", "_created_at", "_updated_at", "document"
    FROM "machines_records" WHERE "machine_id" = ?1"#;
const UPSERT: &str = r#"INSERT INTO "machines_records"
    ("machine_id", "_version", "_created_at", "_updated_at", "document")
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT ("machine_id") DO UPDATE SET "_version" = excluded."_version",
    "_created_at" = excluded."_created_at", "_updated_at" = excluded."_updated_at",
    "document" = excluded."document"
    WHERE excluded."_version" > "machines_records"."_version""#;
const QUERY: &str = r#"SELECT "machine_id", "_version", "_created_at", "_updated_at", "document"
    FROM "machines_records" WHERE "request_id" = ?1"#;
const SCAN: &str = r#"SELECT "machine_id", "_version", "_created_at", "_updated_at", "document"
    FROM "machines_records" ORDER BY "machine_id""#;
const GROUPS: &str = r#"SELECT "status", count(*) FROM "machines_records" GROUP BY "status""#;
const SUMS: &str = r#"SELECT "status", count(*), sum(json_extract("document", '$.vcpus'))
    FROM "machines_records" GROUP BY "status""#;

/// The time that is written. Any will do.
const NOW: i64 = LOADED_AT + 1;

/// What a caller takes from a row.
type Taken = (String, i64, i64, i64, String);

fn take(row: &Row<'_>) -> rusqlite::Result<Taken> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

/// One connection that writes and one that reads, as ours has for one caller.
pub(crate) struct Raw {
    writer: Connection,
    reader: Connection,
}

impl Raw {
    /// Opens a database with the settings of ours: a write-ahead log, a full
    /// sync of it for each commit, 4 MiB of pages for the writer. Without the
    /// trigger of ours: it would do work here that no raw program has.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let failed = errors::raw("open a database");
        let writer = Connection::open(file).map_err(&failed)?;
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096;
                 DROP TRIGGER IF EXISTS \"machines-digest-trigger\"",
            )
            .map_err(&failed)?;
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(file, flags).map_err(&failed)?;
        Ok(Self { writer, reader })
    }

    /// One conditional update after the other, a transaction each.
    pub(crate) fn updates(&self, plan: &[Update]) -> Result<Timed> {
        let mut statement = prepare(&self.writer, UPDATE)?;
        timed_here(plan.len(), || plan.iter().try_for_each(|u| one_update(&mut statement, u)))
    }

    /// Conditional updates, `size` in a transaction. An operation is an update,
    /// or, with `whole`, a transaction.
    pub(crate) fn commits(&mut self, plan: &[Update], size: usize, whole: bool) -> Result<Timed> {
        let failed = errors::raw("commit");
        let groups = plan.chunks(size.max(1));
        let operations = if whole { groups.len() } else { plan.len() };
        self.writer.prepare_cached(UPDATE).map_err(&failed)?;
        timed_here(operations, || {
            for group in groups {
                let transaction = self
                    .writer
                    .transaction_with_behavior(TransactionBehavior::Immediate)
                    .map_err(&failed)?;
                {
                    let mut statement = transaction.prepare_cached(UPDATE).map_err(&failed)?;
                    group.iter().try_for_each(|update| one_update(&mut statement, update))?;
                }
                transaction.commit().map_err(&failed)?;
            }
            Ok(())
        })
    }

    /// One read by id after the other.
    pub(crate) fn gets(&self, ids: &[String]) -> Result<Timed> {
        let mut statement = prepare(&self.reader, GET)?;
        let failed = errors::raw("get");
        timed_here(ids.len(), || {
            for id in ids {
                black_box(statement.query_row([id], take).map_err(&failed)?);
            }
            Ok(())
        })
    }

    /// Upserts, a transaction for each batch.
    pub(crate) fn load(&mut self, batches: &[Vec<Record>]) -> Result<Timed> {
        let failed = errors::raw("load");
        timed_here(batches.iter().map(Vec::len).sum(), || {
            for batch in batches {
                let transaction = self.writer.transaction().map_err(&failed)?;
                {
                    let mut statement = transaction.prepare_cached(UPSERT).map_err(&failed)?;
                    for record in batch {
                        one_upsert(&mut statement, record)?;
                    }
                }
                transaction.commit().map_err(&failed)?;
            }
            Ok(())
        })
    }

    /// Upserts documents as they are handed over, a transaction for each `size`.
    pub(crate) fn load_texts(
        &self,
        size: usize,
        documents: impl FnOnce(&mut dyn FnMut(&str, &str) -> Result<()>) -> Result<usize>,
    ) -> Result<usize> {
        let failed = errors::raw("load");
        let mut statement = prepare(&self.writer, UPSERT)?;
        let run = |sql: &str| self.writer.execute_batch(sql).map_err(&failed);
        let mut done = 0;
        run("BEGIN IMMEDIATE")?;
        let loaded = documents(&mut |id, text| {
            statement.execute(params![id, 1, NOW, NOW, text]).map_err(&failed)?;
            done += 1;
            if done % size.max(1) == 0 { run("COMMIT; BEGIN IMMEDIATE") } else { Ok(()) }
        })?;
        run("COMMIT")?;
        Ok(loaded)
    }

    /// One query on an indexed field after the other.
    pub(crate) fn queries(&self, requests: &[u64]) -> Result<Timed> {
        let mut statement = prepare(&self.reader, QUERY)?;
        let failed = errors::raw("query");
        timed_here(requests.len(), || {
            for request in requests {
                let rows = statement.query_map([request_id(*request)], take).map_err(&failed)?;
                let found: Vec<Taken> = rows.collect::<rusqlite::Result<_>>().map_err(&failed)?;
                errors::expect("query", MACHINES_OF_A_REQUEST, black_box(found).len())?;
            }
            Ok(())
        })
    }

    /// All records.
    pub(crate) fn scan(&self, expected: usize) -> Result<Timed> {
        timed_here(expected, || {
            let mut found = 0;
            self.for_each(|taken| {
                black_box(taken);
                found += 1;
                Ok(())
            })?;
            errors::expect("scan", expected, found)
        })
    }

    /// How many entities have each status.
    pub(crate) fn groups(&self, expected: usize) -> Result<Timed> {
        let mut statement = prepare(&self.reader, GROUPS)?;
        let failed = errors::raw("group");
        timed_here(1, || {
            let mut rows = statement.query([]).map_err(&failed)?;
            let mut counted = 0_i64;
            while let Some(row) = rows.next().map_err(&failed)? {
                black_box(row.get::<_, Option<String>>(0).map_err(&failed)?);
                counted += row.get::<_, i64>(1).map_err(&failed)?;
            }
            errors::expect("group", expected, usize::try_from(counted).unwrap_or(usize::MAX))
        })
    }

    /// How many entities have each status, and how many processors they have together.
    pub(crate) fn sums(&self, expected: Totals) -> Result<Timed> {
        let mut statement = prepare(&self.reader, SUMS)?;
        let failed = errors::raw("sum");
        timed_here(1, || {
            let mut rows = statement.query([]).map_err(&failed)?;
            let mut found = Totals::default();
            while let Some(row) = rows.next().map_err(&failed)? {
                black_box(row.get::<_, Option<String>>(0).map_err(&failed)?);
                let [count, sum] = [row.get::<_, i64>(1), row.get(2)];
                let (count, sum) = (count.map_err(&failed)?, sum.map_err(&failed)?);
                found.add(count.unsigned_abs(), sum.unsigned_abs());
            }
            expected.expect(found)
        })
    }

    /// Gives every record in the order of ids.
    fn for_each(&self, mut each: impl FnMut(Taken) -> Result<()>) -> Result<()> {
        let failed = errors::raw("scan");
        let mut statement = prepare(&self.reader, SCAN)?;
        let mut rows = statement.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            each(take(row).map_err(&failed)?)?;
        }
        Ok(())
    }

    /// Hands every record to another thread, as they are read.
    pub(crate) fn send_all(&self, to: &tokio::sync::mpsc::Sender<Taken>) -> Result<()> {
        self.for_each(|taken| to.blocking_send(taken).map_err(errors::raw("scan")))
    }
}

fn prepare<'c>(connection: &'c Connection, sql: &str) -> Result<Statement<'c>> {
    connection.prepare(sql).map_err(errors::raw("prepare a statement"))
}

fn one_update(statement: &mut Statement<'_>, update: &Update) -> Result<()> {
    let expected = i64::try_from(update.expected).unwrap_or(i64::MAX);
    let changed = statement
        .execute(params![update.id, expected, NOW, update.text])
        .map_err(errors::raw("update"))?;
    errors::expect("update", 1, changed)
}

fn one_upsert(statement: &mut Statement<'_>, record: &Record) -> Result<()> {
    let time = record.updated_at().as_micros();
    let text = record.document().map(repo_core::Document::as_str);
    let changed = statement
        .execute(params![record.id().as_str(), record.version().as_i64(), time, time, text])
        .map_err(errors::raw("load"))?;
    errors::expect("load", 1, changed)
}
