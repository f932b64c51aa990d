//! `repoctl query`: with `--limit` one page and the cursor of the next,
//! without it every match, streamed.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Failure, Outcome, usage, wrong_usage};
use cli_output::output::{Format, JsonStream, Output, write_stdout};
use cli_output::render::{Columns, entity_lines};
use futures::TryStreamExt as _;
use repo_core::strategy::Selector;
use repo_core::{
    CollectionName, CollectionSchema, Cursor, Filter, Page, Plan, Query, Result, Timestamp,
};
use repo_history::History;
use serde_json::{Value as Json, json};

use crate::cli::context::{Access, Context, Opened, collection};
use crate::cli::typed;

/// What can be typed after `query`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// Which entities, as JSON: '{"status": {"$in": ["RUNNING"]}}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    filter: String,
    /// The field to order by, `field` or `field:desc`
    #[arg(long, value_name = "FIELD[:desc]")]
    order_by: Option<String>,
    /// Print one page of at most this many, and where the next one starts
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print the page that starts here, from the page before it
    #[arg(long, value_name = "CURSOR", requires = "limit")]
    cursor: Option<String>,
    /// Print only how the store finds the entities
    #[arg(long)]
    explain: bool,
    /// Find what matched at this time, in the history of the collection:
    /// 2026-11-29T03:10:00Z; an order needs --limit
    #[arg(long, value_name = "TIME", conflicts_with_all = ["cursor", "explain"])]
    as_of: Option<String>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let query = self.query(&name).map_err(usage)?;
        let as_of = self.as_of.as_deref().map(typed::time).transpose()?;
        if as_of.is_some() && query.order().is_some() && !query.has_limit() {
            let why = "an order of what was valid at a time needs a limit";
            return Err(wrong_usage("query", why).hint("add --limit N").into());
        }
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            if self.explain {
                return explain(context.output, &opened, &name, query).await;
            }
            let schema = opened.schema(&name);
            let columns = Columns::new(&schema, query.order().map(|order| &order.path));
            let output = context.output;
            let mut printer =
                Printer { output, schema: &schema, columns, stream: None, printed: false };
            match as_of {
                None => printer.pages(&opened, &name, query.clone()).await?,
                Some(time) => printer.as_of(&opened, &name, &query, time).await?,
            }
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }

    fn query(&self, name: &CollectionName) -> Result<Query> {
        let mut query = Query::new(Filter::parse(&self.filter)?);
        if let Some(order) = &self.order_by {
            query = query.order_by(order)?;
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit)?;
        }
        if let Some(cursor) = &self.cursor {
            let cursor = Cursor::parse(cursor)?;
            cursor.position_in(name, &query)?;
            query = query.after(cursor);
        }
        Ok(query)
    }
}

async fn explain(
    output: Output,
    opened: &Opened,
    name: &CollectionName,
    query: Query,
) -> Outcome<Ending> {
    let query = if query.has_limit() { query } else { query.limit(1)? };
    let plan = opened.store.query(name, &query).await?.plan;
    let answer = json!({ "collection": name, "plan": plan });
    output.result(&answer, || match &plan {
        Plan::Index { name } => format!("by the index {name}"),
        Plan::Scan => format!("by reading all of {name}"),
    })?;
    Ok(Ending::Done)
}

/// Prints pages as they come.
struct Printer<'a> {
    output: Output,
    schema: &'a CollectionSchema,
    columns: Columns<'a>,
    stream: Option<JsonStream>,
    printed: bool,
}

impl Printer<'_> {
    async fn pages(&mut self, opened: &Opened, name: &CollectionName, query: Query) -> Outcome<()> {
        let mut query = query;
        loop {
            let page = match opened.store.query(name, &query).await {
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
    async fn as_of(
        &mut self,
        opened: &Opened,
        name: &CollectionName,
        query: &Query,
        time: Timestamp,
    ) -> Outcome<()> {
        let history = History::of(Arc::clone(&opened.store), name.clone());
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
