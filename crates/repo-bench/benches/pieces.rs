//! The hot pieces by themselves: checking a document, its digest, a filter, a
//! frame of the journal, an item of DynamoDB. `cargo bench -p repo-bench`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use repo_bench::{document_text, schema};
use repo_core::strategy::Record;
use repo_core::{Document, Entity, EntityId, FieldPath, Filter, Timestamp, Value, Version};
use repo_dynamo::measured::Mapping;
use repo_json::measured::{decode, frame, payload};

fn documents(criterion: &mut Criterion) {
    let text = document_text(7, 0);
    let document = Document::parse(&text).unwrap();
    let schema = schema().unwrap();
    let Some(Value::String(id)) = document.get(&schema.id_field) else { return };
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

/// Machines with the numbers from 0.
fn records(how_many: u64) -> Vec<Record> {
    let schema = schema().unwrap();
    let time = Timestamp::from_micros(1_772_000_000_000_000).unwrap();
    let record = |number| {
        let document = Document::parse(&document_text(number, 0)).unwrap();
        let id = match document.get(&schema.id_field) {
            Some(Value::String(id)) => EntityId::new(&id).unwrap(),
            other => panic!("{other:?} is no id"),
        };
        let (collection, version) = (schema.collection.clone(), Version::FIRST);
        Record::Live(Entity {
            collection,
            id,
            version,
            created_at: time,
            updated_at: time,
            document,
        })
    };
    (0..how_many).map(record).collect()
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal frame");
    for how_many in [1, 64] {
        let records = records(how_many);
        let bytes = payload(&records);
        assert_eq!(decode(&bytes), records.len());
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("payload of {how_many}"), |bench| {
            bench.iter(|| payload(black_box(&records)));
        });
        group.bench_function(format!("frame of {how_many}"), |bench| {
            bench.iter(|| frame(black_box(&bytes)));
        });
        group.bench_function(format!("decode {how_many}"), |bench| {
            bench.iter(|| decode(black_box(&bytes)));
        });
    }
    group.finish();
}

fn items(criterion: &mut Criterion) {
    let mapping = Mapping::new(schema().unwrap());
    let record = &records(1)[0];
    let item = mapping.item(record);
    assert_eq!(mapping.record(&item).unwrap().as_ref(), Some(record));
    let mut group = criterion.benchmark_group("item");
    group.bench_function("of a record", |bench| bench.iter(|| mapping.item(black_box(record))));
    group.bench_function("to a record", |bench| bench.iter(|| mapping.record(black_box(&item))));
    group.finish();
}

criterion_group!(pieces, documents, filters, frames, items);
criterion_main!(pieces);
