//! What reading a page takes is counted while it is read.

use repo_core::{Access, ErrorKind, Query, QueryAnalysis};

use super::support::{assert_kind, collection, fill, filter, key, put};
use crate::{Fixture, Store};

/// How many things there are.
const ALL: u64 = 120;
/// How many of them have one status.
const ALIKE: u64 = 12;

/// Things with a status, which is indexed, and the same in a note, which is not.
async fn stock(store: &Store) {
    let write = |n: u64| {
        let kind = n % (ALL / ALIKE);
        let fields = format!("\"status\":\"s{kind}\",\"note\":\"n{kind}\"");
        put(&key("things", &format!("{n:03}")), &fields)
    };
    fill(store, (0..ALL).map(write).collect()).await;
}

async fn analyze(store: &Store, query: &Query) -> QueryAnalysis {
    store.analyze(&collection("things"), query).await.unwrap()
}

/// The counts are those of the page that the same query answers: as many entities as it
/// has, and no fewer that were looked at than that were handed over.
pub async fn the_counts_go_with_the_page(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    for text in [
        "{}",
        r#"{"status":"s3"}"#,
        r#"{"status":{"$in":["s3","s4"]},"note":"n4"}"#,
        r#"{"note":{"$regex":"^n3$"}}"#,
        r#"{"thing_id":"007"}"#,
        r#"{"status":"nothing"}"#,
    ] {
        let all = Query::new(filter(text));
        for query in [
            all.clone(),
            all.clone().limit(5).unwrap(),
            all.clone().order_by("note:desc").unwrap().limit(5).unwrap(),
        ] {
            let mut query = query;
            loop {
                let page = store.query(&collection("things"), &query).await.unwrap();
                let analysis = analyze(&store, &query).await;
                let returned = page.entities.len() as u64;
                assert_eq!(analysis.returned, returned, "{text}: {analysis:?}");
                let handed_over = returned + analysis.engine_filtered.unwrap_or(0);
                assert!(
                    analysis.examined.is_none_or(|examined| examined >= handed_over),
                    "{text}: {analysis:?}"
                );
                match page.next {
                    Some(next) => query = query.after(next),
                    None => break,
                }
            }
        }
    }
}

/// Without an index each record is looked at before it is known that no more match.
pub async fn a_scan_looks_at_everything(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    let analysis = analyze(&store, &Query::new(filter(r#"{"note":"n3"}"#))).await;
    assert_eq!((&analysis.access, analysis.returned), (&Access::Scan, ALIKE), "{analysis:?}");
    assert!(analysis.examined.is_none_or(|examined| examined >= ALL), "{analysis:?}");
    let left_out = ALL - ALIKE;
    assert!(analysis.engine_filtered.is_none_or(|count| count <= left_out), "{analysis:?}");
}

/// With an index no entry is looked at but those of the value that is asked for.
pub async fn an_index_looks_at_its_matches_alone(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    for limit in [5, 1_000] {
        let query = Query::new(filter(r#"{"status":"s3"}"#)).limit(limit).unwrap();
        let analysis = analyze(&store, &query).await;
        if let Access::Index { index } = &analysis.access {
            assert!(index.contains("status"), "{analysis:?}");
            assert!(analysis.examined.is_none_or(|examined| examined <= ALIKE), "{analysis:?}");
            assert_eq!(analysis.engine_filtered.unwrap_or(0), 0, "{analysis:?}");
        }
    }
}

/// A collection that was not prepared is `NotFound`, as for the query itself.
pub async fn an_unprepared_collection_is_not_analyzed(f: Fixture) {
    let store = f.prepared().await;
    assert_kind(store.analyze(&collection("nowhere"), &Query::all()).await, ErrorKind::NotFound);
    store.close().await.unwrap();
    assert_kind(store.analyze(&collection("things"), &Query::all()).await, ErrorKind::Closed);
}
