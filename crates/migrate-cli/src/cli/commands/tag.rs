//! `repoctl tag`: names for versions, which retention does not remove.

use std::sync::Arc;

use clap::{Args, Subcommand};
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use cli_output::output::{cell, draw, table};
use repo_history::{History, Tag, TagName};
use serde_json::{Value as Json, json};

use crate::cli::context::{Access, Context, collection};
use crate::cli::typed;

/// What can be typed after `tag`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Name a version of an entity
    Add(Add),
    /// List the tags of an entity, or of the whole collection
    List(List),
    /// Remove a tag; its version stays until it is pruned
    Remove(Named),
}

/// What can be typed after `tag add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    #[command(flatten)]
    named: Named,
    /// The version; the newest one without it
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// A tag of an entity.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    /// The name of the tag: letters, digits, `-`, `_`, `.`
    name: String,
}

/// What can be typed after `tag list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The collection
    collection: String,
    /// The id of the entity
    id: Option<String>,
}

impl Command {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::Add(arguments) => arguments.run(context).await,
            Self::List(arguments) => arguments.run(context).await,
            Self::Remove(arguments) => arguments.remove(context).await,
        }
    }
}

impl Add {
    async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.named.collection)?;
        let (id, tag) =
            (typed::id(&self.named.id)?, TagName::new(&self.named.name).map_err(usage)?);
        let version = self.version.map(typed::version).transpose()?;
        let opened = context.open(Access::Write).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            let version = match version {
                Some(version) => version,
                None => history.newest_version(&id).await?,
            };
            let tag = history.tag(&id, version, &tag, self.note.clone()).await?;
            context.output.result(&view(&tag), || {
                format!("{} is version {} of {name}/{id}", tag.name, tag.version)
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

impl Named {
    async fn remove(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let (id, tag) = (typed::id(&self.id)?, TagName::new(&self.name).map_err(usage)?);
        let opened = context.open(Access::Write).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            let tag = history.untag(&id, &tag).await?;
            context.output.result(&view(&tag), || {
                format!(
                    "{name}/{id} has no tag {} any more; it was version {}",
                    tag.name, tag.version
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

impl List {
    async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let id = self.id.as_deref().map(typed::id).transpose()?;
        let opened = context.open(Access::Read).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            let tags = match &id {
                Some(id) => history.tags(id).await?,
                None => history.all_tags().await?,
            };
            let views: Vec<Json> = tags.iter().map(view).collect();
            context.output.list(&json!({ "tags": views }), &views, || human(&tags))?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

fn view(tag: &Tag) -> Json {
    json!({
        "id": tag.id,
        "tag": tag.name.as_str(),
        "version": tag.version,
        "at": tag.at,
        "note": tag.note,
    })
}

fn human(tags: &[Tag]) -> String {
    if tags.is_empty() {
        return "no tags".to_owned();
    }
    let mut table = table(&["id", "tag", "version", "set", "note"]);
    for tag in tags {
        table.add_row([
            cell(tag.id.as_str()),
            tag.name.to_string(),
            tag.version.to_string(),
            tag.at.to_string(),
            cell(tag.note.as_deref().unwrap_or_default()),
        ]);
    }
    draw(&table)
}
