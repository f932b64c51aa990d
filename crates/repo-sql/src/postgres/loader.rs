//! Connections for COPY, which takes the server less than any INSERT and which
//! diesel's connections cannot do (decision 0100). Each takes the place of
//! one of these in the pool.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::SinkExt as _;
use repo_core::strategy::Record;
use tokio_postgres::{Client, Error, Statement};

use super::driver::Driver;
use super::rows::written_first;

/// How the binary form of COPY begins: its signature, no flags, no further
/// header (PostgreSQL's documentation of COPY, "Binary Format").
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends: a row of -1 columns.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// The length of a value that is NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
const COLUMNS: [u8; 2] = 5_i16.to_be_bytes();
/// What the binary form of `jsonb` begins with.
const JSONB_VERSION: u8 = 1;
/// Bytes of a row beside its id and its document.
const ROW_BYTES: usize = 2 + 4 + 3 * 12 + 4 + 1;

/// A connection without diesel.
pub(super) struct Loader {
    client: Client,
    driver: Driver,
    made: Instant,
    keeps_statements: bool,
    /// The statement that was last used, prepared.
    prepared: Option<(Arc<str>, Statement)>,
}

impl Loader {
    pub(super) fn new(client: Client, driver: Driver, keeps_statements: bool) -> Self {
        Self { client, driver, made: Instant::now(), keeps_statements, prepared: None }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_closed() || self.client.is_closed()
    }

    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Sends rows to a COPY statement; how many it wrote.
    pub(super) async fn copy(&mut self, sql: &Arc<str>, rows: Vec<u8>) -> Result<u64, Error> {
        let statement = self.prepared(sql).await?;
        let sink = self.client.copy_in(&statement).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(Cursor::new(rows)).await?;
        sink.finish().await
    }

    async fn prepared(&mut self, sql: &Arc<str>) -> Result<Statement, Error> {
        if let Some((of, statement)) = &self.prepared
            && of == sql
        {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        if self.keeps_statements {
            self.prepared = Some((Arc::clone(sql), statement.clone()));
        }
        Ok(statement)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.driver.close();
    }
}

/// Records as rows in the binary form of COPY.
pub(super) fn rows(records: &[&Record]) -> Vec<u8> {
    let text = |record: &Record| record.document().map_or(0, |document| document.as_str().len());
    let size = records.iter().map(|record| ROW_BYTES + record.id().as_str().len() + text(record));
    let mut out = Vec::with_capacity(HEADER.len() + size.sum::<usize>() + END.len());
    out.extend_from_slice(HEADER);
    for record in records {
        row(record, &mut out);
    }
    out.extend_from_slice(&END);
    out
}

fn row(record: &Record, out: &mut Vec<u8>) {
    let id = record.id().as_str().as_bytes();
    out.extend_from_slice(&COLUMNS);
    out.extend_from_slice(&length(id.len()));
    out.extend_from_slice(id);
    let (created, updated) = (written_first(record), record.updated_at());
    for number in [record.version().as_i64(), created.as_micros(), updated.as_micros()] {
        out.extend_from_slice(&length(8));
        out.extend_from_slice(&number.to_be_bytes());
    }
    match record.document() {
        None => out.extend_from_slice(&NULL),
        Some(document) => {
            let text = document.as_str().as_bytes();
            out.extend_from_slice(&length(text.len() + 1));
            out.push(JSONB_VERSION);
            out.extend_from_slice(text);
        }
    }
}

/// No value is longer: an id has 512 bytes at most, a document less than 1 GiB.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_be_bytes()
}
