//! The indexes that PostgreSQL uses for our statements and for the view.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{collection, machines, options};
use crate::postgres::PostgresPlace;
use crate::postgres::proxy::Proxy;
use repo_core::{Access, Filter, Plan, Query};
use tokio_postgres::Client;

/// A place with some thousand machines of which the server knows the
/// distribution.
async fn filled() -> (PostgresPlace, Client) {
    let place = PostgresPlace::new();
    let store = place.open_with(&serde_json::Value::Null, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    let tool = place.tool().await;
    tool.batch_execute(
        "INSERT INTO machines_records SELECT 'm-' || n, 1, 0, 0, jsonb_build_object( \
         'machine_id', 'm-' || n, 'status', 's-' || n % 500, 'template_id', 't-' || n % 50, \
         'created_at', n::text, 'price', n / 100.0, 'meta', jsonb_build_object('zone', n % 500)) \
         FROM generate_series(1, 5000) AS n; ANALYZE machines_records",
    )
    .await
    .unwrap();
    (place, tool)
}

async fn plan(tool: &Client, sql: &str) -> String {
    let rows = tool.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_filter_through_the_view_uses_the_index() {
    let (_place, tool) = filled().await;
    for (condition, index) in [
        ("status = 's-7'", "machines-status-index"),
        ("status IN ('s-7', 's-8')", "machines-status-index"),
        ("status >= 's-77' AND status < 's-78'", "machines-status-index"),
        ("template_id = 't-1' AND created_at > '49'", "machines-template_id-created_at-index"),
        ("price < 0.5", "machines-price-index"),
        ("price BETWEEN 1 AND 1.25", "machines-price-index"),
        ("\"meta.zone\" = '7'::jsonb", "machines-meta.zone-index"),
        ("machine_id = 'm-7'", "machines_records_pkey"),
    ] {
        for from in ["machines", "machines_records"] {
            let plan = plan(&tool, &format!("SELECT * FROM {from} WHERE {condition}")).await;
            assert!(plan.contains(index), "{condition}: {plan}");
            assert!(!plan.contains("Seq Scan"), "{condition}: {plan}");
        }
    }
}

/// What the server itself measured, whatever the query names as its plan.
#[tokio::test]
async fn an_analysis_is_what_the_server_measured() {
    let (place, _tool) = filled().await;
    let options = options(&[machines()]);
    let store = place.open_with(&serde_json::Value::Null, options).await.unwrap();
    let analyzed = async |filter: &str, limit: usize| {
        let query = Query::new(Filter::parse(filter).unwrap()).limit(limit).unwrap();
        store.analyze(&collection("machines"), &query).await.unwrap()
    };
    let index = |name: &str| Access::Index { index: name.to_owned() };
    let by_index = analyzed(r#"{"status":"s-7"}"#, 100).await;
    assert_eq!(by_index.access, index("machines-status-index"));
    assert_eq!((by_index.examined, by_index.returned), (Some(10), 10));
    assert!(by_index.estimated.is_some_and(|rows| (1..=100).contains(&rows)), "{by_index:?}");
    let by_key = analyzed(r#"{"machine_id":"m-7"}"#, 100).await;
    assert_eq!(by_key.access, Access::Key { index: "machines_records_pkey".to_owned() });
    assert_eq!((by_key.examined, by_key.returned), (Some(1), 1));
    // No index has the field.
    let by_scan = analyzed(r#"{"note":{"$exists":true}}"#, 100).await;
    assert_eq!((by_scan.access, by_scan.examined), (Access::Scan, Some(5_000)));
    // The index of the ids gives the order of a page, and finds nothing.
    let in_order = analyzed("{}", 10).await;
    assert_eq!((&in_order.access, in_order.returned), (&Access::Scan, 10));
    assert!(in_order.examined.is_some_and(|rows| rows >= 11), "{in_order:?}");
}

/// The text of the statement that the store prepares for a query: a `Parse`
/// message holds a name and the text, each ended by a zero byte.
fn prepared_text(requests: &[String]) -> String {
    let request = requests.iter().find(|request| request.contains("ORDER BY")).unwrap();
    let text = &request[request.find("SELECT").unwrap()..];
    text[..text.find('\0').unwrap()].to_owned()
}

#[tokio::test]
async fn our_statements_use_the_index_that_the_plan_names() {
    let (place, tool) = filled().await;
    let proxy = Proxy::start().await;
    let store = place.open_with(&proxy.settings(), options(&[machines()])).await.unwrap();
    for (number, (filter, values, index)) in [
        (r#"{"status":"s-7"}"#, "'s-7'", Some("machines-status-index")),
        (r#"{"status":{"$in":["s-7","s-8"]}}"#, "'{s-7,s-8}'", Some("machines-status-index")),
        (r#"{"status":{"$begins_with":"s-77"}}"#, "'s-77', 's-78'", Some("machines-status-index")),
        (r#"{"price":{"$lt":0.5}}"#, "'0.5'", Some("machines-price-index")),
        (r#"{"price":{"$ge":1,"$lt":1.25}}"#, "'1', '1.25'", Some("machines-price-index")),
        (r#"{"price":{"$in":[1,2]}}"#, "'1', '2'", None),
        (r#"{"meta.zone":7}"#, "'7'", Some("machines-meta.zone-index")),
        (
            r#"{"template_id":"t-1","created_at":{"$gt":"49"}}"#,
            "'t-1', '49'",
            Some("machines-template_id-created_at-index"),
        ),
        (r#"{"machine_id":"m-7"}"#, "'m-7'", Some("machines_records_pkey")),
        (r#"{"note":"x"}"#, "'note', 'note', 'x'", None),
    ]
    .into_iter()
    .enumerate()
    {
        proxy.expect(&[]);
        let query = Query::new(Filter::parse(filter).unwrap());
        let page = store.query(&collection("machines"), &query).await.unwrap();
        let expected = index.map_or(Plan::Scan, |name| Plan::Index { name: name.to_owned() });
        assert_eq!(page.plan, expected, "{filter}");
        let Some(index) = index else { continue };
        let sql = prepared_text(&proxy.seen());
        tool.batch_execute(&format!("PREPARE p{number} AS {sql}")).await.unwrap();
        let plan = plan(&tool, &format!("EXECUTE p{number}({values}, 101)")).await;
        assert!(plan.contains(index), "{filter}: {sql}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{filter}: {plan}");
    }
}

#[tokio::test]
async fn pages_of_an_indexed_value_need_no_sort() {
    let (_place, tool) = filled().await;
    // For few rows a sort is cheaper; the question is whether one is needed.
    tool.batch_execute("SET enable_bitmapscan = off").await.unwrap();
    let sql = "SELECT machine_id FROM machines_records WHERE document IS NOT NULL \
               AND status = 's-7' AND machine_id > 'm-2' ORDER BY machine_id LIMIT 10";
    let plan = plan(&tool, sql).await;
    assert!(plan.contains("machines-status-index") && !plan.contains("Sort"), "{plan}");
}
