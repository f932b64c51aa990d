//! Levels of consistency: what each has to see, and tokens.

use std::time::Duration;

use repo_core::strategy::{
    Record, ScanOptions, StorageStrategyExt as _, StoreId, TokenPosition, with_consistency,
};
use repo_core::{
    AggregateValue, Aggregation, Consistency, ErrorKind, Filter, Query, Result, Token,
};

use super::support::{assert_kind, batches, collection, key, refused, save};
use crate::{Fixture, Store};

const HOUR: Duration = Duration::from_secs(3_600);

/// How many things each way of reading finds at a level, and by key whether `last` is there.
async fn seen(store: &Store, level: Consistency, last: &str) -> Result<Vec<u64>> {
    let name = collection("things");
    let ids = [key("things", last).id];
    let by_key = with_consistency(level, store.get_many(&name, &ids)).await?;
    let page = store.query(&name, &Query::all().with_consistency(level)).await?;
    let counted = store.count(&name, &Filter::default(), level).await?;
    let asked = Aggregation::new(Filter::default()).count()?.with_consistency(level);
    let groups = store.aggregate(&name, &asked).await?;
    let options = ScanOptions::default().with_consistency(level);
    let scanned = batches(store.scan(&name, options).await?).await?.concat();
    let AggregateValue::Count(grouped) = groups.rows[0].values[0] else {
        panic!("a count is a count: {groups:?}");
    };
    let there = by_key.iter().flatten().filter(|record: &&Record| record.is_live()).count();
    Ok(vec![there as u64, page.entities.len() as u64, counted, grouped, scanned.len() as u64])
}

/// At every level but `Eventual` a handle sees what it wrote itself.
pub async fn each_level_shows_what_the_handle_wrote(f: Fixture) {
    let store = f.prepared().await;
    for n in 1..=10_u64 {
        let id = format!("{n:02}");
        save(&store, &key("things", &id), "").await;
        let token = store.token().await.unwrap();
        for level in [
            Consistency::Strong,
            Consistency::BoundedStaleness(Duration::ZERO),
            Consistency::BoundedStaleness(HOUR),
            Consistency::AtLeast(token),
        ] {
            assert_eq!(seen(&store, level, &id).await.unwrap(), [1, n, n, n, n], "{level:?}");
        }
        let weak = seen(&store, Consistency::Eventual, &id).await.unwrap();
        assert!(weak.iter().all(|found| *found <= n), "{weak:?}");
    }
}

/// A token says what another handle has to see, and its text is as good.
pub async fn a_token_is_good_through_every_handle(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    for n in 1..=10_u64 {
        let id = format!("{n:02}");
        let (writer, reader) = if n % 2 == 0 { (&other, &store) } else { (&store, &other) };
        save(writer, &key("things", &id), "").await;
        let text = writer.token().await.unwrap().to_string();
        let token: Token = text.parse().unwrap();
        assert_eq!(token.to_string(), text);
        assert_eq!(Some(token.store()), store.store_record().await.unwrap().id);
        let level = Consistency::AtLeast(token);
        assert_eq!(seen(reader, level, &id).await.unwrap(), [1, n, n, n, n]);
    }
}

/// Whatever reads, a token of another store is refused, and named.
pub async fn a_token_of_another_store_is_refused(f: Fixture) {
    let store = f.prepared().await;
    save(&store, &key("things", "a"), "").await;
    let (name, ids) = (collection("things"), [key("things", "a").id]);
    let other = StoreId::random().unwrap();
    let place = TokenPosition { epoch: 1, at: 1 };
    for token in [Token::new(other), Token::at(other, place)] {
        let level = Consistency::AtLeast(token);
        let asked = Aggregation::new(Filter::default()).count().unwrap().with_consistency(level);
        let query = Query::all().with_consistency(level);
        let options = ScanOptions::default().with_consistency(level);
        let errors = [
            refused(with_consistency(level, store.get_many(&name, &ids)).await),
            refused(with_consistency(level, store.get(&name, &ids[0])).await),
            refused(store.query(&name, &query).await),
            refused(store.count(&name, &Filter::default(), level).await),
            refused(store.aggregate(&name, &asked).await),
            refused(store.scan(&name, options).await),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert_eq!(error.context_value("store_of_the_token"), Some(&*other.to_string()));
            assert!(error.hint_text().is_some(), "{error}");
        }
    }
    // The handle reads on.
    assert_eq!(seen(&store, Consistency::Strong, "a").await.unwrap(), [1, 1, 1, 1, 1]);
}

/// A scope gives its level to reads that ask for no other one.
pub async fn a_scope_gives_reads_its_level(f: Fixture) {
    let store = f.prepared().await;
    save(&store, &key("things", "a"), "").await;
    let name = collection("things");
    let refusing = Consistency::AtLeast(Token::new(StoreId::random().unwrap()));
    let query = Query::all();
    let querying = store.query(&name, &query);
    assert_kind(with_consistency(refusing, querying).await, ErrorKind::Invalid);
    let all = Filter::default();
    let counting = store.count(&name, &all, Consistency::Eventual);
    assert_kind(with_consistency(refusing, counting).await, ErrorKind::Invalid);
    // What a read asks for itself, and an inner scope, count before it.
    let strong = query.clone().strong();
    let page = with_consistency(refusing, store.query(&name, &strong)).await.unwrap();
    assert_eq!(page.entities.len(), 1);
    let inner = with_consistency(Consistency::Strong, store.query(&name, &query));
    assert_eq!(with_consistency(refusing, inner).await.unwrap().entities.len(), 1);
}

/// A store that was never prepared has no id that a token could name.
pub async fn a_token_needs_a_prepared_store(f: Fixture) {
    let store = f.open().await;
    assert_kind(store.token().await, ErrorKind::NotFound);
    let schemas: Vec<_> = f.schemas.iter().cloned().collect();
    store.prepare(&schemas).await.unwrap();
    store.token().await.unwrap();
    store.close().await.unwrap();
    assert_kind(store.token().await, ErrorKind::Closed);
}
