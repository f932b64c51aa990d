//! The hot pieces of the core by themselves: checking a document, its digest,
//! a filter. `cargo bench -p repo-bench`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use repo_bench::{document_text, schema};
use repo_core::{Document, EntityId, FieldPath, Filter};

fn documents(criterion: &mut Criterion) {
    let text = document_text(7, 0);
    let document = Document::parse(&text).unwrap();
    let schema = schema().unwrap();
    let Some(repo_core::Value::String(id)) = document.get(&schema.id_field) else { return };
    let id = EntityId::new(&id).unwrap();

    let mut group = criterion.benchmark_group("document");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse", |bench| {
        bench.iter(|| Document::parse(black_box(&text)));
    });
    group.bench_function("parse by serde_json", |bench| {
        bench.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&text)));
    });
    group.bench_function("check against a schema's rules", |bench| {
        bench.iter(|| schema.check_document(&id, black_box(&document), 400_000));
    });
    group.bench_function("digest", |bench| bench.iter(|| black_box(&document).digest()));
    group.bench_function("to_value", |bench| bench.iter(|| black_box(&document).to_value()));
    let path = FieldPath::parse("metadata.spot_price").unwrap();
    group.bench_function("get one field", |bench| bench.iter(|| document.get(black_box(&path))));
    group.finish();
}

fn filters(criterion: &mut Criterion) {
    let document = Document::parse(&document_text(7, 0)).unwrap();
    let mut group = criterion.benchmark_group("filter");
    for (name, text) in [
        ("equal", r#"{"status": "running"}"#),
        ("range", r#"{"metadata.spot_price": {"$ge": 0.01, "$lt": 0.5}}"#),
        ("several", r#"{"$or": [{"status": {"$in": ["pending", "stopped"]}}, {"vcpus": 8}]}"#),
        ("regex", r#"{"name": {"$regex": "^host-0+7\\."}}"#),
    ] {
        let filter = Filter::parse(text).unwrap();
        group.bench_function(name, |bench| bench.iter(|| filter.matches(black_box(&document))));
    }
    group.finish();
}

criterion_group!(pieces, documents, filters);
criterion_main!(pieces);
