//! What layers cost, around the store that costs the least: reads by id and
//! commits of one write in memory, alone and through layers.
//! `cargo bench -p repo-bench --bench layers`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use repo_bench::{document_text, schema};
use repo_core::strategy::{OpenOptions, StorageStrategyExt as _};
use repo_core::{Document, Key, MemoryStrategy};
use repo_layers::{
    CacheLayer, ConcurrencyLimitLayer, Inner, Layer, MetricsLayer, RetryLayer, TimeoutLayer,
    TracingLayer,
};

/// Hands everything on.
#[derive(Debug)]
struct PassThrough;

impl Layer for PassThrough {}

const CALLS: u64 = 100;

fn stacks(store: &Inner) -> Vec<(&'static str, Inner)> {
    let store = || Arc::clone(store);
    let timeout = || {
        let long = Duration::from_secs(60);
        TimeoutLayer::new().read(long).write(long)
    };
    let limit = || ConcurrencyLimitLayer::new(NonZeroUsize::MIN);
    let cache = || CacheLayer::new(CacheLayer::MAX_BYTES, Duration::from_secs(3_600)).unwrap();
    let all = RetryLayer::default().around(timeout().around(limit().around(store())));
    vec![
        ("no layer", store()),
        ("a layer that does nothing", PassThrough.around(store())),
        ("retry", RetryLayer::default().around(store())),
        ("timeout", timeout().around(store())),
        ("concurrency limit", limit().around(store())),
        ("tracing, nobody listens", TracingLayer::new().around(store())),
        ("metrics, nobody listens", MetricsLayer::new().around(store())),
        ("cache", cache().around(store())),
        ("cache that keeps what is written", cache().keep_written().around(store())),
        ("all of them but the cache", TracingLayer::new().around(MetricsLayer::new().around(all))),
    ]
}

fn layers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let schema = schema().unwrap();
    let store: Inner = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    let document = Document::parse(&document_text(7, 0)).unwrap();
    let key = Key::new(schema.collection.clone(), schema.id_of(&document).unwrap());
    runtime.block_on(store.prepare(&[schema])).unwrap();
    runtime.block_on(store.save(key.clone(), document.clone())).unwrap();

    let mut group = criterion.benchmark_group("get through layers");
    group.throughput(Throughput::Elements(CALLS));
    for (name, store) in stacks(&store) {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                runtime.block_on(async {
                    for _ in 0..CALLS {
                        black_box(store.get(&key.collection, &key.id).await.unwrap());
                    }
                });
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("save through layers");
    group.throughput(Throughput::Elements(CALLS));
    for (name, store) in stacks(&store) {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                runtime.block_on(async {
                    for _ in 0..CALLS {
                        let saved = store.save(key.clone(), document.clone()).await;
                        black_box(saved.unwrap());
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
