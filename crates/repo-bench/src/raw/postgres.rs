//! PostgreSQL by tokio-postgres alone, on one connection, in tables that ours
//! made.

use std::error::Error as StdError;
use std::hint::black_box;
use std::pin::pin;

use bytes::{BufMut as _, BytesMut};
use futures::TryStreamExt as _;
use futures::future::try_join_all;
use repo_core::Result;
use repo_core::strategy::Record;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Row, Statement};

use crate::data::{LOADED_AT, MACHINES_OF_A_REQUEST, Totals, request_id};
use crate::errors;
use crate::measure::{Timed, timed};
use crate::plan::Update;

const UPDATE: &str = r#"UPDATE "machines_records"
    SET "_version" = "_version" + 1, "_updated_at" = $3, "document" = $4
    WHERE "machine_id" = $1 AND "_version" = $2 RETURNING "_version""#;
const GET: &str = r#"SELECT "machine_id", "_version", "_created_at", "_updated_at", "document"
    FROM "machines_records" WHERE "machine_id" = $1"#;
const QUERY: &str = r#"SELECT "machine_id", "_version", "_created_at", "_updated_at", "document"
    FROM "machines_records" WHERE "request_id" = $1"#;
const SCAN: &str = r#"SELECT "machine_id", "_version", "_created_at", "_updated_at", "document"
    FROM "machines_records" ORDER BY "machine_id""#;
const GROUPS: &str = r#"SELECT "status", count(*) FROM "machines_records" GROUP BY "status""#;
const SUMS: &str = r#"SELECT "status", count(*), sum(("document"->>'vcpus')::numeric)::text
    FROM "machines_records" GROUP BY "status""#;
const COPY: &str = r#"COPY "machines_records"
    ("machine_id", "_version", "_created_at", "_updated_at", "document")
    FROM STDIN (FORMAT binary)"#;

/// The time that is written. Any will do.
const NOW: i64 = LOADED_AT + 1;

/// A document as `jsonb`, by its text.
#[derive(Debug)]
struct JsonText<T>(T);

impl<T: AsRef<str> + std::fmt::Debug> ToSql for JsonText<T> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        // The version of the binary form, then the text.
        out.put_u8(1);
        out.put_slice(self.0.as_ref().as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for JsonText<String> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let text = raw.get(1..).unwrap_or_default();
        Ok(Self(std::str::from_utf8(text)?.to_owned()))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }
}

/// What a caller takes from a row.
type Taken = (String, i64, i64, i64, String);

fn take(row: &Row) -> Result<Taken> {
    let read = || -> Result<Taken, tokio_postgres::Error> {
        let JsonText(document) = row.try_get(4)?;
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, document))
    };
    read().map_err(errors::raw("read a row"))
}

/// One connection to the tables in a schema.
pub(crate) struct Raw {
    client: Client,
}

impl Raw {
    pub(crate) async fn connect(url: &str, schema: &str) -> Result<Self> {
        let failed = errors::raw("connect to PostgreSQL");
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(&failed)?;
        // It ends with the client; why it failed is reported to the caller that waits.
        tokio::spawn(connection);
        let set = format!("SET search_path = \"{schema}\"");
        client.batch_execute(&set).await.map_err(&failed)?;
        Ok(Self { client })
    }

    /// Runs statements without values.
    pub(crate) async fn run(&self, script: &str) -> Result<()> {
        self.client.batch_execute(script).await.map_err(errors::raw("run a statement"))
    }

    /// The one whole number that a statement answers.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64> {
        let failed = errors::raw("run a statement");
        let row = self.client.query_one(sql, &[]).await.map_err(&failed)?;
        row.try_get(0).map_err(failed)
    }

    async fn prepare(&self, sql: &str) -> Result<Statement> {
        self.client.prepare(sql).await.map_err(errors::raw("prepare a statement"))
    }

    /// One conditional update after the other, a transaction each.
    pub(crate) async fn updates(&self, plan: &[Update]) -> Result<Timed> {
        let statement = self.prepare(UPDATE).await?;
        timed(plan.len(), async {
            for update in plan {
                self.one_update(&statement, update).await?;
            }
            Ok(())
        })
        .await
    }

    async fn one_update(&self, statement: &Statement, update: &Update) -> Result<()> {
        let expected = i64::try_from(update.expected).unwrap_or(i64::MAX);
        let document = JsonText(&update.text);
        let rows = self
            .client
            .query(statement, &[&update.id, &expected, &NOW, &document])
            .await
            .map_err(errors::raw("update"))?;
        errors::expect("update", 1, rows.len())
    }

    /// Transactions of `size` conditional updates, sent without waiting for
    /// each other's answers.
    pub(crate) async fn commits(&self, plan: &[Update], size: usize) -> Result<Timed> {
        let statement = self.prepare(UPDATE).await?;
        let groups = plan.chunks(size.max(1));
        timed(groups.len(), async {
            for group in groups {
                self.run("BEGIN").await?;
                try_join_all(group.iter().map(|update| self.one_update(&statement, update)))
                    .await?;
                self.run("COMMIT").await?;
            }
            Ok(())
        })
        .await
    }

    /// One read by id after the other.
    pub(crate) async fn gets(&self, ids: &[String]) -> Result<Timed> {
        let statement = self.prepare(GET).await?;
        let failed = errors::raw("get");
        timed(ids.len(), async {
            for id in ids {
                let row = self.client.query_one(&statement, &[id]).await.map_err(&failed)?;
                black_box(take(&row)?);
            }
            Ok(())
        })
        .await
    }

    /// All records by COPY in its binary form.
    pub(crate) async fn load(&self, batches: &[Vec<Record>]) -> Result<Timed> {
        timed(batches.iter().map(Vec::len).sum(), async {
            let mut copy = pin!(self.copy().await?);
            for record in batches.iter().flatten() {
                let time = record.updated_at().as_micros();
                let text = record.document().map(|document| JsonText(document.as_str()));
                let (id, version) = (record.id().as_str(), record.version().as_i64());
                copy.as_mut()
                    .write(&[&id, &version, &time, &time, &text])
                    .await
                    .map_err(errors::raw("load"))?;
            }
            copy.finish().await.map(drop).map_err(errors::raw("load"))
        })
        .await
    }

    /// Records from another thread by COPY. How many they were.
    pub(crate) async fn load_from(
        &self,
        mut from: tokio::sync::mpsc::Receiver<Taken>,
    ) -> Result<usize> {
        let mut copy = pin!(self.copy().await?);
        while let Some((id, version, created, updated, text)) = from.recv().await {
            copy.as_mut()
                .write(&[&id, &version, &created, &updated, &JsonText(text)])
                .await
                .map_err(errors::raw("load"))?;
        }
        let loaded = copy.finish().await.map_err(errors::raw("load"))?;
        Ok(usize::try_from(loaded).unwrap_or(usize::MAX))
    }

    async fn copy(&self) -> Result<BinaryCopyInWriter> {
        let sink = self.client.copy_in(COPY).await.map_err(errors::raw("load"))?;
        let types = [Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::JSONB];
        Ok(BinaryCopyInWriter::new(sink, &types))
    }

    /// One query on an indexed field after the other.
    pub(crate) async fn queries(&self, requests: &[u64]) -> Result<Timed> {
        let statement = self.prepare(QUERY).await?;
        let failed = errors::raw("query");
        timed(requests.len(), async {
            for request in requests {
                let id = request_id(*request);
                let rows = self.client.query(&statement, &[&id]).await.map_err(&failed)?;
                let found: Vec<Taken> = rows.iter().map(take).collect::<Result<_>>()?;
                errors::expect("query", MACHINES_OF_A_REQUEST, black_box(found).len())?;
            }
            Ok(())
        })
        .await
    }

    /// How many entities have each status.
    pub(crate) async fn groups(&self, expected: usize) -> Result<Timed> {
        let statement = self.prepare(GROUPS).await?;
        let failed = errors::raw("group");
        timed(1, async {
            let mut counted = 0_i64;
            for row in self.client.query(&statement, &[]).await.map_err(&failed)? {
                black_box(row.try_get::<_, Option<String>>(0).map_err(&failed)?);
                counted += row.try_get::<_, i64>(1).map_err(&failed)?;
            }
            errors::expect("group", expected, usize::try_from(counted).unwrap_or(usize::MAX))
        })
        .await
    }

    /// How many entities have each status, and how many processors they have together.
    pub(crate) async fn sums(&self, expected: Totals) -> Result<Timed> {
        let statement = self.prepare(SUMS).await?;
        let failed = errors::raw("sum");
        timed(1, async {
            let mut found = Totals::default();
            for row in self.client.query(&statement, &[]).await.map_err(&failed)? {
                black_box(row.try_get::<_, Option<String>>(0).map_err(&failed)?);
                let count = row.try_get::<_, i64>(1).map_err(&failed)?;
                let sum: String = row.try_get(2).map_err(&failed)?;
                let sum = sum.parse().map_err(errors::raw("sum"))?;
                found.add(count.unsigned_abs(), sum);
            }
            expected.expect(found)
        })
        .await
    }

    /// All records in one statement, taken as they come.
    pub(crate) async fn scan(&self, expected: usize) -> Result<Timed> {
        let failed = errors::raw("scan");
        timed(expected, async {
            let none: [&str; 0] = [];
            let mut rows = pin!(self.client.query_raw(SCAN, none).await.map_err(&failed)?);
            let mut found = 0;
            while let Some(row) = rows.try_next().await.map_err(&failed)? {
                black_box(take(&row)?);
                found += 1;
            }
            errors::expect("scan", expected, found)
        })
        .await
    }
}
