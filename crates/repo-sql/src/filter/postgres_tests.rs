//! Conditions against the filters they came from, on a PostgreSQL server.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use repo_core::Document;
use repo_testkit::generate;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row};

use super::tests::{Answer, assert_true, key, questions, things};
use super::*;
use crate::Dialect;
use crate::bind::Param;
use crate::dialect::MARK;

/// A connection with tables of its own, which end with it.
async fn connect() -> Client {
    let url = repo_testkit::servers::postgres();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = crate::ddl(Dialect::Postgres, [&things()]).unwrap();
    // A scan that is off costs so much that it would be compiled.
    let set = "SET search_path = pg_temp; SET enable_seqscan = off; SET jit = off";
    client.batch_execute(&format!("{set}; {tables}")).await.unwrap();
    client
}

/// Puts the documents into the table, with a tombstone after each, until the
/// transaction is rolled back.
async fn fill(client: &Client, documents: &[Document]) {
    let ids: Vec<String> = (0..documents.len()).map(|n| key(n).id.to_string()).collect();
    let texts: Vec<&str> = documents.iter().map(Document::as_str).collect();
    let sql = "INSERT INTO things_records SELECT id || suffix, 1, 0, 0, \
               CASE WHEN suffix = '' THEN document::jsonb END \
               FROM unnest($1::text[], $2::text[]) AS d(id, document), \
               unnest(ARRAY['', '-gone']) AS s(suffix)";
    client.batch_execute("BEGIN").await.unwrap();
    client.execute(sql, &[&ids, &texts]).await.unwrap();
}

/// The rows of a statement with the values of a binder, which go with the types
/// with which the strategy sends them.
async fn rows(client: &Client, sql: &str, binder: &Binder) -> Vec<Row> {
    let numbered = sql.split(MARK).enumerate().map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => format!("${part}"),
    });
    let mut types = Vec::new();
    let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
    for param in binder.params() {
        let (of, value): (Type, &(dyn ToSql + Sync)) = match param {
            Param::Text(text) => (Type::TEXT, text),
            Param::Integer(number) => (Type::INT8, number),
            Param::Real(number) => (Type::FLOAT8, number),
            Param::Texts(texts) => (Type::TEXT_ARRAY, texts),
        };
        types.push(of);
        values.push(value);
    }
    let statement = client.prepare_typed(&numbered.collect::<String>(), &types).await.unwrap();
    client.query(&statement, &values).await.unwrap()
}

async fn check(client: &Client, filter: &Filter, documents: &[Document]) {
    fill(client, documents).await;
    let layout = CollectionLayout::new(Dialect::Postgres, &things()).unwrap();
    let mut binder = Binder::new(Dialect::Postgres);
    let condition = push(filter, &layout, &mut binder);
    let sql = format!(
        "SELECT {} FROM things_records ORDER BY length(thing_id), thing_id",
        questions(&condition)
    );
    // Ids with a suffix are longer, so tombstones come last.
    let found = rows(client, &sql, &binder).await;
    let answer = |number: usize| Answer {
        live: found[number].get(0),
        tombstone: found[number + documents.len()].get(0),
        in_index: found[number].get(1),
    };
    assert_eq!(found.len(), documents.len() * 2);
    let answers: Vec<Answer> = (0..documents.len()).map(answer).collect();
    assert_true(filter, &condition, documents, &answers);
    assert_index_serves(client, &layout, &condition, &binder).await;
    client.batch_execute("ROLLBACK").await.unwrap();
}

/// Where an index begins with a column that is searched, the server can use it.
async fn assert_index_serves(
    client: &Client,
    layout: &CollectionLayout,
    condition: &Condition,
    binder: &Binder,
) {
    let leads = |index: &crate::layout::Index| condition.searched.contains(&index.keys[0]);
    if !layout.indexes.iter().any(leads) {
        return;
    }
    let sql = format!("EXPLAIN SELECT 1 FROM things_records WHERE {}", condition.sql);
    let plan: Vec<String> = rows(client, &sql, binder).await.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    // Or it saw that the condition is never true.
    assert!(
        plan.contains("Index Cond") || plan.contains("One-Time Filter: false"),
        "{condition:?}\n{plan}"
    );
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn every_match_satisfies_the_condition() {
    let runtime = runtime();
    let client = runtime.block_on(connect());
    let cases = (generate::filter(), proptest::collection::vec(generate::fields(), 1..8));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let outcome = runner.run(&cases, |(filter, fields)| {
        let documents: Vec<Document> = fields
            .iter()
            .enumerate()
            .map(|(number, fields)| fields.document(&key(number), key(number).id.as_str()))
            .collect();
        // A failure is tried again with less, in a transaction of its own.
        runtime.block_on(async {
            client.batch_execute("ROLLBACK").await.unwrap();
            check(&client, &Filter::parse(&filter).unwrap(), &documents).await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
}

fn pushed(filter: &str) -> Condition {
    let layout = CollectionLayout::new(Dialect::Postgres, &things()).unwrap();
    let mut binder = Binder::new(Dialect::Postgres);
    push(&Filter::parse(filter).unwrap(), &layout, &mut binder)
}

#[test]
fn what_a_count_needs_is_exact() {
    for filter in [
        r#"{"status":"on"}"#,
        r#"{"status":{"$in":["on","off"]},"flag":true}"#,
        r#"{"price":1}"#,
        r#"{"price":{"$ge":12345678901234567890.5}}"#,
        r#"{"any":{"$in":[1,"x",null,true]}}"#,
        r#"{"tags":{"$contains":"x"}}"#,
        r#"{"$not":{"price":{"$lt":5}}}"#,
        "{}",
    ] {
        assert!(pushed(filter).exact, "{filter}: {:?}", pushed(filter));
    }
    for filter in [r#"{"status":{"$regex":"o"}}"#, r#"{"tags":["x"]}"#, r#"{"meta":{"a":1}}"#] {
        assert!(!pushed(filter).exact, "{filter}");
    }
}

#[test]
fn filters_of_any_size_make_statements_that_run() {
    let runtime = runtime();
    let client = runtime.block_on(connect());
    let path = FieldPath::parse("status").unwrap();
    let one = || Filter::eq(path.clone(), Value::String("on".to_owned()));
    let documents = [Document::parse(r#"{"thing_id":"t-0","status":"on"}"#).unwrap()];
    let number = |n: usize| Value::Number(repo_core::Decimal::from(i64::try_from(n).unwrap()));
    for parts in [10, 200, 5_000] {
        let texts = (0..parts).map(|n| Value::String(format!("value {n}")));
        let values = (0..parts).map(number).chain(texts).chain([Value::String("on".to_owned())]);
        for filter in [
            Filter::Or((0..parts).map(|_| one()).collect()),
            Filter::And((0..parts).map(|_| one()).collect()),
            Filter::And(vec![Filter::Or(Vec::new()); parts]),
            Filter::Field(path.clone(), Predicate::In(values.collect())),
        ] {
            runtime.block_on(check(&client, &filter, &documents));
        }
    }
    let deep = (0..500).fold(one(), |filter, _| Filter::Not(Box::new(filter)));
    runtime.block_on(check(&client, &deep, &documents));
}
