//! DynamoDB against the AWS SDK: the same calls, as many at the same time.
//!
//! Each time of a load goes into tables of its own, which ours makes for both
//! sides.

use std::sync::Arc;
use std::time::Instant;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;
use repo_core::Result;
use repo_core::strategy::Record;
use repo_dynamo::{DynamoSettings, DynamoStrategy};

use super::servers::unique;
use crate::bench::Bench;
use crate::data;
use crate::grouping::grouped;
use crate::measure::Timed;
use crate::ours::{self, Store};
use crate::raw::dynamo::{Item, Raw};
use crate::row::{Bound, Measure, Row};

static LOAD: Row = Row {
    name: "dynamodb.load",
    what: "apply of batches of 1,000 into an empty table",
    against: "the same conditional PutItem by the SDK, as many at once",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.95)),
};
static BATCHES: Row = Row {
    name: "dynamodb.load_batches",
    what: "apply of batches of 1,000 after prepare_for_load, and the prepare that ends it",
    against: "BatchWriteItem of 25 without any condition, 8 at once",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.8)),
};
static SCAN: Row = Row {
    name: "dynamodb.scan",
    what: "scan of all records",
    against: "Scan by the SDK in pages of the same size",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(0.95)),
};

pub(super) static ROWS: [&Row; 3] = [&LOAD, &BATCHES, &SCAN];

/// Requests of ours under way at the same time in one `apply`.
const AT_ONCE: usize = 32;
const BATCHES_AT_ONCE: usize = 8;
const PAGE: i32 = 1_000;

/// A configuration for DynamoDB Local, with credentials that mean nothing. It
/// keeps a database for each access key, so all runs share one.
fn config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("BENCH", "not a secret", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Empty tables that ours made.
struct Tables {
    store: Store,
    raw: Raw,
    prefix: String,
}

impl Tables {
    async fn make(config: &SdkConfig) -> Result<Self> {
        let tables = Self::open(config).await?;
        tables.store.prepare(&[data::schema()?]).await?;
        Ok(tables)
    }

    /// The same, to be filled before anybody else can use them.
    async fn make_for_load(config: &SdkConfig) -> Result<Self> {
        let tables = Self::open(config).await?;
        tables.store.prepare_for_load(&[data::schema()?]).await?;
        Ok(tables)
    }

    async fn open(config: &SdkConfig) -> Result<Self> {
        let prefix = unique("tables");
        let settings = DynamoSettings { table_prefix: prefix.clone(), ..DynamoSettings::default() };
        let store = DynamoStrategy::open_with(config, settings, ours::options(false)?).await?;
        let store: Store = Arc::new(store);
        let raw = Raw::new(config, format!("{prefix}_{}", data::COLLECTION));
        Ok(Self { store, raw, prefix })
    }

    async fn remove(self) -> Result<()> {
        self.store.close().await?;
        for name in [data::COLLECTION, "_store"] {
            self.raw.drop_table(&format!("{}_{name}", self.prefix)).await?;
        }
        Ok(())
    }
}

pub(super) async fn run(bench: &mut Bench, url: &str) -> Result<()> {
    if !bench.wants_any(&ROWS) {
        return Ok(());
    }
    let config = config(url);
    let kept = Tables::make(&config).await?;
    let done = measure(bench, &config, &kept).await;
    kept.remove().await?;
    done
}

async fn measure(bench: &mut Bench, config: &SdkConfig, kept: &Tables) -> Result<()> {
    let count = bench.scale().dynamo;
    let at = format!("{} entities", grouped(count));
    let records = data::records(0..count)?;
    let batches: Vec<Vec<Record>> = records.chunks(ours::BATCH).map(<[Record]>::to_vec).collect();

    ours::load(&kept.store, batches.clone()).await?;
    // What ours stores is what the raw side stores.
    let items = kept.raw.items().await?;

    let ours = async || load_ours(config, batches.clone(), false).await;
    let puts = async || load_raw(config, items.clone(), false).await;
    bench.compare(&LOAD, at.clone(), ours, puts).await?;
    let ours = async || load_ours(config, batches.clone(), true).await;
    let in_batches = async || load_raw(config, items.clone(), true).await;
    bench.compare(&BATCHES, at.clone(), ours, in_batches).await?;

    let ours = async || ours::scan(&kept.store, count).await;
    bench.compare(&SCAN, at, ours, async || kept.raw.scan(PAGE, count).await).await
}

async fn load_ours(
    config: &SdkConfig,
    batches: Vec<Vec<Record>>,
    as_a_load: bool,
) -> Result<Timed> {
    let tables =
        if as_a_load { Tables::make_for_load(config).await? } else { Tables::make(config).await? };
    let begin = Instant::now();
    let mut time = ours::load(&tables.store, batches).await?;
    if as_a_load {
        tables.store.prepare(&[data::schema()?]).await?;
        time.elapsed = begin.elapsed();
    }
    tables.remove().await?;
    Ok(time)
}

async fn load_raw(config: &SdkConfig, items: Vec<Item>, in_batches: bool) -> Result<Timed> {
    let tables = Tables::make(config).await?;
    let time = if in_batches {
        tables.raw.load_in_batches(items, BATCHES_AT_ONCE).await
    } else {
        tables.raw.load(items, AT_ONCE).await
    };
    tables.remove().await?;
    time
}
