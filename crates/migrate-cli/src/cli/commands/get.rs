//! `repoctl get`: one entity by its id, as it is or as it was.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use cli_output::render::{entity_json, indented};
use repo_core::strategy::Record;
use repo_core::{CollectionName, Entity, EntityId, Error, ErrorKind, Result, Timestamp, Version};
use repo_history::{History, TagName};

use crate::cli::context::{Access, Context, Opened, collection};
use crate::cli::typed;

/// What can be typed after `get`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    #[command(flatten)]
    past: Past,
}

/// What of the history is asked for.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Past {
    /// Print this version
    #[arg(long, value_name = "N")]
    at_version: Option<u64>,
    /// Print what was valid at this time: 2026-11-29T03:10:00Z
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Print the version of this tag
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
}

/// The same, read.
enum Asked {
    Now,
    Version(Version),
    Time(Timestamp),
    Tag(TagName),
}

impl Past {
    fn asked(&self) -> Result<Asked> {
        Ok(match (self.at_version, &self.as_of, &self.tag) {
            (Some(number), ..) => Asked::Version(typed::version(number)?),
            (_, Some(time), _) => Asked::Time(typed::time(time)?),
            (.., Some(name)) => Asked::Tag(TagName::new(name).map_err(usage)?),
            (None, None, None) => Asked::Now,
        })
    }
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let id = typed::id(&self.id)?;
        let asked = self.past.asked()?;
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            let entity = match asked {
                Asked::Now => now(&opened, &name, &id).await?,
                asked => earlier(context, &opened, &name, &id, asked).await?,
            };
            let json = entity_json(&entity, &opened.schema(&name))?;
            context.output.result(&json, || indented(json.get()))?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

async fn now(opened: &Opened, name: &CollectionName, id: &EntityId) -> Outcome<Entity> {
    let records = opened.store.get_many(name, std::slice::from_ref(id)).await?;
    match records.into_iter().next().flatten() {
        Some(Record::Live(entity)) => Ok(entity),
        other => Err(missing(name, id, other.as_ref()).into()),
    }
}

async fn earlier(
    context: &Context,
    opened: &Opened,
    name: &CollectionName,
    id: &EntityId,
    asked: Asked,
) -> Outcome<Entity> {
    let history = History::of(Arc::clone(&opened.store), name.clone());
    let version = match &asked {
        Asked::Version(version) => Some(history.at_version(id, *version).await?),
        Asked::Tag(tag) => Some(history.at_tag(id, tag).await?),
        Asked::Now => None,
        Asked::Time(time) => {
            let found = history.as_of(id, *time).await?;
            if let Some(missing) = found.missing {
                context.output.warning(&format!(
                    "versions {} to {} are not kept, and one of them may have been valid then",
                    missing.start(),
                    missing.end()
                ));
            }
            found.version
        }
    };
    let deleted = version.as_ref().map(|version| (version.version, version.updated_at));
    match version.and_then(|version| version.into_entity(name.clone())) {
        Some(entity) => Ok(entity),
        None => Err(missing_then(name, id, deleted).into()),
    }
}

fn missing_then(
    name: &CollectionName,
    id: &EntityId,
    deleted: Option<(Version, Timestamp)>,
) -> Error {
    let why = match deleted {
        Some(_) => "the entity was deleted then",
        None => "there was no such entity then",
    };
    let error = Error::new(ErrorKind::NotFound, "get", why).with("collection", name).with("id", id);
    match deleted {
        Some((version, at)) => error.with("version", version).with("deleted_at", at),
        None => error,
    }
}

fn missing(name: &CollectionName, id: &EntityId, tombstone: Option<&Record>) -> Error {
    let why = if tombstone.is_some() { "the entity was deleted" } else { "no such entity" };
    let error = Error::new(ErrorKind::NotFound, "get", why).with("collection", name).with("id", id);
    match tombstone {
        Some(record) => {
            error.with("version", record.version()).with("deleted_at", record.updated_at())
        }
        None => error,
    }
}
