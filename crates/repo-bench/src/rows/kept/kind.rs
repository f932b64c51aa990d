//! The kinds of stores, and how one is made.

use repo_core::Result;

use super::rows::{JSON, POSTGRES, Rows, SQLITE};
use crate::bench::Bench;
use crate::grouping::grouped;
use crate::ours::{self, Store};
use crate::rows::postgres::{self, Server};
use crate::rows::servers::unique;

/// Where stores are made.
pub(in crate::rows) enum Kind {
    Json,
    Sqlite,
    /// On the server of this URL.
    Postgres(String),
}

/// A store that was made for a row.
pub(super) struct Made {
    pub(super) store: Store,
    /// Its schema on a server.
    schema: Option<(Server, String)>,
    at: String,
}

impl Kind {
    pub(super) fn rows(&self) -> &'static Rows {
        match self {
            Self::Json => &JSON,
            Self::Sqlite => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// An open store that holds nothing and is not prepared.
    pub(super) async fn empty(&self, bench: &Bench, word: &str, connections: u32) -> Result<Made> {
        let (store, schema, at) = match self {
            Self::Json => {
                let folder = bench.path(&format!("json-{word}"));
                (ours::open_json(&folder, false).await?, None, folder.display().to_string())
            }
            Self::Sqlite => {
                let file = bench.path(&format!("sqlite-{word}.db"));
                (ours::open_sqlite(&file, false).await?, None, file.display().to_string())
            }
            Self::Postgres(url) => {
                let schema = unique(word);
                let store = postgres::open(url, &schema, connections).await?;
                (store, Some((Server::at(url), schema.clone())), schema)
            }
        };
        Ok(Made { store, schema, at })
    }

    /// A store of so many machines, in its resting form.
    pub(super) async fn filled(
        &self,
        bench: &Bench,
        word: &str,
        machines: usize,
        connections: u32,
    ) -> Result<Made> {
        let name = self.name();
        bench.say(&format!("{name}: making a store of {} entities", grouped(machines)));
        let made = self.empty(bench, word, connections).await?;
        ours::fill(&made.store, machines).await?;
        made.settle().await?;
        Ok(made)
    }

    /// Another handle of the same store.
    pub(super) async fn opened_again(&self, made: &Made) -> Result<Store> {
        match self {
            Self::Json => ours::open_json(made.at.as_ref(), false).await,
            Self::Sqlite => ours::open_sqlite(made.at.as_ref(), false).await,
            Self::Postgres(url) => postgres::open(url, &made.at, 2).await,
        }
    }
}

impl Made {
    pub(super) async fn settle(&self) -> Result<()> {
        self.store.checkpoint().await?;
        match &self.schema {
            Some((server, schema)) => server.settle(schema).await,
            None => Ok(()),
        }
    }

    pub(super) async fn end(self) -> Result<()> {
        self.store.close().await?;
        match &self.schema {
            Some((server, schema)) => server.remove(schema).await,
            None => Ok(()),
        }
    }
}
