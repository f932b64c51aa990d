//! What other tools see in the database, and may do to it.
#![cfg(feature = "sqlite")]

use std::sync::Arc;

use crate::common::{Store, collection, ids, key, machine, machines, open, plan, prepared, tool};
use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{
    CollectionSchema, Consistency, ErrorKind, Filter, ManualClock, Plan, Query, Timestamp,
};
use repo_sql::{Dialect, ddl};
use tempfile::TempDir;

async fn fill(store: &Store) {
    for (id, members) in [
        ("a", r#""status":"running","vcpus":4,"price":0.25,"spot":true,"launch_time":5"#),
        ("b", r#""status":"running","tags":{"o":"x"},"disks":[1,2],"launch_time":"noon""#),
        ("c", r#""status":"stopped","template_id":"t","created_at":"2026","vcpus":"many""#),
        ("d", r#""status":7,"template_id":"t","created_at":"2027","meta":{"zone":"z"}"#),
        ("gone", r#""status":"running""#),
    ] {
        store.save(key(id), machine(id, members)).await.unwrap();
    }
    store.delete(key("gone")).await.unwrap();
}

#[tokio::test]
async fn the_view_shows_live_entities_in_typed_columns() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    fill(&store).await;
    let tool = tool(&file);
    let counts: Vec<(Option<String>, i64)> = tool
        .prepare("SELECT status, count(*) FROM machines GROUP BY status")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(counts, [(None, 1), (text("running"), 2), (text("stopped"), 1)]);

    let typed = |id: &str, column: &str| -> String {
        let sql = format!(
            "SELECT typeof({column}) || ':' || coalesce({column}, '') FROM machines \
             WHERE machine_id = '{id}'"
        );
        tool.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    for (id, column, expected) in [
        ("a", "vcpus", "integer:4"),
        ("a", "price", "real:0.25"),
        ("a", "spot", "integer:1"),
        ("a", "launch_time", "integer:5"),
        ("b", "launch_time", "text:noon"),
        ("b", "tags", "text:{\"o\":\"x\"}"),
        ("b", "disks", "text:[1,2]"),
        ("c", "vcpus", "null:"),
        ("d", "\"meta.zone\"", "text:z"),
        ("d", "note", "null:"),
    ] {
        assert_eq!(typed(id, column), expected, "{id}.{column}");
    }
}

#[tokio::test]
async fn the_view_shows_times_as_text() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    for (id, time) in [
        ("now", "2026-03-01T08:00:00.123456Z"),
        ("epoch", "1970-01-01T00:00:00.000000Z"),
        ("before", "1969-12-31T23:59:59.000001Z"),
        ("old", "0001-01-01T00:00:00.999999Z"),
    ] {
        let clock = Arc::new(ManualClock::new(Timestamp::parse(time).unwrap()));
        let options = crate::common::options(&[machines()]).with_clock(clock);
        let store = crate::common::try_open(&file, options).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        store.save(key(id), machine(id, "")).await.unwrap();
        let sql = format!("SELECT _created_at FROM machines WHERE machine_id = '{id}'");
        let shown: String = tool(&file).query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(shown, time);
    }
}

#[tokio::test]
async fn filters_on_indexed_fields_use_the_index_also_through_the_view() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    drop(prepared(&file).await);
    let tool = tool(&file);
    for (condition, index) in [
        ("status = 'running'", "machines-status-index (status=?)"),
        ("status IN ('a', 'b')", "machines-status-index (status=?)"),
        (
            "template_id = 't' AND created_at > '2026'",
            "machines-template_id-created_at-index (template_id=? AND created_at>?)",
        ),
        ("\"meta.zone\" = 'z'", "machines-meta.zone-index (meta.zone=?)"),
        ("price < 0.5", "machines-price-index (price<?)"),
    ] {
        for from in ["machines", "machines_records"] {
            let plan = plan(&tool, &format!("SELECT * FROM {from} WHERE {condition}"));
            let expected = format!("SEARCH machines_records USING INDEX {index}");
            assert!(plan.starts_with(&expected), "{from}: {plan}");
        }
    }
}

#[tokio::test]
async fn indexes_are_left_until_the_collection_is_loaded() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = open(&file).await;
    let indexes = || -> i64 {
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
        tool(&file).query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let made = store.prepare_for_load(&[machines()]).await.unwrap();
    assert_eq!((made[0].change, indexes()), (PrepareChange::Created, 0));
    fill(&store).await;
    let made = store.prepare(&[machines()]).await.unwrap();
    assert_eq!((made[0].change, indexes()), (PrepareChange::Updated, 4));
    let made = store.prepare_for_load(&[machines()]).await.unwrap();
    assert_eq!((made[0].change, indexes()), (PrepareChange::Unchanged, 4));
}

#[tokio::test]
async fn the_plan_names_the_index_that_is_used() {
    let dir = TempDir::new().unwrap();
    let store = prepared(&dir.path().join("m.db")).await;
    fill(&store).await;
    for (filter, index, found) in [
        (r#"{"status":"running"}"#, Some("machines-status-index"), 2),
        (r#"{"status":{"$in":["running","stopped"]}}"#, Some("machines-status-index"), 3),
        (r#"{"status":"running","vcpus":4}"#, Some("machines-status-index"), 1),
        (r#"{"price":0.25}"#, Some("machines-price-index"), 1),
        (r#"{"meta.zone":"z"}"#, Some("machines-meta.zone-index"), 1),
        (r#"{"machine_id":"a"}"#, Some("sqlite_autoindex_machines_records_1"), 1),
        (r#"{"status":7}"#, None, 1),
        (r#"{"note":{"$exists":false}}"#, None, 4),
        ("{}", None, 4),
    ] {
        let query = Query::new(Filter::parse(filter).unwrap());
        let page = store.query(&collection("machines"), &query).await.unwrap();
        let expected = index.map_or(Plan::Scan, |name| Plan::Index { name: name.to_owned() });
        assert_eq!(page.plan, expected, "{filter}");
        assert_eq!(page.entities.len(), found, "{filter}");
        let count = store.count(&collection("machines"), query.filter(), Consistency::Strong).await;
        assert_eq!(count.unwrap(), found as u64, "{filter}");
        // Going on within a scan is no index, going on within an index is.
        let limited = query.limit(1).unwrap();
        let first = store.query(&collection("machines"), &limited).await.unwrap();
        if let Some(next) = first.next {
            let second = store.query(&collection("machines"), &limited.after(next)).await.unwrap();
            assert_eq!(second.plan, expected, "{filter}");
        }
    }
}

#[tokio::test]
async fn pages_of_an_indexed_value_need_no_sort() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    drop(prepared(&file).await);
    let sql = "SELECT machine_id FROM machines_records \
               WHERE document IS NOT NULL AND status = 'x' AND machine_id > 'a' \
               ORDER BY machine_id LIMIT 10";
    assert_eq!(
        plan(&tool(&file), sql),
        "SEARCH machines_records USING INDEX machines-status-index (status=? AND machine_id>?)"
    );
}

#[tokio::test]
async fn another_tool_may_change_documents_but_not_break_them() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    fill(&store).await;
    let tool = tool(&file);
    tool.execute(
        "UPDATE machines_records SET document = json_set(document, '$.status', 'lost') \
         WHERE machine_id = 'a'",
        [],
    )
    .unwrap();
    let query = Query::new(Filter::parse(r#"{"status":"lost"}"#).unwrap());
    assert_eq!(ids(&store, &query).await, ["a"]);
    let entity = store.get(&collection("machines"), &key("a").id).await.unwrap().unwrap();
    assert_eq!(entity.version.get(), 1);

    for broken in ["{", "[]", "7", "{\"machine_id\":\"b\"}", "{}", ""] {
        let sql = "UPDATE machines_records SET document = ?1 WHERE machine_id = 'a'";
        assert!(tool.execute(sql, [broken]).is_err(), "{broken}");
    }
}

#[tokio::test]
async fn a_broken_row_is_corrupt_and_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let plain = CollectionSchema::undeclared(collection("machines"));
    let store = crate::common::try_open(&file, crate::common::options(&[])).await.unwrap();
    store.prepare(&[plain]).await.unwrap();
    let document = repo_core::Document::parse(r#"{"id":"a","n":1}"#).unwrap();
    store.save(key("a"), document).await.unwrap();
    let tool = tool(&file);
    tool.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    let machines = collection("machines");
    for broken in ["'{\"id\":\"a\",'", "'[]'", "'{\"id\":\"a\",\"a\":1,\"a\":2}'", "x'00'", "''"] {
        tool.execute_batch(&format!("UPDATE machines_records SET document = {broken}")).unwrap();
        let mut errors = vec![
            store.get(&machines, &key("a").id).await.unwrap_err(),
            store.query(&machines, &Query::all()).await.unwrap_err(),
        ];
        let filter = Filter::parse(r#"{"n":1}"#).unwrap();
        if broken.starts_with("'{\"id\":\"a\",'") {
            errors.push(store.query(&machines, &Query::new(filter.clone())).await.unwrap_err());
            errors.push(store.count(&machines, &filter, Consistency::Strong).await.unwrap_err());
        }
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}: {error}");
            assert_eq!(error.context_value("key"), Some("machines/a"), "{broken}: {error}");
        }
    }
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    let documents = health.checks.iter().find(|check| check.name == "documents").unwrap();
    assert!(!documents.ok && documents.detail.contains("machines/a"), "{health:?}");
    tool.execute_batch("UPDATE machines_records SET document = NULL, _version = 0").unwrap();
    let error = store.get(&machines, &key("a").id).await.unwrap_err();
    assert_eq!(error.context_value("key"), Some("machines/a"));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn the_script_makes_what_prepare_makes() {
    let dir = TempDir::new().unwrap();
    let by_hand = dir.path().join("hand.db");
    tool(&by_hand).execute_batch(&ddl(Dialect::Sqlite, [&machines()]).unwrap()).unwrap();
    let by_prepare = dir.path().join("prepare.db");
    drop(prepared(&by_prepare).await);
    let objects = |file| -> Vec<(String, String, Option<String>)> {
        tool(file)
            .prepare("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    assert_eq!(objects(&by_hand), objects(&by_prepare));
    let store = open(&by_hand).await;
    let done = store.prepare(&[machines()]).await.unwrap();
    assert_eq!(done[0].change, PrepareChange::Unchanged);
    fill(&store).await;
}

#[tokio::test]
async fn a_schema_may_gain_indexes_and_change_types() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    fill(&store).await;
    store.close().await.unwrap();
    // `vcpus` gains an index, `status` becomes a number, `spot` is renamed.
    let text = crate::common::MACHINES
        .replace(r#"["status"],"#, r#"["status"], ["vcpus"],"#)
        .replace(r#""status": {"type": "string"}"#, r#""status": {"type": "integer"}"#)
        .replace(r#""spot""#, r#""is_spot""#);
    let changed = CollectionSchema::parse(&text).unwrap();
    let store =
        crate::common::try_open(&file, crate::common::options(std::slice::from_ref(&changed)))
            .await
            .unwrap();
    let filter = |text: &str| Query::new(Filter::parse(text).unwrap());
    // Before `prepare` the old columns are not used for what they no longer
    // hold, and answers are right all the same.
    assert_eq!(ids(&store, &filter(r#"{"status":7}"#)).await, ["d"]);
    assert_eq!(ids(&store, &filter(r#"{"vcpus":4}"#)).await, ["a"]);
    for expected in [PrepareChange::Updated, PrepareChange::Unchanged] {
        let done = store.prepare(std::slice::from_ref(&changed)).await.unwrap();
        assert_eq!(done[0].change, expected);
    }
    for (text, index, id) in [
        (r#"{"vcpus":4}"#, "machines-vcpus-index", "a"),
        (r#"{"status":7}"#, "machines-status-index", "d"),
    ] {
        let page = store.query(&collection("machines"), &filter(text)).await.unwrap();
        assert_eq!(page.plan, Plan::Index { name: index.to_owned() });
        assert_eq!(page.entities[0].id.as_str(), id);
    }
    assert_eq!(ids(&store, &filter(r#"{"status":"stopped"}"#)).await, ["c"]);
    let check: String =
        tool(&file).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let shown: Option<i64> = tool(&file)
        .query_row("SELECT is_spot FROM machines WHERE machine_id = 'a'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(shown, None);
}

#[tokio::test]
async fn an_index_or_view_that_is_gone_is_made_again() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    fill(&store).await;
    let tool = tool(&file);
    tool.execute_batch("DROP VIEW machines; DROP INDEX \"machines-status-index\"").unwrap();
    let query = Query::new(Filter::parse(r#"{"status":"running"}"#).unwrap());
    let page = store.query(&collection("machines"), &query).await.unwrap();
    assert_eq!((page.plan, page.entities.len()), (Plan::Scan, 2));
    let done = store.prepare(&[machines()]).await.unwrap();
    assert_eq!(done[0].change, PrepareChange::Updated);
    let page = store.query(&collection("machines"), &query).await.unwrap();
    assert!(matches!(page.plan, Plan::Index { .. }));
    tool.execute_batch("SELECT * FROM machines").unwrap();
}

/// Another process may prepare a changed schema while this handle is open.
#[tokio::test]
async fn a_handle_notices_that_another_one_changed_a_type() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", r#""status":"A""#)).await.unwrap();
    let name = collection("machines");
    let filter = Filter::parse(r#"{"status":"A"}"#).unwrap();
    let count = || store.count(&name, &filter, Consistency::Strong);
    assert_eq!(count().await.unwrap(), 1);

    let text = crate::common::MACHINES
        .replace(r#""status": {"type": "string"}"#, r#""status": {"type": "integer"}"#);
    let changed = CollectionSchema::parse(&text).unwrap();
    let other =
        crate::common::try_open(&file, crate::common::options(std::slice::from_ref(&changed)))
            .await
            .unwrap();
    other.prepare(&[changed]).await.unwrap();
    assert_eq!(count().await.unwrap(), 1);
    let page = store.query(&name, &Query::new(filter.clone())).await.unwrap();
    assert_eq!((page.plan, page.entities.len()), (Plan::Scan, 1));
}
