//! Several values of an index at once: how many requests, and in which order.

use tokio::sync::Barrier;

use super::*;

/// Values of the index.
const ZONES: usize = 20;
/// Those that answer late in one test, as they stand in a request.
const LATE: [&str; 5] = ["5z00", "5z02", "5z04", "5z06", "5z08"];
/// Records with each of them.
const ALIKE: usize = 3;

fn name() -> CollectionName {
    CollectionName::new("things").unwrap()
}

/// Things in zones, which are indexed. Their ids do not stand in the order of the zones.
async fn stocked(
    decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
) -> (Proxy, DynamoStrategy) {
    let (proxy, store) = filled(decide).await;
    let mut schema = CollectionSchema::undeclared(name());
    schema.indexes = vec![vec![FieldPath::parse("zone").unwrap()]];
    store.prepare(std::slice::from_ref(&schema)).await.unwrap();
    let put = |n: usize| {
        let zone = n % ZONES;
        let text = format!("{{\"id\":\"{n:02}\",\"zone\":\"z{zone:02}\",\"n\":{n}}}");
        Write::put(
            key("things", &format!("{n:02}")),
            Document::parse(&text).unwrap(),
            Precondition::Absent,
        )
    };
    store.commit((0..ZONES * ALIKE).map(put).collect()).await.unwrap();
    proxy.take();
    (proxy, store)
}

fn zones(which: std::ops::Range<usize>) -> Filter {
    let zones: Vec<String> = which.map(|zone| format!("z{zone:02}")).collect();
    Filter::parse(&serde_json::json!({"zone": {"$in": zones}}).to_string()).unwrap()
}

/// The ids in the order of the index: by zone, then by id.
fn expected(which: std::ops::Range<usize>) -> Vec<String> {
    let of_zone = |zone: usize| (0..ALIKE).map(move |round| format!("{:02}", round * ZONES + zone));
    which.flat_map(of_zone).collect()
}

/// The ids of all pages.
async fn read(store: &DynamoStrategy, query: &Query) -> Vec<String> {
    let (mut found, mut query) = (Vec::new(), query.clone());
    loop {
        let page = store.query(&name(), &query).await.unwrap();
        assert_eq!(page.plan, Plan::Index { name: "zone-index".to_owned() });
        found.extend(page.entities.iter().map(|entity| entity.id.to_string()));
        match page.next {
            Some(next) => query = query.after(next),
            None => return found,
        }
    }
}

fn queries(seen: &[proxy::Seen]) -> usize {
    seen.iter().filter(|seen| seen.operation == "Query").count()
}

#[tokio::test]
async fn what_needs_all_values_asks_for_eight_at_once() {
    // No answer before eight requests have come.
    let barrier = Arc::new(Barrier::new(8));
    let (proxy, store) = stocked(move |operation, _, _| match operation {
        "Query" => Fate::Meet(Arc::clone(&barrier)),
        _ => Fate::Forward,
    })
    .await;
    let filter = zones(0..16);
    assert_eq!(store.count(&name(), &filter, Consistency::Eventual).await.unwrap(), 48);
    assert_eq!(queries(&proxy.take()), 16);
    let largest = Query::new(filter).order_by("n:desc").unwrap().limit(2).unwrap();
    let page = store.query(&name(), &largest).await.unwrap();
    let ids: Vec<&str> = page.entities.iter().map(|entity| entity.id.as_str()).collect();
    assert_eq!(ids, ["55", "54"]);
    assert_eq!(queries(&proxy.take()), 16);
}

#[tokio::test]
async fn pages_keep_the_order_of_the_index_whoever_answers_first() {
    let (_proxy, store) = stocked(|operation, _, body| match operation {
        "Query" if LATE.iter().any(|zone| body.contains(zone)) => {
            Fate::Delay(Duration::from_millis(40))
        }
        _ => Fate::Forward,
    })
    .await;
    for limit in [1, 2, 3, 7, 59, 60, 1_000] {
        let query = Query::new(zones(0..ZONES)).limit(limit).unwrap();
        assert_eq!(read(&store, &query).await, expected(0..ZONES), "{limit}");
    }
    // Few of what the index has.
    let filter =
        serde_json::json!({"zone": {"$in": ["z00", "z07", "z13", "z19"]}, "n": {"$gt": 39}});
    let query = Query::new(Filter::parse(&filter.to_string()).unwrap()).limit(1).unwrap();
    assert_eq!(read(&store, &query).await, ["40", "47", "53", "59"]);
}

#[tokio::test]
async fn a_page_that_the_first_value_fills_is_one_request() {
    let (proxy, store) = stocked(|_, _, _| Fate::Forward).await;
    let query = Query::new(zones(0..ZONES)).limit(2).unwrap();
    store.query(&name(), &query).await.unwrap();
    assert_eq!(queries(&proxy.take()), 1);
    // The first three values fill it. One more is known of by then, and some are read ahead.
    let query = Query::new(zones(0..ZONES)).limit(8).unwrap();
    store.query(&name(), &query).await.unwrap();
    let sent = queries(&proxy.take());
    assert!((3..=6).contains(&sent), "{sent}");
}

#[tokio::test]
async fn what_is_read_ahead_fails_a_page_that_needs_it_and_no_other() {
    let (_proxy, store) = stocked(|operation, _, body| match operation {
        "Query" if body.contains("5z05") => throttled(),
        _ => Fate::Forward,
    })
    .await;
    let enough = Query::new(zones(0..ZONES)).limit(14).unwrap();
    let page = store.query(&name(), &enough).await.unwrap();
    let ids: Vec<&str> = page.entities.iter().map(|entity| entity.id.as_str()).collect();
    assert_eq!(ids, expected(0..ZONES)[..14]);
    let error = store.query(&name(), &enough.after(page.next.unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("throttles"), "{error}");
}
