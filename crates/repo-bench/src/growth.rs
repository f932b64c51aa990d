//! How the cost of an operation grows with what a store holds.

use std::io::Write as _;
use std::path::PathBuf;

use repo_core::{Error, ErrorKind, Result};
use serde::Serialize;
use tempfile::TempDir;

use crate::data::MACHINES_OF_A_REQUEST;
use crate::grouping::grouped;
use crate::machine::Machine;
use crate::measure::Spread;
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::rows::Server;

/// The sizes, each ten times the one before.
const SIZES: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// Operations in one time.
const OPERATIONS: usize = 20;
/// Times of each point; one more comes before them.
const TIMES: usize = 15;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct GrowthOptions {
    /// Most entities in a store: sizes above are left out.
    pub most: usize,
    /// The folder in which everything is made, and removed again.
    pub folder: PathBuf,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// Where it ran.
    pub machine: Machine,
    /// Processes that wanted a core on average in the last minute of the run.
    pub load_after: Option<f64>,
    /// A curve for each operation on each store.
    pub curves: Vec<Curve>,
}

/// One operation on one store.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// `json`, `sqlite` or `postgresql`.
    pub store: &'static str,
    /// `update`, `get` or `query`.
    pub operation: &'static str,
    /// By what the store holds, the smallest first.
    pub points: Vec<Point>,
}

/// The cost at one size.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// Entities in the store.
    pub entities: usize,
    /// Seconds for one operation.
    pub seconds_each: Spread,
}

/// One conditional update, one read by id and one query that finds 10, of each
/// store at each size. Says on standard error what it does.
///
/// # Errors
/// `ConfigInvalid` when no PostgreSQL server is named; otherwise those of the
/// stores.
pub async fn growth(options: &GrowthOptions) -> Result<Growth> {
    let place = TempDir::with_prefix_in("repo-bench-", &options.folder).map_err(|source| {
        Error::new(ErrorKind::ConfigInvalid, "make a folder for the stores", source.to_string())
            .with("folder", options.folder.display())
            .caused_by(source)
    })?;
    let server = Server::postgres().await?;
    let mut growth =
        Growth { machine: Machine::now(place.path()), load_after: None, curves: Vec::new() };
    for entities in SIZES.into_iter().filter(|size| *size <= options.most) {
        // Nobody may be listening; the figures do not depend on it.
        let _ = writeln!(std::io::stderr(), "{} entities", grouped(entities));
        let json = ours::open_json(&place.path().join(format!("json-{entities}")), false).await?;
        ours::fill(&json, entities).await?;
        growth.measure("json", &json, entities).await?;
        let file = place.path().join(format!("{entities}.db"));
        let sqlite = ours::open_sqlite(&file, false).await?;
        ours::fill(&sqlite, entities).await?;
        growth.measure("sqlite", &sqlite, entities).await?;
        let (postgres, schema) = server.open("growth").await?;
        let measured = async {
            ours::fill(&postgres, entities).await?;
            server.settle(&schema).await?;
            growth.measure("postgresql", &postgres, entities).await
        }
        .await;
        server.remove(&schema).await?;
        measured?;
    }
    growth.load_after = Machine::now(place.path()).load;
    Ok(growth)
}

impl Growth {
    async fn measure(&mut self, name: &'static str, store: &Store, entities: usize) -> Result<()> {
        store.checkpoint().await?;
        let mut book = Book::new(entities);
        let (mut updates, mut gets, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..=TIMES {
            updates.push(ours::updates(store, &book.updates(OPERATIONS)).await?);
            gets.push(ours::gets(store, &book.ids(OPERATIONS)).await?);
            let requests = book.numbers(OPERATIONS, entities / MACHINES_OF_A_REQUEST);
            queries.push(ours::queries(store, &requests).await?);
        }
        store.close().await?;
        for (operation, times) in [("update", updates), ("get", gets), ("query", queries)] {
            // The first one finds nothing in memory.
            let each = times.iter().skip(1).map(|time| time.seconds_each());
            let point = Point { entities, seconds_each: Spread::of(each) };
            self.curve(name, operation).points.push(point);
        }
        Ok(())
    }

    fn curve(&mut self, store: &'static str, operation: &'static str) -> &mut Curve {
        let is_it = |curve: &Curve| (curve.store, curve.operation) == (store, operation);
        let at = self.curves.iter().position(is_it).unwrap_or_else(|| {
            self.curves.push(Curve { store, operation, points: Vec::new() });
            self.curves.len() - 1
        });
        &mut self.curves[at]
    }
}
