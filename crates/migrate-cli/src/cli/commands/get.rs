//! `repoctl get`: one entity by its id.

use clap::Args;
use repo_core::strategy::Record;
use repo_core::{CollectionName, EntityId, Error, ErrorKind};

use crate::cli::context::{Access, Context, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::{Outcome, usage};
use crate::cli::render::{entity_json, indented};

/// What can be typed after `get`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let id = EntityId::new(&self.id).map_err(usage)?;
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            let records = opened.store.get_many(&name, std::slice::from_ref(&id)).await?;
            match records.into_iter().next().flatten() {
                Some(Record::Live(entity)) => {
                    let json = entity_json(&entity, &opened.schema(&name))?;
                    context.output.result(&json, || indented(json.get()))?;
                    Ok(Ending::Done)
                }
                other => Err(missing(&name, &id, other.as_ref()).into()),
            }
        };
        opened.close_after(work).await
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
