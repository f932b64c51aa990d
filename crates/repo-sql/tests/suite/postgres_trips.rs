//! Round trips: how often a call waits for the network. The proxy holds every
//! answer of a turn back until all requests of that turn were seen, so a call
//! that waits where it need not never ends, and one that asks more is seen.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::time::Duration;

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::PostgresPlace;
use crate::postgres::proxy::Proxy;
use repo_core::strategy::{Applied, Record, StorageStrategyExt as _};
use repo_core::{
    Aggregation, Consistency, Entity, Filter, Precondition, Query, Timestamp, Version, Write,
};
use serde_json::json;

struct Behind {
    place: PostgresPlace,
    proxy: Proxy,
    store: Store,
}

impl Behind {
    async fn new() -> Self {
        Self::with("none").await
    }

    /// Behind what the settings call a `pooler`.
    async fn with(pooler: &str) -> Self {
        let place = PostgresPlace::new();
        let proxy = Proxy::start().await;
        let mut settings = proxy.settings();
        settings["pool_size"] = json!(1);
        settings["max_overflow"] = json!(0);
        settings["pooler"] = json!(pooler);
        let store = place.open_with(&settings, options(&[machines()])).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        Self { place, proxy, store }
    }

    /// Makes a call twice, and counts what the second one asks: `turns` says
    /// how many requests are sent together, round trip by round trip.
    async fn assert_turns<T>(
        &self,
        turns: &[usize],
        mut call: impl AsyncFnMut(&Store, usize) -> repo_core::Result<T>,
    ) -> T {
        self.proxy.expect(&[]);
        call(&self.store, 0).await.unwrap();
        self.proxy.expect(turns);
        let answer = tokio::time::timeout(Duration::from_secs(5), call(&self.store, 1)).await;
        let seen = self.proxy.seen();
        let answer = answer.unwrap_or_else(|_| panic!("it waits after {seen:?}")).unwrap();
        assert_eq!(seen.len(), turns.iter().sum::<usize>(), "{seen:?}");
        answer
    }
}

fn put(id: &str, precondition: Precondition) -> Write {
    Write::put(key(id), machine(id, ""), precondition)
}

#[tokio::test]
async fn one_for_a_write_of_one_key() {
    let behind = Behind::new().await;
    let version = |number| Precondition::Version(Version::new(number).unwrap());
    // Made by the first of each pair, changed by the second.
    behind.assert_turns(&[1], async |s, _| s.commit(vec![put("a", Precondition::Any)]).await).await;
    let ids = ["b", "c"];
    let absent =
        async |s: &Store, n: usize| s.commit(vec![put(ids[n], Precondition::Absent)]).await;
    behind.assert_turns(&[1], absent).await;
    let exists = async |s: &Store, _| s.commit(vec![put("b", Precondition::Exists)]).await;
    behind.assert_turns(&[1], exists).await;
    let at = async |s: &Store, n: usize| s.commit(vec![put("c", version(n as u64 + 1))]).await;
    behind.assert_turns(&[1], at).await;
    let delete = async |s: &Store, n: usize| {
        s.commit(vec![Write::delete(key(ids[n]), Precondition::Any)]).await
    };
    behind.assert_turns(&[1], delete).await;
    for id in ["d", "e"] {
        behind.store.commit(vec![put(id, Precondition::Absent)]).await.unwrap();
    }
    let ids = ["d", "e"];
    let delete =
        async |s: &Store, n: usize| s.commit(vec![Write::delete(key(ids[n]), version(1))]).await;
    behind.assert_turns(&[1], delete).await;
}

/// Begin and prepare; run; close and commit.
#[tokio::test]
async fn three_for_one_statement_through_a_pooler_of_transactions() {
    let behind = Behind::with("transaction").await;
    let write = async |s: &Store, _| s.commit(vec![put("a", Precondition::Any)]).await;
    behind.assert_turns(&[2, 1, 2], write).await;
    let name = collection("machines");
    behind.assert_turns(&[2, 1, 2], async |s, _| s.get(&name, &key("a").id).await).await;
}

#[tokio::test]
async fn two_for_a_write_that_is_refused() {
    let behind = Behind::new().await;
    behind.store.commit(vec![put("a", Precondition::Any)]).await.unwrap();
    let refused =
        async |s: &Store, _| Ok(s.commit(vec![put("a", Precondition::Absent)]).await.unwrap_err());
    let error = behind.assert_turns(&[1, 1], refused).await;
    assert_eq!(error.kind(), repo_core::ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn one_for_a_read() {
    let behind = Behind::new().await;
    behind.store.commit(vec![put("a", Precondition::Any)]).await.unwrap();
    let name = collection("machines");
    behind.assert_turns(&[1], async |s, _| s.get(&name, &key("a").id).await).await;
    let ids: Vec<_> = ["a", "b", "c"].map(|id| key(id).id).to_vec();
    behind.assert_turns(&[1], async |s, _| s.get_many(&name, &ids).await).await;
    let filter = Filter::parse(r#"{"status":"on"}"#).unwrap();
    behind
        .assert_turns(&[1], async |s, _| s.count(&name, &filter, Consistency::Strong).await)
        .await;
    let query = Query::new(filter.clone());
    behind.assert_turns(&[1], async |s, _| s.query(&name, &query).await).await;
    let ordered = Query::all().order_by("status:desc").unwrap();
    behind.assert_turns(&[1], async |s, _| s.query(&name, &ordered).await).await;
    let groups = Aggregation::new(Filter::default()).group_by("status").unwrap();
    let groups = groups.group_by("note").unwrap().count().unwrap().avg("price").unwrap();
    behind.assert_turns(&[1], async |s, _| s.aggregate(&name, &groups).await).await;
}

#[tokio::test]
async fn three_for_a_commit_of_several_keys() {
    let behind = Behind::new().await;
    // BEGIN and the locks; the writes; COMMIT.
    let some = |n: usize| -> Vec<Write> {
        (0..50).map(|id| put(&format!("{n}-{id}"), Precondition::Absent)).collect()
    };
    behind.assert_turns(&[2, 1, 1], async |s, n| s.commit(some(n)).await).await;
    // Inserts and updates.
    let mixed = async |s: &Store, n: usize| {
        s.commit(vec![
            put("0-1", Precondition::Exists),
            put(&format!("new-{n}"), Precondition::Any),
        ])
        .await
    };
    behind.assert_turns(&[2, 2, 1], mixed).await;
    // A check of what is there locks otherwise than a write, one of what is
    // absent inserts, and removes at the end.
    let checked = async |s: &Store, n: usize| {
        s.commit(vec![
            Write::check(key("0-1"), Precondition::Exists),
            Write::check(key("nowhere"), Precondition::Absent),
            put(&format!("other-{n}"), Precondition::Any),
        ])
        .await
    };
    behind.assert_turns(&[3, 1, 2], checked).await;
}

/// On a new connection statements are prepared first, and nothing that needs
/// no preparing may overtake them.
#[tokio::test]
async fn a_commit_ends_after_everything_else_on_a_new_connection_too() {
    let behind = Behind::new().await;
    for keep in [true, false] {
        let mut settings = behind.proxy.settings();
        settings["enable_query_cache"] = json!(keep);
        let store = behind.place.open_with(&settings, options(&[machines()])).await.unwrap();
        behind.proxy.expect(&[]);
        let writes =
            vec![Write::check(key("nowhere"), Precondition::Absent), put("a", Precondition::Any)];
        store.commit(writes).await.unwrap();
        let seen = behind.proxy.seen();
        let end = seen.iter().position(|request| request.contains("COMMIT\0")).unwrap();
        let removed = seen.iter().rposition(|request| request.contains("nowhere")).unwrap();
        assert!(removed < end, "{seen:?}");
    }
}

/// So many records of version 3.
fn records(batch: usize, how_many: usize) -> Vec<Record> {
    let record = |number| {
        let id = format!("{batch}-{number}");
        let time = Timestamp::from_micros(0).unwrap();
        Record::Live(Entity {
            collection: collection("machines"),
            id: key(&id).id,
            version: Version::new(3).unwrap(),
            created_at: time,
            updated_at: time,
            document: machine(&id, r#""status":"on""#),
        })
    };
    (0..how_many).map(record).collect()
}

#[tokio::test]
async fn one_for_some_applied_records() {
    let behind = Behind::new().await;
    let applied = behind.assert_turns(&[1], async |s, n| s.apply(records(n, 49)).await).await;
    assert_eq!(applied, vec![Applied::Applied; 49]);
    // What is there already is looked at.
    let again = behind.assert_turns(&[1, 1], async |s, _| s.apply(records(1, 49)).await).await;
    assert_eq!(again, vec![Applied::Equal; 49]);
}

#[tokio::test]
async fn two_for_a_thousand_applied_records_of_a_load() {
    let behind = Behind::new().await;
    behind.proxy.expect(&[]);
    let first = behind.store.apply(records(7, 1_000)).await.unwrap();
    assert_eq!(first, vec![Applied::Applied; 1_000]);
    assert!(behind.proxy.seen().iter().all(|request| !request.contains("COPY")));
    // COPY begins; the rows.
    let applied = behind.assert_turns(&[1, 1], async |s, n| s.apply(records(n, 1_000)).await).await;
    assert_eq!(applied, vec![Applied::Applied; 1_000]);
    // Known by now not to be new: not copied, and looked at.
    let again = behind.assert_turns(&[1, 1], async |s, _| s.apply(records(1, 1_000)).await).await;
    assert_eq!(again, vec![Applied::Equal; 1_000]);
}
