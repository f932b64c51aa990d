//! What becomes of the values of a row.

use repo_core::Version;

use super::{Database, documents, entities, host_factory, open, reading, unreadable};

/// The tables as older brokers document them, with their foreign keys.
const OLDER_BROKER: &str = "
    CREATE TABLE templates (
        template_id VARCHAR(255) PRIMARY KEY, name VARCHAR(255) NOT NULL,
        provider_api VARCHAR(50) NOT NULL, vm_type VARCHAR(50) NOT NULL,
        max_number INTEGER NOT NULL, image_id VARCHAR(255), subnet_ids TEXT,
        security_group_ids TEXT, attributes TEXT,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    );
    CREATE TABLE requests (
        request_id VARCHAR(255) PRIMARY KEY, template_id VARCHAR(255) NOT NULL,
        machine_count INTEGER NOT NULL, status VARCHAR(50) NOT NULL,
        request_type VARCHAR(50) NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, completed_at TIMESTAMP,
        tags TEXT, metadata TEXT,
        FOREIGN KEY (template_id) REFERENCES templates(template_id)
    );
    CREATE TABLE machines (
        machine_id VARCHAR(255) PRIMARY KEY, request_id VARCHAR(255) NOT NULL,
        template_id VARCHAR(255) NOT NULL, status VARCHAR(50) NOT NULL,
        instance_type VARCHAR(50), provider_instance_id VARCHAR(255),
        private_ip VARCHAR(45), public_ip VARCHAR(45),
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, started_at TIMESTAMP,
        terminated_at TIMESTAMP,
        FOREIGN KEY (request_id) REFERENCES requests(request_id),
        FOREIGN KEY (template_id) REFERENCES templates(template_id)
    );
    INSERT INTO templates VALUES ('basic', 'Basic', 'RunInstances', 't3.medium', 10, NULL,
        '[\"subnet-1\", \"subnet-2\"]', '[]', '{\"ncpus\": [\"Numeric\", \"4\"]}',
        '2026-03-01 08:00:00', '2026-03-02 08:00:00.25');
    INSERT INTO requests VALUES ('r-1', 'basic', 2, 'RUNNING', 'ACQUIRE',
        '2026-03-01 09:00:00', '2026-03-01 09:00:01', NULL, '{\"Größe\": \"≥ 10\"}', '{}');
    INSERT INTO machines VALUES ('m-1', 'r-1', 'basic', 'RUNNING', 't3.medium', 'i-1',
        '10.0.0.1', NULL, '2026-03-01 09:00:05', '2026-03-01 09:00:30.123456', NULL);
    INSERT INTO machines VALUES ('m-2', 'r-1', 'basic', 'PENDING', NULL, NULL, NULL, NULL,
        '2026-03-01 09:00:06', NULL, NULL);";

pub(crate) async fn the_tables_of_an_older_broker_are_read(database: &impl Database) {
    database.run(OLDER_BROKER).await;
    let store = database.open(reading(host_factory())).await.unwrap();
    let names = store.collections().await.unwrap();
    let names: Vec<&str> = names.iter().map(repo_core::CollectionName::as_str).collect();
    assert_eq!(names, ["machines", "requests", "templates"]);
    let template = concat!(
        r#"{"template_id":"basic","name":"Basic","provider_api":"RunInstances","#,
        r#""vm_type":"t3.medium","max_number":10,"image_id":null,"#,
        r#""subnet_ids":["subnet-1","subnet-2"],"security_group_ids":[],"#,
        r#""attributes":{"ncpus":["Numeric","4"]},"created_at":"2026-03-01T08:00:00","#,
        r#""updated_at":"2026-03-02T08:00:00.250000"}"#
    );
    let request = concat!(
        r#"{"request_id":"r-1","template_id":"basic","machine_count":2,"status":"RUNNING","#,
        r#""request_type":"ACQUIRE","created_at":"2026-03-01T09:00:00","#,
        r#""updated_at":"2026-03-01T09:00:01","completed_at":null,"#,
        r#""tags":{"Größe":"≥ 10"},"metadata":{}}"#
    );
    let machines = [
        concat!(
            r#"{"machine_id":"m-1","request_id":"r-1","template_id":"basic","#,
            r#""status":"RUNNING","instance_type":"t3.medium","provider_instance_id":"i-1","#,
            r#""private_ip":"10.0.0.1","public_ip":null,"created_at":"2026-03-01T09:00:05","#,
            r#""started_at":"2026-03-01T09:00:30.123456","terminated_at":null}"#
        ),
        concat!(
            r#"{"machine_id":"m-2","request_id":"r-1","template_id":"basic","#,
            r#""status":"PENDING","instance_type":null,"provider_instance_id":null,"#,
            r#""private_ip":null,"public_ip":null,"created_at":"2026-03-01T09:00:06","#,
            r#""started_at":null,"terminated_at":null}"#
        ),
    ];
    assert_eq!(documents(&store, "templates").await, [template]);
    assert_eq!(documents(&store, "requests").await, [request]);
    assert_eq!(documents(&store, "machines").await, machines);
    for entity in entities(&store, "machines").await {
        assert_eq!(entity.version, Version::FIRST);
        assert_eq!(entity.created_at, entity.updated_at);
    }
}

/// A table of things with one row, whose columns are given with their values.
async fn one_thing(database: &impl Database, columns: &[(&str, &str, &str)]) {
    let declared: Vec<String> =
        columns.iter().map(|(name, sql_type, _)| format!("{name} {sql_type}")).collect();
    let values: Vec<&str> = columns.iter().map(|(_, _, value)| *value).collect();
    let sql = format!(
        "CREATE TABLE things (key VARCHAR(255) PRIMARY KEY, {}); \
         INSERT INTO things VALUES ('a', {})",
        declared.join(", "),
        values.join(", ")
    );
    database.run(&sql).await;
}

async fn document(database: &impl Database) -> String {
    let documents = documents(&open(database).await, "things").await;
    assert_eq!(documents.len(), 1);
    documents[0].clone()
}

pub(crate) async fn a_value_is_what_the_schema_says(database: &impl Database) {
    let boolean = if database.is_sqlite() { "1" } else { "TRUE" };
    one_thing(
        database,
        &[
            ("status", "INTEGER", "7"),
            ("note", "TEXT", "'a\"b''c\n'"),
            ("count", "TEXT", "'12345678901234567890'"),
            ("price", "NUMERIC", "0.5"),
            ("spot", "BOOLEAN", boolean),
            ("tags", "TEXT", "' {\"a\" : [1.10, null]} '"),
            ("disks", "TEXT", "'null'"),
            ("since", "BIGINT", "1770000000"),
            ("\"any\"", "TEXT", "'{\"b\": true}'"),
        ],
    )
    .await;
    assert_eq!(
        document(database).await,
        concat!(
            r#"{"key":"a","status":"7","note":"a\"b'c\n","count":12345678901234567890,"#,
            r#""price":0.5,"spot":true,"tags":{"a":[1.10,null]},"disks":null,"#,
            r#""since":1770000000,"any":{"b":true}}"#
        )
    );
}

pub(crate) async fn what_the_schema_does_not_know_is_kept(database: &impl Database) {
    let no = if database.is_sqlite() { "0" } else { "FALSE" };
    one_thing(
        database,
        &[
            ("zone", "TEXT", "'{\"not\": \"decoded\"}'"),
            ("weight", "INTEGER", "-3"),
            ("ratio", "DOUBLE PRECISION", "0.1"),
            ("active", "BOOLEAN", no),
            ("extra", "JSON", "'{\"a\": 1.50}'"),
            ("seen", "TIMESTAMP", "'2026-03-01 08:00:00'"),
            ("absent", "TEXT", "NULL"),
        ],
    )
    .await;
    assert_eq!(
        document(database).await,
        concat!(
            r#"{"key":"a","zone":"{\"not\": \"decoded\"}","weight":-3,"ratio":0.1,"#,
            r#""active":false,"extra":{"a":1.50},"seen":"2026-03-01T08:00:00"}"#
        )
    );
}

pub(crate) async fn null_is_left_out_unless_the_schema_allows_it(database: &impl Database) {
    one_thing(
        database,
        &[
            ("status", "TEXT", "NULL"),
            ("note", "TEXT", "NULL"),
            ("count", "INTEGER", "NULL"),
            ("disks", "TEXT", "NULL"),
            ("since", "TEXT", "NULL"),
            ("\"any\"", "TEXT", "NULL"),
        ],
    )
    .await;
    let expected = r#"{"key":"a","note":null,"disks":null,"since":null,"any":null}"#;
    assert_eq!(document(database).await, expected);
}

pub(crate) async fn no_digit_is_lost(database: &impl Database) {
    database
        .run("CREATE TABLE things (key VARCHAR(9) PRIMARY KEY, price TEXT, ratio DOUBLE PRECISION)")
        .await;
    for (key, price, ratio) in [
        ("a", "12345678901234567890.123456789", "0.1"),
        ("b", "-0.00000000000000000000000000000001", "0.30000000000000004"),
        ("c", "1.50", "1e16"),
    ] {
        database.run(&format!("INSERT INTO things VALUES ('{key}', '{price}', {ratio})")).await;
    }
    let found = documents(&open(database).await, "things").await;
    let value = |at: usize| repo_core::Document::parse(&found[at]).unwrap();
    let same = |at: usize, text: &str| {
        assert!(value(at).equals(&repo_core::Document::parse(text).unwrap()), "{found:?}");
    };
    same(0, r#"{"key":"a","price":12345678901234567890.123456789,"ratio":0.1}"#);
    same(
        1,
        r#"{"key":"b","price":-0.00000000000000000000000000000001,"ratio":0.30000000000000004}"#,
    );
    same(2, r#"{"key":"c","price":1.5,"ratio":10000000000000000}"#);
}

/// The error names the record and the column.
async fn assert_named(database: &impl Database, column: &str, reason: &str) {
    let error = unreadable(database).await;
    assert_eq!(error.context_value("key"), Some("things/a"), "{error}");
    assert_eq!(error.context_value("column"), Some(column), "{error}");
    assert!(error.context_value("reason").unwrap().contains(reason), "{error}");
    let place = if database.is_sqlite() { "rowid 1" } else { "ctid (0," };
    assert!(error.context_value("row").unwrap().starts_with(place), "{error}");
    // What is stored may be a secret.
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

pub(crate) async fn text_that_is_no_json_is_named(database: &impl Database) {
    one_thing(database, &[("status", "TEXT", "'x'"), ("tags", "TEXT", "'{\"p\": \"hunter2'")])
        .await;
    assert_named(database, "tags", "should be JSON").await;
    // The others are read.
    database.run("INSERT INTO things VALUES ('b', 'y', '{}')").await;
    let store = open(database).await;
    let things = super::collection("things");
    let found = store.get_many(&things, &[super::id("b")]).await.unwrap();
    assert!(found[0].is_some());
    assert!(store.get_many(&things, &[super::id("a")]).await.is_err());
    // What closes its own field cannot begin another one.
    database.run("UPDATE things SET tags = '{},\"status\":\"hunter2\"' WHERE key = 'a'").await;
    assert_named(database, "tags", "text after the end").await;
}

/// Whoever repairs rows wants to know of more than one at a time.
pub(crate) async fn several_rows_that_cannot_be_read_are_named(database: &impl Database) {
    let rows: Vec<String> = (0..30)
        .map(|n| format!("('k-{n:02}', '{}')", if n % 2 == 0 { "{}" } else { "{" }))
        .collect();
    database
        .run(&format!(
            "CREATE TABLE things (key TEXT PRIMARY KEY, tags TEXT); INSERT INTO things VALUES {}",
            rows.join(", ")
        ))
        .await;
    let error = unreadable(database).await;
    assert_eq!(error.context_value("key"), Some("things/k-01"), "{error}");
    let others: Vec<String> = (3..22).step_by(2).map(|n| format!("things/k-{n:02}")).collect();
    let expected = format!("{} and 4 more", others.join(", "));
    assert_eq!(error.context_value("also_unreadable"), Some(expected.as_str()), "{error}");
}

pub(crate) async fn bytes_are_named(database: &impl Database) {
    let (sql_type, value) =
        if database.is_sqlite() { ("BLOB", "x'00ff'") } else { ("bytea", "'\\x00ff'") };
    one_thing(database, &[("note", sql_type, value)]).await;
    assert_named(database, "note", "bytes").await;
    // A column that could hold some is no reason to refuse a row that has none.
    database.run("UPDATE things SET note = NULL").await;
    assert_eq!(document(database).await, r#"{"key":"a","note":null}"#);
}

pub(crate) async fn a_number_that_is_none_is_named(database: &impl Database) {
    one_thing(database, &[("count", "TEXT", "'hunter2'"), ("spot", "INTEGER", "0")]).await;
    assert_named(database, "count", "number").await;
    database.run("UPDATE things SET count = '1', spot = 2").await;
    assert_named(database, "spot", "neither").await;
}

pub(crate) async fn a_document_rule_is_named_by_its_column(database: &impl Database) {
    let deep = format!("'{}{}'", "[".repeat(31), "]".repeat(31));
    one_thing(database, &[("disks", "TEXT", &deep)]).await;
    assert_named(database, "disks", "31 levels").await;
    let digits = format!("'[{}]'", "9".repeat(39));
    database.run(&format!("UPDATE things SET disks = {digits}")).await;
    assert_named(database, "disks", "38 significant digits").await;
}
