//! The work of the rows through the engine. Each function gives the time of the
//! work alone; what a caller would have in hand before is made outside of it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_core::strategy::{
    Applied, OpenOptions, Record, ScanOptions, StorageStrategy, StorageStrategyExt as _,
    StrategyFactory,
};
use repo_core::{
    AggregateValue, Aggregation, Document, EntityId, Error, FieldPath, Filter, Precondition,
    Predicate, Query, Result, Schemas, Value, Version, Write,
};
use repo_lease::{LeaseScope, LeaseTtl, Leases};
use serde_json::{Value as Json, json};

use crate::data::{self, MACHINES_OF_A_REQUEST, Totals};
use crate::errors;
use crate::measure::{Timed, timed};
use crate::plan::Update;

/// An open store.
pub(crate) type Store = Arc<dyn StorageStrategy>;

/// Records of one `apply` when a store is filled.
pub(crate) const BATCH: usize = 1_000;

pub(crate) fn options(read_only: bool) -> Result<OpenOptions> {
    let schemas: Schemas = std::iter::once(data::schema()?).collect();
    Ok(OpenOptions::default().with_read_only(read_only).with_schemas(Arc::new(schemas)))
}

pub(crate) async fn open(
    factory: &dyn StrategyFactory,
    settings: &Json,
    read_only: bool,
) -> Result<Store> {
    factory.open(settings, options(read_only)?).await
}

/// The JSON store in a folder, with the settings that are the default.
pub(crate) async fn open_json(folder: &Path, read_only: bool) -> Result<Store> {
    open(&repo_json::JsonFactory, &json!({ "base_path": folder }), read_only).await
}

/// The SQLite store in a file.
pub(crate) async fn open_sqlite(file: &Path, read_only: bool) -> Result<Store> {
    open(&repo_sql::SqliteFactory, &json!({ "name": file }), read_only).await
}

/// Prepares a store and fills it.
pub(crate) async fn fill(store: &Store, machines: usize) -> Result<()> {
    let schema = [data::schema()?];
    store.prepare_for_load(&schema).await?;
    for start in (0..machines).step_by(BATCH) {
        let records = data::records(start..machines.min(start + BATCH))?;
        apply(store, records).await?;
    }
    store.prepare(&schema).await?;
    Ok(())
}

/// One `apply`, of records that are all new.
pub(crate) async fn apply(store: &Store, records: Vec<Record>) -> Result<()> {
    let asked = records.len();
    let answers = store.apply(records).await?;
    let applied = answers.iter().filter(|answer| **answer == Applied::Applied).count();
    errors::expect("apply", asked, applied)
}

/// One conditional update after the other.
pub(crate) async fn updates(store: &Store, plan: &[Update]) -> Result<Timed> {
    timed(plan.len(), async {
        for update in plan {
            one_update(store, update).await?;
        }
        Ok(())
    })
    .await
}

async fn one_update(store: &Store, update: &Update) -> Result<()> {
    let document = Document::parse(&update.text)?;
    let expected = Version::new(update.expected)?;
    store.update(data::key(&update.id)?, document, expected).await?;
    Ok(())
}

/// The same by so many callers at the same time.
pub(crate) async fn updates_at_once(
    store: &Store,
    plan: Vec<Update>,
    callers: usize,
) -> Result<Timed> {
    let operations = plan.len();
    let mut parts: Vec<Vec<Update>> = (0..callers.max(1)).map(|_| Vec::new()).collect();
    for (at, update) in plan.into_iter().enumerate() {
        parts[at % callers.max(1)].push(update);
    }
    timed(operations, async {
        let tasks: Vec<_> = parts
            .into_iter()
            .map(|part| {
                let store = Arc::clone(store);
                tokio::spawn(async move {
                    for update in &part {
                        one_update(&store, update).await?;
                    }
                    Ok::<(), Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await.map_err(errors::raw("commit"))??;
        }
        Ok(())
    })
    .await
}

/// Commits of `size` conditional updates each.
pub(crate) async fn commits(store: &Store, plan: &[Update], size: usize) -> Result<Timed> {
    let groups = plan.chunks(size.max(1));
    timed(groups.len(), async {
        for group in groups {
            let mut writes = Vec::with_capacity(group.len());
            for update in group {
                let expected = Precondition::Version(Version::new(update.expected)?);
                let document = Document::parse(&update.text)?;
                writes.push(Write::put(data::key(&update.id)?, document, expected));
            }
            store.commit(writes).await?;
        }
        Ok(())
    })
    .await
}

/// One read by id after the other.
pub(crate) async fn gets(store: &Store, ids: &[String]) -> Result<Timed> {
    let collection = data::collection()?;
    timed(ids.len(), async {
        for id in ids {
            let found = store.get(&collection, &EntityId::new(id)?).await?;
            errors::expect("get", 1, usize::from(found.is_some()))?;
        }
        Ok(())
    })
    .await
}

/// `apply` of batches, one after the other.
pub(crate) async fn load(store: &Store, batches: Vec<Vec<Record>>) -> Result<Timed> {
    let operations = batches.iter().map(Vec::len).sum();
    timed(operations, async {
        for batch in batches {
            apply(store, batch).await?;
        }
        Ok(())
    })
    .await
}

/// One query on an indexed field after the other.
pub(crate) async fn queries(store: &Store, requests: &[u64]) -> Result<Timed> {
    let collection = data::collection()?;
    let field = FieldPath::parse("request_id")?;
    timed(requests.len(), async {
        for request in requests {
            let wanted = Predicate::Eq(Value::String(data::request_id(*request)));
            let filter = Filter::Field(field.clone(), wanted);
            let page = store.query(&collection, &Query::new(filter)).await?;
            errors::expect("query", MACHINES_OF_A_REQUEST, page.entities.len())?;
        }
        Ok(())
    })
    .await
}

/// All records.
pub(crate) async fn scan(store: &Store, expected: usize) -> Result<Timed> {
    let collection = data::collection()?;
    timed(expected, async {
        let batch_size = NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN);
        let options = ScanOptions::default().with_batch_size(batch_size);
        let mut batches = store.scan(&collection, options).await?;
        let mut found = 0;
        while let Some(batch) = batches.try_next().await? {
            found += batch.records.len();
        }
        errors::expect("scan", expected, found)
    })
    .await
}

/// How many entities have each status, once.
pub(crate) async fn groups(store: &Store, expected: usize) -> Result<Timed> {
    let collection = data::collection()?;
    let asked = Aggregation::new(Filter::default()).group_by("status")?.count()?;
    timed(1, async {
        let answer = store.aggregate(&collection, &asked).await?;
        let counts = answer.rows.iter().map(|row| match row.values.as_slice() {
            [AggregateValue::Count(count)] => *count,
            _ => 0,
        });
        let counted: u64 = counts.sum();
        errors::expect("group", expected, usize::try_from(counted).unwrap_or(usize::MAX))
    })
    .await
}

/// How many entities have each status, and how many processors they have together, once.
pub(crate) async fn sums(store: &Store, expected: Totals) -> Result<Timed> {
    let collection = data::collection()?;
    let asked = Aggregation::new(Filter::default()).group_by("status")?.count()?.sum("vcpus")?;
    timed(1, async {
        let answer = store.aggregate(&collection, &asked).await?;
        let mut found = Totals::default();
        for row in &answer.rows {
            if let [AggregateValue::Count(count), AggregateValue::Sum { sum, .. }] =
                row.values.as_slice()
            {
                found.add(*count, sum.to_string().parse().map_err(errors::raw("sum"))?);
            }
        }
        expected.expect(found)
    })
    .await
}

/// Leases in a store, which is prepared for them.
pub(crate) async fn leases(store: &Store) -> Result<Leases> {
    let leases = Leases::new(Arc::clone(store));
    leases.prepare().await?;
    Ok(leases)
}

/// One lease that nobody else wants, acquired again and again, and given back each time.
pub(crate) async fn lease_turns(leases: &Leases, count: usize) -> Result<Timed> {
    let (scope, ttl) = (LeaseScope::new("bench")?, LeaseTtl::new(Duration::from_secs(60))?);
    timed(count, async {
        for _ in 0..count {
            leases.acquire(&scope, ttl).await?.release().await?;
        }
        Ok(())
    })
    .await
}
