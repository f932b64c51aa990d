//! Reads of entities whose time to live has passed.

use std::time::Duration;

use repo_core::strategy::{StorageStrategyExt as _, as_stored};
use repo_core::{Clock as _, Cursor, ErrorKind, Query};

use super::expiry_support::{EXPIRING, HOUR, expiring, seen, until};
use super::support::{
    assert_kind, collection, fill, filter, find_ids, key, put, record, records, save,
};
use crate::{Fixture, Store};

const IDS: [&str; 4] = ["forever", "later", "null", "over"];

/// At the second of its time an entity is gone from every read, swept or not; one that says no
/// time stays.
pub async fn what_has_passed_is_absent_to_every_read(f: Fixture) {
    let e = expiring(&f).await;
    for name in EXPIRING {
        save(&e.store, &key(name, "forever"), "").await;
        save(&e.store, &key(name, "null"), r#""until": null"#).await;
        save(&e.store, &key(name, "over"), &until(name, "09:00:00")).await;
        save(&e.store, &key(name, "later"), &until(name, "11:00:00")).await;
        assert_eq!(seen(&e.store, name, &IDS).await, IDS);
    }
    // The clock stands at 08:00:00.123457.
    f.clock.advance(HOUR - Duration::from_micros(123_458));
    for name in EXPIRING {
        assert_eq!(seen(&e.store, name, &IDS).await, IDS);
    }
    f.clock.advance(Duration::from_micros(1));
    for name in EXPIRING {
        assert_eq!(seen(&e.store, name, &IDS).await, ["forever", "later", "null"]);
    }
    for name in EXPIRING {
        // As the sweeper will leave it.
        let seen = [record(&e.store, &key(name, "over")).await.unwrap()];
        assert_eq!((seen[0].version().get(), seen[0].is_live()), (2, false));
        assert_eq!(seen[0].updated_at(), f.clock.now());
        let scanned = records(&e.store, name).await;
        assert_eq!(scanned.iter().filter(|one| !one.is_live()).collect::<Vec<_>>(), [&seen[0]]);
    }
    f.clock.advance(2 * HOUR);
    for name in EXPIRING {
        assert_eq!(seen(&e.store, name, &IDS).await, ["forever", "null"]);
        assert_eq!(seen(&e.raw, name, &IDS).await, IDS);
        assert_eq!(as_stored(seen(&e.store, name, &IDS)).await, IDS);
    }
}

/// What a query asks for itself counts as well, in any order, also about the field itself.
pub async fn queries_mean_what_is_left(f: Fixture) {
    let e = expiring(&f).await;
    for name in EXPIRING {
        for (n, (id, time)) in
            [("a", "09:00:00"), ("b", "10:00:00"), ("c", "11:00:00")].into_iter().enumerate()
        {
            let fields = format!(r#""n": {n}, {}"#, until(name, time));
            save(&e.store, &key(name, id), &fields).await;
        }
        save(&e.store, &key(name, "d"), r#""n": 3"#).await;
    }
    f.clock.advance(HOUR);
    for name in EXPIRING {
        let ordered = |order: &str| Query::all().order_by(order).unwrap();
        assert_eq!(find_ids(&e.store, name, ordered("until")).await, ["d", "b", "c"]);
        assert_eq!(find_ids(&e.store, name, ordered("n:desc")).await, ["d", "c", "b"]);
        let asked = |text: &str| Query::new(filter(text)).order_by("n").unwrap();
        assert_eq!(find_ids(&e.store, name, asked(r#"{"n": {"$le": 1}}"#)).await, ["b"]);
        let none = asked(r#"{"until": {"$exists": false}}"#);
        assert_eq!(find_ids(&e.store, name, none).await, ["d"]);
        let either = asked(r#"{"$or": [{"n": 0}, {"n": 2}]}"#);
        assert_eq!(find_ids(&e.store, name, either).await, ["c"]);
    }
}

/// All pages after the first while the clock goes on; the cursors travel as text.
async fn rest(f: &Fixture, store: &Store, name: &str, query: Query) -> [Vec<String>; 2] {
    let query = query.limit(5).unwrap().strong();
    let first = store.query(&collection(name), &query).await.unwrap();
    f.clock.advance(HOUR);
    let ids = |page: &repo_core::Page| -> Vec<String> {
        page.entities.iter().map(|entity| entity.id.to_string()).collect()
    };
    let (mut later, mut next) = (Vec::new(), first.next.clone());
    while let Some(cursor) = next {
        let cursor = Cursor::parse(&cursor.to_string()).unwrap();
        let page = store.query(&collection(name), &query.clone().after(cursor)).await.unwrap();
        later.extend(ids(&page));
        next = page.next;
        f.clock.advance(Duration::from_secs(1));
        assert!(later.len() < 100, "the pages do not end");
    }
    [ids(&first), later]
}

/// A query goes on over its pages while time passes: none of what lives is left out or comes
/// twice, and what has passed meanwhile does not come any more.
pub async fn pages_go_on_while_time_passes(f: Fixture) {
    let e = expiring(&f).await;
    for name in EXPIRING {
        let fields = |n: usize, time: &str| format!(r#""n": {n}, {}"#, until(name, time));
        let times = ["09:00:00", "10:00:00", "23:00:00", "23:00:00"];
        let writes = (0..40).map(|n| put(&key(name, &format!("{n:02}")), &fields(n, times[n % 4])));
        fill(&e.store, writes.collect()).await;
    }
    let living: Vec<String> = (0..40).filter(|n| n % 4 > 1).map(|n| format!("{n:02}")).collect();
    let name = EXPIRING[0];
    let [first, later] = rest(&f, &e.store, name, Query::all()).await;
    let is_living = |id: &String| living.contains(id);
    let mut all: Vec<String> =
        first.iter().chain(&later).filter(|id| is_living(id)).cloned().collect();
    all.sort();
    assert_eq!(all, living);
    let second_hour = |id: &String| id.parse::<usize>().unwrap() % 4 == 1;
    assert!(later.iter().all(|id| is_living(id) || second_hour(id)), "{later:?}");

    // The hour of the second ones begins while this one is read.
    let ordered = Query::all().order_by("n").unwrap();
    let [first, later] = rest(&f, &e.store, EXPIRING[1], ordered).await;
    assert_eq!(first, ["01", "02", "03", "05", "06"]);
    let expected: Vec<&String> = living.iter().filter(|id| id.as_str() > "06").collect();
    assert_eq!(later.iter().collect::<Vec<_>>(), expected);
}

/// A cursor stays bound to its query.
pub async fn a_cursor_of_another_query_is_refused(f: Fixture) {
    let e = expiring(&f).await;
    for id in ["a", "b", "c"] {
        save(&e.store, &key("sessions", id), &until("sessions", "09:00:00")).await;
    }
    let query = Query::all().limit(1).unwrap();
    let name = collection("sessions");
    let cursor = e.store.query(&name, &query.clone().strong()).await.unwrap().next.unwrap();
    f.clock.advance(Duration::from_secs(1));
    let other = Query::new(filter(r#"{"n": 1}"#)).limit(1).unwrap().after(cursor.clone());
    assert_kind(e.store.query(&name, &other).await, ErrorKind::Invalid);
    e.store.query(&name, &query.after(cursor)).await.unwrap();
    assert!(e.store.get(&name, &key("sessions", "a").id).await.unwrap().is_some());
}
