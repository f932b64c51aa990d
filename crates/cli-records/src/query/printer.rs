//! Entities as results: a table for people, JSON for programs.

use std::sync::Arc;

use cli_output::failure::{Failure, Outcome};
use cli_output::output::{Format, JsonStream, Output, write_stdout};
use cli_output::render::{Columns, entity_lines};
use futures::TryStreamExt as _;
use repo_core::strategy::{Selector, StorageStrategy};
use repo_core::{CollectionName, CollectionSchema, Page, Plan, Query, Timestamp};
use repo_history::History;
use serde_json::{Value as Json, json};

/// Prints pages as they come.
pub(super) struct Printer<'a> {
    output: Output,
    schema: &'a CollectionSchema,
    columns: Columns<'a>,
    stream: Option<JsonStream>,
    printed: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(output: Output, schema: &'a CollectionSchema, columns: Columns<'a>) -> Self {
        Self { output, schema, columns, stream: None, printed: false }
    }

    /// The pages of a query: all of them, or one where it has a limit.
    pub(super) async fn pages(mut self, store: &dyn StorageStrategy, query: &Query) -> Outcome<()> {
        let mut query = query.clone();
        let schema = self.schema;
        let name = &schema.collection;
        loop {
            let page = match store.query(name, &query).await {
                Ok(page) => page,
                Err(error) => return Err(self.failed(error)),
            };
            self.page(name, &page)?;
            match page.next {
                Some(cursor) if !query.has_limit() => query = query.after(cursor),
                next => return self.finish(next.map(|cursor| cursor.to_string())),
            }
        }
    }

    /// What matched at a time: a page where a limit is given, else batch by batch.
    pub(super) async fn at(
        mut self,
        store: &Arc<dyn StorageStrategy>,
        query: &Query,
        time: Timestamp,
    ) -> Outcome<()> {
        let schema = self.schema;
        let name = &schema.collection;
        let history = History::of(Arc::clone(store), name.clone());
        let mut batches = history.scan_as_of(time).await?;
        let mut selector = Selector::new(name, query)?;
        let page = |entities| Page { entities, next: None, plan: Plan::Scan };
        while let Some(batch) = batches.try_next().await.map_err(|error| self.failed(error))? {
            let mut matching = batch.into_iter().filter(|e| query.filter().matches(&e.document));
            if !query.has_limit() {
                self.page(name, &page(matching.collect()))?;
            } else if !matching.all(|entity| selector.keep(entity)) {
                break;
            }
        }
        if query.has_limit() {
            let found = selector.finish(Plan::Scan, |last| last.id.to_string());
            if found.next.is_some() {
                self.output.note("more match than --limit");
            }
            self.page(name, &page(found.entities))?;
        } else if !self.printed {
            // So that the answer is whole.
            self.page(name, &page(Vec::new()))?;
        }
        self.finish(None)
    }

    fn page(&mut self, name: &CollectionName, page: &Page) -> Outcome<()> {
        self.printed |= !page.entities.is_empty();
        match self.output.format {
            Format::Human if page.entities.is_empty() => Ok(()),
            Format::Human => self.output.text(&self.columns.table(&page.entities)),
            Format::Ndjson => write_stdout(&entity_lines(&page.entities, self.schema)),
            Format::Json => {
                let lines = entity_lines(&page.entities, self.schema);
                if self.stream.is_none() {
                    let head = [("collection", json!(name)), ("plan", json!(page.plan))];
                    self.stream = Some(JsonStream::begin(self.output, &head, "entities")?);
                }
                self.stream.as_mut().map_or(Ok(()), |stream| stream.lines(&lines))
            }
        }
    }

    /// Prints what follows the entities: where the next page starts.
    fn finish(&mut self, next: Option<String>) -> Outcome<()> {
        match (self.output.format, next) {
            (Format::Json, next) => match self.stream.take() {
                Some(stream) => stream.finish(&[("next", Json::from(next))]),
                None => Ok(()),
            },
            (Format::Human, None) if !self.printed => {
                self.output.note("nothing matches");
                Ok(())
            }
            (_, None) => Ok(()),
            (Format::Human, Some(next)) => self.output.text(&format!("next: --cursor {next}")),
            (Format::Ndjson, Some(next)) => self.output.line(&json!({ "next": next })),
        }
    }

    fn failed(&mut self, error: repo_core::Error) -> Failure {
        match self.stream.take() {
            Some(stream) => stream.fail(error),
            None => error.into(),
        }
    }
}
