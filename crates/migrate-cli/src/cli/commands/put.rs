//! `repoctl put`: stores one document under the id that it carries.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, unreadable, usage};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Document, Key, Precondition, Result, Version};
use serde_json::json;

use crate::cli::attribution::{self, AttributionArgs};
use crate::cli::context::{Access, Context, collection};
use repo_migrate::refuse_unfinished_upgrade;

/// What can be typed after `put`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The file with the document; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Refuse if the entity is already there
    #[arg(long, conflicts_with = "expect_version")]
    create: bool,
    /// Refuse unless the entity has this version
    #[arg(long, value_name = "N")]
    expect_version: Option<u64>,
    #[command(flatten)]
    by: AttributionArgs,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let precondition = match self.expect_version {
            Some(number) => Precondition::Version(Version::new(number).map_err(usage)?),
            None if self.create => Precondition::Absent,
            None => Precondition::Any,
        };
        let document = Document::from_slice(&read(&self.file)?)
            .map_err(|error| error.with("file", self.file.display()))?;
        let by = self.by.parse()?;
        let opened = context.open(Access::Write).await?;
        let store = attribution::around(by, &opened.store);
        let work = async {
            refuse_unfinished_upgrade(&opened.store, &name).await?;
            let key = Key::new(name.clone(), opened.schema(&name).id_of(&document)?);
            let entity = store.put(key, document.clone(), precondition).await?;
            let answer = json!({
                "collection": entity.collection,
                "id": entity.id,
                "version": entity.version,
                "created_at": entity.created_at,
                "updated_at": entity.updated_at,
            });
            context
                .output
                .result(&answer, || format!("{} is at version {}", entity.key(), entity.version))?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let done = if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    done.map_err(|source| unreadable("put", path, source))?;
    Ok(bytes)
}
