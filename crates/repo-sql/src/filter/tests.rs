//! Conditions against the filters they came from, on a real database.

use proptest::prelude::*;
use repo_core::{CollectionName, CollectionSchema, Decimal, Document, EntityId, Key};
use repo_testkit::{Fixture, MemoryPlace, generate};
use rusqlite::{Connection, params, params_from_iter};

use super::*;
use crate::Dialect;

pub(super) fn things() -> CollectionSchema {
    let name = CollectionName::new("things").unwrap();
    Fixture::new(MemoryPlace::default()).schemas.get(&name)
}

pub(super) fn key(number: usize) -> Key {
    let id = EntityId::new(&format!("t-{number}")).unwrap();
    Key::new(CollectionName::new("things").unwrap(), id)
}

/// A table with the documents, and a tombstone after each.
fn table(schema: &CollectionSchema, documents: &[Document]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&crate::ddl(Dialect::Sqlite, [schema]).unwrap()).unwrap();
    let sql = "INSERT INTO things_records (thing_id, _version, _created_at, _updated_at, document)
               VALUES (?1, 1, 0, 0, ?2)";
    let mut insert = connection.prepare(sql).unwrap();
    for (number, document) in documents.iter().enumerate() {
        let id = key(number).id;
        insert.execute(params![id.as_str(), document.as_str()]).unwrap();
        insert.execute(params![format!("{id}-gone"), None::<String>]).unwrap();
    }
    drop(insert);
    connection
}

/// What a database says of a document and of the tombstone that follows it.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether the condition is true for the document.
    pub(super) live: bool,
    /// Whether it is for the tombstone.
    pub(super) tombstone: bool,
    /// Whether every column that is searched holds something for it.
    pub(super) in_index: bool,
}

/// Two columns for each row: whether the condition is true, and whether an
/// index on each searched column could find it.
pub(super) fn questions(condition: &Condition) -> String {
    let there = condition.searched.iter().map(|column| format!(" AND {column} IS NOT NULL"));
    format!("({}) IS TRUE, (TRUE{})", condition.sql, there.collect::<String>())
}

/// What the claims of a condition say about the answers.
pub(super) fn assert_true(
    filter: &Filter,
    condition: &Condition,
    documents: &[Document],
    answers: &[Answer],
) {
    assert_eq!(answers.len(), documents.len());
    for (document, answer) in documents.iter().zip(answers) {
        let matches = filter.matches(document);
        let Answer { live, tombstone, in_index } = *answer;
        assert!(live || !matches, "left out: {document} by {condition:?}");
        assert!(!condition.exact || live == matches, "not exact: {document} by {condition:?}");
        assert!(!condition.only_live || !tombstone, "a tombstone: {condition:?}");
        assert!(!live || in_index, "not in the index: {document} by {condition:?}");
    }
}

fn selected(connection: &Connection, condition: &Condition, binder: &Binder) -> Vec<Answer> {
    let read = |live: &str| -> Vec<(bool, bool)> {
        let questions = questions(condition);
        let sql = format!(
            "SELECT {questions} FROM things_records WHERE document IS {live} NULL ORDER BY rowid"
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows = statement.query_map(params_from_iter(binder.params()), row);
        rows.unwrap().map(Result::unwrap).collect()
    };
    let both = read("NOT").into_iter().zip(read(""));
    both.map(|((live, in_index), (tombstone, _))| Answer { live, tombstone, in_index }).collect()
}

fn check(schema: &CollectionSchema, filter: &Filter, documents: &[Document]) {
    let connection = table(schema, documents);
    let layout = CollectionLayout::new(Dialect::Sqlite, schema).unwrap();
    let mut binder = Binder::new(Dialect::Sqlite);
    let condition = push(filter, &layout, &mut binder);
    let answers = selected(&connection, &condition, &binder);
    assert_true(filter, &condition, documents, &answers);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_match_satisfies_the_condition(
        filter in generate::filter(),
        fields in proptest::collection::vec(generate::fields(), 1..8),
    ) {
        let documents: Vec<Document> = fields
            .iter()
            .enumerate()
            .map(|(number, fields)| fields.document(&key(number), key(number).id.as_str()))
            .collect();
        check(&things(), &Filter::parse(&filter).unwrap(), &documents);
    }
}

fn pushed(filter: &str) -> Condition {
    let layout = CollectionLayout::new(Dialect::Sqlite, &things()).unwrap();
    let mut binder = Binder::new(Dialect::Sqlite);
    push(&Filter::parse(filter).unwrap(), &layout, &mut binder)
}

#[test]
fn what_a_count_needs_is_exact() {
    for filter in [
        r#"{"status":"on"}"#,
        r#"{"status":{"$in":["on","off"]},"flag":true}"#,
        r#"{"status":{"$ne":"on"}}"#,
        r#"{"free":{"$exists":false}}"#,
        r#"{"status":{"$begins_with":"o"}}"#,
        r#"{"tags":{"$contains":"x"}}"#,
        r#"{"any":{"$gt":"m"}}"#,
        r#"{"$or":[{"free":null},{"free":"x"}]}"#,
        r#"{"price":{"$lt":true}}"#,
        "{}",
    ] {
        assert!(pushed(filter).exact, "{filter}: {:?}", pushed(filter));
    }
    for filter in [
        r#"{"price":1}"#,
        r#"{"status":{"$regex":"o"}}"#,
        r#"{"tags":["x"]}"#,
        r#"{"$not":{"price":{"$lt":5}}}"#,
    ] {
        assert!(!pushed(filter).exact, "{filter}");
    }
}

#[test]
fn a_negation_of_what_is_not_exact_is_left_out() {
    assert!(pushed(r#"{"price":{"$not":{"$lt":5}}}"#).is_anything());
    let both = pushed(r#"{"status":"on","price":{"$not":{"$lt":5}}}"#);
    assert_eq!(both.sql, r#"("status" = ?1)"#);
    assert!(!both.exact);
}

#[test]
fn filters_of_any_size_make_statements_that_run() {
    let schema = things();
    let path = FieldPath::parse("status").unwrap();
    let one = || Filter::eq(path.clone(), Value::String("on".to_owned()));
    let documents = [Document::parse(r#"{"thing_id":"t-0","status":"on"}"#).unwrap()];
    for parts in [10, 200, 5_000] {
        check(&schema, &Filter::Or((0..parts).map(|_| one()).collect()), &documents);
        check(&schema, &Filter::And((0..parts).map(|_| one()).collect()), &documents);
        check(&schema, &Filter::And(vec![Filter::Or(Vec::new()); parts]), &documents);
        let values: Vec<Value> = (0..parts)
            .map(|n| Value::Number(Decimal::from(i64::try_from(n).unwrap())))
            .chain([Value::String("on".to_owned()), Value::String("off".to_owned())])
            .collect();
        check(&schema, &Filter::Field(path.clone(), Predicate::In(values)), &documents);
    }
    let deep = (0..500).fold(one(), |filter, _| Filter::Not(Box::new(filter)));
    check(&schema, &deep, &documents);
}
