//! Pages neither repeat nor skip a record that did not change.

use std::collections::BTreeMap;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Page, Query};

use super::support::{collection, count, delete, fill, filter, find_ids, key, put, save};
use crate::{Fixture, Store};

const ORDERS: [Option<&str>; 7] = [
    None,
    Some("price"),
    Some("price:desc"),
    Some("status:desc"),
    Some("any"),
    Some("free:desc"),
    Some("absent"),
];

fn query(order: Option<&str>, limit: usize) -> Query {
    let query = Query::all().strong().limit(limit).unwrap();
    order.map_or(query.clone(), |order| query.order_by(order).unwrap())
}

/// Entities whose order by any field has ties, gaps and several types.
async fn stock(store: &Store, name: &str, size: usize) {
    let any = ["1", "\"x\"", "null", "true", "[1]", "{\"a\":1}", "2.5", "12345678901234567890"];
    let writes = (0..size).map(|n| {
        let any = any[n % any.len()];
        let status = ["on", "off", "new"][n % 3];
        let fields = format!(
            "\"price\":{},\"status\":\"{status}\",\"any\":{any},\"free\":{any}",
            n * 7 % 13
        );
        put(&key(name, &format!("{:03}", n * 37 % size)), &fields)
    });
    fill(store, writes.collect()).await;
}

/// The pages of a query; none is larger than its limit.
async fn pages(store: &Store, name: &str, mut query: Query) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = store.query(&collection(name), &query).await.unwrap();
        assert!(page.entities.len() <= query.page_size(), "a page above its limit");
        let next = page.next.clone();
        pages.push(page);
        match next {
            Some(cursor) => query = query.after(cursor),
            None => return pages,
        }
        assert!(pages.len() < 10_000, "the pages do not end");
    }
}

/// Whatever the limit, the pages together are the whole answer, each entity
/// once, in the same order.
pub async fn pages_together_are_the_whole_answer(f: Fixture) {
    let store = f.prepared().await;
    let size = 47;
    for name in ["items", "things"] {
        stock(&store, name, size).await;
        for order in ORDERS {
            let whole = find_ids(&store, name, query(order, 1_000)).await;
            let mut once = whole.clone();
            once.sort();
            once.dedup();
            assert_eq!((whole.len(), once.len()), (size, size));
            for limit in [1, 2, 5, size - 1, size, size + 1] {
                let pages = pages(&store, name, query(order, limit)).await;
                let ids: Vec<String> = pages
                    .iter()
                    .flat_map(|page| &page.entities)
                    .map(|entity| entity.id.to_string())
                    .collect();
                assert_eq!(ids, whole, "{name} by {order:?}, {limit} a page");
            }
        }
    }
}

/// Nothing to find is one empty page, and no page follows it.
pub async fn an_empty_answer_is_one_empty_page(f: Fixture) {
    let store = f.prepared().await;
    for round in 0..2 {
        for order in ORDERS {
            let none = Query::new(filter(r#"{"price":"no such"}"#)).limit(2).unwrap();
            let none = order.map_or(none.clone(), |order| none.order_by(order).unwrap());
            let pages = pages(&store, "things", none).await;
            assert!(pages.iter().all(|page| page.entities.is_empty()), "round {round}");
            let last = pages.last().expect("a page");
            assert!(last.next.is_none());
        }
        stock(&store, "things", 5).await;
    }
}

/// The same with a filter of which few match.
pub async fn pages_of_a_filter_are_complete(f: Fixture) {
    let store = f.prepared().await;
    stock(&store, "things", 60).await;
    for text in [r#"{"status":"on"}"#, r#"{"price":{"$lt":3}}"#, r#"{"any":{"$ne":null}}"#] {
        let filter = filter(text);
        let expected = count(&store, "things", &filter).await;
        assert!(expected > 5 && expected < 60, "{text} finds {expected}");
        for order in ORDERS {
            let mut query = Query::new(filter.clone()).limit(3).unwrap();
            if let Some(order) = order {
                query = query.order_by(order).unwrap();
            }
            let mut ids = find_ids(&store, "things", query).await;
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len() as u64, expected, "{text} by {order:?}");
        }
    }
}

/// Without a limit a page holds at most 1,000 entities, and the next follows.
pub async fn a_page_without_a_limit_holds_a_thousand(f: Fixture) {
    let store = f.prepared().await;
    let writes = (0..1_200).map(|n| put(&key("items", &format!("{n:04}")), "\"v\":1"));
    fill(&store, writes.collect()).await;
    for order in [None, Some("v")] {
        let mut plain = Query::all().strong();
        if let Some(order) = order {
            plain = plain.order_by(order).unwrap();
        }
        let pages = pages(&store, "items", plain.clone()).await;
        assert!(pages.len() >= 2, "1,200 entities in one page");
        assert_eq!(find_ids(&store, "items", plain).await.len(), 1_200);
        let at_once = pages_with(&store, order).await;
        assert_eq!(at_once.iter().map(|page| page.entities.len()).sum::<usize>(), 1_200);
    }
}

async fn pages_with(store: &Store, order: Option<&str>) -> Vec<Page> {
    pages(store, "items", query(order, 10_000)).await
}

/// What happens between two pages of [`others_may_change_between_pages`].
async fn disturb(store: &Store, round: usize, seen: &[String]) {
    let gone = key("things", &format!("g{round:02}"));
    store.delete(gone).await.unwrap();
    save(store, &key("things", &format!("g{:02}", 20 - round % 20)), "\"price\":0").await;
    save(store, &key("things", &format!("a{round}")), "\"price\":-1,\"status\":\"zzz\"").await;
    save(store, &key("things", &format!("z{round}")), "\"price\":99,\"any\":{}").await;
    // Also one that was shown already.
    if let Some(id) = seen.iter().rev().find(|id| id.starts_with('g')) {
        let shown = key("things", id);
        if store.get(&shown.collection, &shown.id).await.unwrap().is_some() {
            delete(store, &shown).await;
        }
    }
}

/// While others are added, changed and deleted between the pages, each entity
/// that does not change is shown exactly once.
pub async fn others_may_change_between_pages(f: Fixture) {
    for order in ORDERS {
        let store = f.prepared().await;
        stock(&store, "things", 30).await;
        let passing = (0..21).map(|n| put(&key("things", &format!("g{n:02}")), "\"price\":5"));
        fill(&store, passing.collect()).await;
        let mut query = query(order, 4);
        let (mut seen, mut round) = (Vec::new(), 0);
        loop {
            let page = store.query(&collection("things"), &query).await.unwrap();
            seen.extend(page.entities.iter().map(|entity| entity.id.to_string()));
            let Some(cursor) = page.next else { break };
            query = query.after(cursor);
            if round < 12 {
                disturb(&store, round, &seen).await;
            }
            round += 1;
            assert!(round < 200, "the pages do not end");
        }
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for id in &seen {
            *times.entry(id).or_default() += 1;
        }
        for n in 0..30 {
            let id = format!("{n:03}");
            assert_eq!(times.get(id.as_str()), Some(&1), "{id} by {order:?} in {seen:?}");
        }
        let left = find_ids(&store, "things", Query::all()).await;
        fill(
            &store,
            left.iter()
                .map(|id| repo_core::Write::delete(key("things", id), repo_core::Precondition::Any))
                .collect(),
        )
        .await;
    }
}

/// The entity that a page ended with may be gone when the next is asked for.
pub async fn a_page_goes_on_after_a_deleted_entity(f: Fixture) {
    let store = f.prepared().await;
    for order in ORDERS {
        stock(&store, "things", 12).await;
        let whole = find_ids(&store, "things", query(order, 100)).await;
        let first = store.query(&collection("things"), &query(order, 5)).await.unwrap();
        let last = first.entities.last().unwrap().key();
        delete(&store, &last).await;
        let rest = query(order, 5).after(first.next.expect("there are more"));
        assert_eq!(find_ids(&store, "things", rest).await, whole[5..], "by {order:?}");
    }
}
