//! `repo-server keys`.

use std::sync::Arc;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, usage};
use cli_output::output::{Output, cell, draw, table};
use repo_core::{EntityId, SystemClock};
use serde_json::json;

use crate::auth::{ApiKey, KeyRing, Scope};
use crate::config::Place;
use crate::server::open_beside;

/// What can be typed after `keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key. It is shown once, and never again
    Create {
        /// What people call it
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Whose it is: what is stored with it belongs to this user [default: the name]
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
        /// What it is for; admin is everything
        #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "read,write")]
        scopes: Vec<Scope>,
    },
    /// List the keys, without what is secret
    List,
    /// Make a key useless, at once and for ever
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

impl KeysCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn run(self, place: &Place, output: Output) -> Outcome<Ending> {
        place.make_data_folder()?;
        let store = open_beside(place).await?.store;
        let keys = KeyRing::new(Arc::clone(&store), Arc::new(SystemClock))?;
        let done = self.on(&keys, output).await;
        let closed = store.close().await;
        done?;
        output.closed(closed);
        Ok(Ending::Done)
    }

    async fn on(self, keys: &KeyRing, output: Output) -> Outcome<()> {
        match self {
            Self::Create { name, owner, scopes } => {
                let owner = owner.as_deref().unwrap_or(&name);
                let made = keys.create(&name, owner, scopes.into_iter().collect()).await;
                let (key, text) = made.map_err(usage)?;
                let mut view = view(&key);
                view["key"] = json!(text.reveal());
                output.result(&view, || {
                    format!("{}\nthis is the key {}: it is not shown again", text.reveal(), key.id)
                })
            }
            Self::List => {
                let keys = keys.list().await?;
                let views: Vec<_> = keys.iter().map(view).collect();
                output.result(&json!({ "keys": views }), || human(&keys))
            }
            Self::Revoke { id } => {
                let id = EntityId::new(&id).map_err(usage)?;
                let key = keys.revoke(&id).await?;
                output.result(&view(&key), || {
                    format!(
                        "the key {} is of no use any more; a server may take 2 seconds to see it",
                        key.id
                    )
                })
            }
        }
    }
}

/// A key without its hash.
fn view(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "owner": key.owner,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    })
}

fn human(keys: &[ApiKey]) -> String {
    let mut table = table(&["id", "name", "owner", "scopes", "made", "revoked"]);
    for key in keys {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let revoked = key.revoked_at.map(|at| at.to_string()).unwrap_or_default();
        let made = key.created_at.to_string();
        let (name, owner) = (cell(&key.name), cell(&key.owner));
        table.add_row([key.id.clone(), name, owner, scopes.join(","), made, revoked]);
    }
    draw(&table)
}
