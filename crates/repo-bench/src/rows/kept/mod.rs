//! What the change feed and histories cost the writer, and how they are read. Both
//! sides of these rows are the engine, or two ways to ask it.

mod feed;
mod history;
mod lag;

use repo_core::Result;

use super::postgres::{self, Server};
use super::servers::unique;
use crate::bench::Bench;
use crate::grouping::grouped;
use crate::ours::{self, Store};
use crate::row::{Bound, Measure, Row};

/// The rows of one kind of store.
pub(super) struct Rows {
    captured: Row,
    read: Row,
    follow: Row,
    lag: Row,
    history: Row,
    as_of: Row,
}

pub(super) static JSON: Rows = Rows::new(
    [
        "json.update_captured",
        "json.feed_read",
        "json.feed_follow",
        "json.feed_lag",
        "json.update_history",
        "json.as_of",
    ],
    [1.05, 1.05],
);
pub(super) static SQLITE: Rows = Rows::new(
    [
        "sqlite.update_captured",
        "sqlite.feed_read",
        "sqlite.feed_follow",
        "sqlite.feed_lag",
        "sqlite.update_history",
        "sqlite.as_of",
    ],
    [1.15, 1.2],
);
pub(super) static POSTGRES: Rows = Rows::new(
    [
        "postgresql.update_captured",
        "postgresql.feed_read",
        "postgresql.feed_follow",
        "postgresql.feed_lag",
        "postgresql.update_history",
        "postgresql.as_of",
    ],
    [1.1, 1.2],
);

impl Rows {
    /// With the bounds of an update that is captured, and of one whose version is kept.
    const fn new(names: [&'static str; 6], [captured, history]: [f64; 2]) -> Self {
        let [captured_name, read, follow, lag, history_name, as_of] = names;
        Self {
            captured: Row {
                name: captured_name,
                what: "one conditional update while changes are captured",
                against: "the same update while they are not",
                measure: Measure::Time,
                bound: Some(Bound::AtMost(captured)),
            },
            read: Row {
                name: read,
                what: "reading the feed, 1,000 changes with their records at once",
                against: "a scan of as many records",
                measure: Measure::Rate,
                bound: None,
            },
            follow: Row {
                name: follow,
                what: "changes that a consumer gets while 8 callers write",
                against: "what they write while no consumer follows",
                measure: Measure::Rate,
                bound: None,
            },
            lag: Row {
                name: lag,
                what: "from its acknowledgement until the consumer has a change: 99 of 100",
                against: "nothing",
                measure: Measure::Time,
                bound: None,
            },
            history: Row {
                name: history_name,
                what: "one conditional update while the history is kept",
                against: "the same update while it is not",
                measure: Measure::Time,
                bound: Some(Bound::AtMost(history)),
            },
            as_of: Row {
                name: as_of,
                what: "what an entity of 10 versions was at a time",
                against: "a get of the same entity",
                measure: Measure::Time,
                bound: None,
            },
        }
    }

    pub(super) fn all(&'static self) -> [&'static Row; 6] {
        [&self.captured, &self.read, &self.follow, &self.lag, &self.history, &self.as_of]
    }
}

/// Where stores are made.
pub(super) enum Kind {
    Json,
    Sqlite,
    /// On the server of this URL.
    Postgres(String),
}

/// A store that was made for a row.
struct Made {
    store: Store,
    /// Its schema on a server.
    schema: Option<(Server, String)>,
    at: String,
}

impl Kind {
    fn rows(&self) -> &'static Rows {
        match self {
            Self::Json => &JSON,
            Self::Sqlite => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// An open store that holds nothing and is not prepared.
    async fn empty(&self, bench: &Bench, word: &str, connections: u32) -> Result<Made> {
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
    async fn filled(
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
    async fn opened_again(&self, made: &Made) -> Result<Store> {
        match self {
            Self::Json => ours::open_json(made.at.as_ref(), false).await,
            Self::Sqlite => ours::open_sqlite(made.at.as_ref(), false).await,
            Self::Postgres(url) => postgres::open(url, &made.at, 2).await,
        }
    }
}

impl Made {
    async fn settle(&self) -> Result<()> {
        self.store.checkpoint().await?;
        match &self.schema {
            Some((server, schema)) => server.settle(schema).await,
            None => Ok(()),
        }
    }

    async fn end(self) -> Result<()> {
        self.store.close().await?;
        match &self.schema {
            Some((server, schema)) => server.remove(schema).await,
            None => Ok(()),
        }
    }
}

/// Measures the rows of a kind of store that are asked for.
pub(super) async fn run(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let rows = kind.rows();
    if bench.wants_any(&[&rows.captured, &rows.read]) {
        Box::pin(feed::run(bench, kind)).await?;
    }
    if bench.wants_any(&[&rows.follow, &rows.lag]) {
        Box::pin(lag::run(bench, kind)).await?;
    }
    if bench.wants(&rows.history) {
        Box::pin(history::updates(bench, kind)).await?;
    }
    if bench.wants(&rows.as_of) {
        Box::pin(history::as_of(bench, kind)).await?;
    }
    Ok(())
}
