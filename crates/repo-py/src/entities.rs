//! Entities one after the other, in bounded memory: of a scan, or of a query page
//! after page.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use pyo3::prelude::*;
use repo_core::strategy::{Record, RecordStream, StorageStrategy};
use repo_core::{CollectionName, Query, Result};
use tokio::sync::Mutex;

use crate::entity::Entity;
use crate::errors::checked;
use crate::process::OfProcess;
use crate::wait::wait;

/// An iterator over entities, which holds one batch of them at a time. Made by
/// `Store.scan` and `Store.find`.
#[pyclass(frozen, module = "repo_engine")]
pub(crate) struct Entities(OfProcess<Mutex<State>>);

struct State {
    source: Source,
    ready: VecDeque<Entity>,
}

enum Source {
    Scan(RecordStream),
    Pages(Box<Pages>),
    Ended,
}

struct Pages {
    strategy: Arc<dyn StorageStrategy>,
    collection: CollectionName,
    query: Query,
}

impl Entities {
    pub(crate) fn of_scan(stream: RecordStream) -> Self {
        Self::of(Source::Scan(stream))
    }

    pub(crate) fn of_query(
        strategy: Arc<dyn StorageStrategy>,
        collection: CollectionName,
        query: Query,
    ) -> Self {
        Self::of(Source::Pages(Box::new(Pages { strategy, collection, query })))
    }

    fn of(source: Source) -> Self {
        Self(OfProcess::new(Mutex::new(State { source, ready: VecDeque::new() })))
    }
}

impl State {
    /// Makes sure that something is ready, unless there is nothing more.
    async fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() {
            // After an error there is nothing more.
            self.source = match std::mem::replace(&mut self.source, Source::Ended) {
                Source::Ended => return Ok(()),
                Source::Scan(mut stream) => match stream.next().await {
                    None => return Ok(()),
                    Some(batch) => {
                        let live = batch?.into_records()?.into_iter().filter_map(Record::into_live);
                        self.ready.extend(live.map(Entity::from));
                        Source::Scan(stream)
                    }
                },
                Source::Pages(mut pages) => {
                    let page = pages.strategy.query(&pages.collection, &pages.query).await?;
                    self.ready.extend(page.entities.into_iter().map(Entity::from));
                    match page.next {
                        None => Source::Ended,
                        Some(cursor) => {
                            pages.query = std::mem::take(&mut pages.query).after(cursor);
                            Source::Pages(pages)
                        }
                    }
                }
            };
        }
        Ok(())
    }
}

async fn batch(state: &Mutex<State>) -> Result<Vec<Entity>> {
    let mut state = state.lock().await;
    state.fill().await?;
    Ok(state.ready.drain(..).collect())
}

async fn next(state: &Mutex<State>) -> Result<Option<Entity>> {
    let mut state = state.lock().await;
    state.fill().await?;
    Ok(state.ready.pop_front())
}

#[pymethods]
impl Entities {
    /// The entities of the next batch, at once; an empty list when there are no more.
    fn next_batch(&self, py: Python<'_>) -> PyResult<Vec<Entity>> {
        let state = checked(py, self.0.get())?;
        wait(py, || batch(state))
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Entity>> {
        let state = checked(py, self.0.get())?;
        // Most of the time the next one is there already.
        if let Ok(mut state) = state.try_lock()
            && let Some(ready) = state.ready.pop_front()
        {
            return Ok(Some(ready));
        }
        wait(py, || next(state))
    }
}
