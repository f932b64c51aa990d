//! How the calls of a handle reach the writer.

use repo_core::strategy::{Applied, Prepared, Purged, StoreRecord, level_knowing};
use repo_core::{Consistency, Error, ErrorKind, Result, Written};

use super::ObjectStrategy;
use crate::reader::unless_closed;
use crate::request::{Answer, Asked};

impl ObjectStrategy {
    /// The level of a read that is being made; `asked` is what it asks for itself.
    pub(super) async fn level(
        &self,
        operation: &'static str,
        asked: Option<Consistency>,
    ) -> Result<Consistency> {
        let known = self.store.state().id;
        level_knowing(self, operation, asked, known).await
    }

    async fn ask(&self, operation: &'static str, asked: Asked) -> Result<Answer> {
        let answer = self.writer.ask(operation, asked).await;
        self.ended(operation, answer)
    }

    /// Does what `done` is the end of; what fails on a handle that was closed meanwhile fails
    /// for that.
    pub(super) fn ended<T>(&self, operation: &'static str, done: Result<T>) -> Result<T> {
        unless_closed(&self.store, operation, done)
    }

    pub(super) async fn ask_written(
        &self,
        operation: &'static str,
        asked: Asked,
    ) -> Result<Vec<Written>> {
        match self.ask(operation, asked).await? {
            Answer::Written(written) => Ok(written),
            other => Err(mistaken(operation, &other)),
        }
    }

    pub(super) async fn ask_applied(
        &self,
        operation: &'static str,
        asked: Asked,
    ) -> Result<Vec<Applied>> {
        match self.ask(operation, asked).await? {
            Answer::Applied(applied) => Ok(applied),
            other => Err(mistaken(operation, &other)),
        }
    }

    pub(super) async fn ask_record(
        &self,
        operation: &'static str,
        asked: Asked,
    ) -> Result<StoreRecord> {
        match self.ask(operation, asked).await? {
            Answer::Record(record) => Ok(*record),
            other => Err(mistaken(operation, &other)),
        }
    }

    pub(super) async fn ask_prepared(
        &self,
        operation: &'static str,
        asked: Asked,
    ) -> Result<Vec<Prepared>> {
        match self.ask(operation, asked).await? {
            Answer::Prepared(prepared) => Ok(prepared),
            other => Err(mistaken(operation, &other)),
        }
    }

    pub(super) async fn ask_purged(&self, operation: &'static str, asked: Asked) -> Result<Purged> {
        match self.ask(operation, asked).await? {
            Answer::Purged(purged) => Ok(purged),
            other => Err(mistaken(operation, &other)),
        }
    }

    pub(super) async fn ask_done(&self, operation: &'static str, asked: Asked) -> Result<()> {
        match self.ask(operation, asked).await? {
            Answer::Done => Ok(()),
            other => Err(mistaken(operation, &other)),
        }
    }
}

/// An answer to another question: the writer and this module do not fit.
fn mistaken(operation: &'static str, answer: &Answer) -> Error {
    let why = "the writer answered something else than it was asked";
    let kind = match answer {
        Answer::Written(_) => "written",
        Answer::Applied(_) => "applied",
        Answer::Record(_) => "record",
        Answer::Prepared(_) => "prepared",
        Answer::Purged(_) => "purged",
        Answer::Done => "done",
    };
    Error::new(ErrorKind::Unexpected, operation, why).with("answer", kind)
}
