//! What reading one page takes: by which index, and how many entries SQLite looks at.
//!
//! SQLite counts steps of a whole scan, but not those along an index. So a condition that
//! is always true and counts how often it is asked stands before the others; SQLite asks it
//! of each row that its index leads to, and of each row of a scan. The plan is that of the
//! statement with this condition.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use repo_core::strategy::{Effort, Record, Selector};
use repo_core::{Query, QueryAnalysis, Result};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params_from_iter};

use super::connection::Reader;
use super::page;
use super::read::select_failed;
use super::rows;
use super::shared::Shared;
use super::table::Table;
use crate::names::quote;

/// The name of the function that counts; of our readers only, as the one that divides scans.
const LOOKED_AT: &str = "repo_looked_at";

/// Reads a page, and counts.
pub(super) fn analyze(
    shared: &Shared,
    reader: &Reader,
    table: &Arc<Table>,
    query: &Query,
) -> Result<QueryAnalysis> {
    let failed = |source| select_failed(shared, reader, table, source);
    let select = page::select(table, query)?;
    let sql = select.asked_first(&format!("{LOOKED_AT}({})", quote(&table.layout.id_column)));
    let examined = count_with(reader).map_err(failed)?;
    let collection = &table.schema.collection;
    let mut selector = Selector::new(collection, query)?;
    let mut effort = Effort::default();
    let mut statement = reader.prepare(&sql).map_err(failed)?;
    let mut found = statement.query(params_from_iter(&select.params)).map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        let Record::Live(entity) = rows::record(collection, row)? else { continue };
        let matches = select.exact || query.filter().matches(&entity.document);
        effort.hand_over(matches);
        if matches && !selector.keep(entity) {
            break;
        }
    }
    drop(found);
    effort.examined = examined.load(Ordering::Relaxed);
    let plan = select.explain(&sql, shared, reader, &table.layout)?.plan;
    let page = selector.finish(plan, |last| last.id.to_string());
    Ok(QueryAnalysis::counted(&page, effort)
        .with_keys(|index| index.starts_with("sqlite_autoindex_")))
}

/// Makes the function count from 0.
fn count_with(connection: &Connection) -> rusqlite::Result<Arc<AtomicU64>> {
    let counter = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&counter);
    // Not deterministic: it is to be asked of each row.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(LOOKED_AT, 1, flags, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    })?;
    Ok(counter)
}

#[cfg(test)]
mod tests {
    use repo_core::{Access, CollectionName, Filter};

    use super::*;
    use crate::sqlite::plans::tests::{Store, store};
    use crate::sqlite::read::with_table;

    fn analyzed(store: &Store, filter: &str, limit: usize) -> QueryAnalysis {
        let reader = store.reader();
        let query = Query::new(Filter::parse(filter).unwrap()).limit(limit).unwrap();
        let name = CollectionName::new("m").unwrap();
        let work = |table: &Arc<Table>| analyze(&store.shared, &reader, table, &query);
        with_table(&store.shared, &reader, "query", &name, work).unwrap()
    }

    /// Every hundredth machine of 700 is rare.
    #[test]
    fn what_an_index_leads_to_is_counted() {
        let store = store(r#"[["kind"]]"#, 700);
        let rare = analyzed(&store, r#"{"kind":"rare"}"#, 100);
        assert_eq!(rare.access, Access::Index { index: "m-kind-index".to_owned() });
        assert_eq!((rare.examined, rare.returned, rare.engine_filtered), (Some(7), 7, Some(0)));
    }

    #[test]
    fn a_scan_counts_every_row_and_ends_with_the_page() {
        let store = store("[]", 700);
        let rare = analyzed(&store, r#"{"kind":"rare"}"#, 100);
        assert_eq!((rare.access, rare.examined, rare.returned), (Access::Scan, Some(700), 7));
        let first = analyzed(&store, "{}", 10);
        assert_eq!((first.access, first.examined, first.returned), (Access::Scan, Some(11), 10));
    }

    #[test]
    fn a_row_that_is_found_by_its_id_is_one() {
        let store = store("[]", 700);
        let one = analyzed(&store, r#"{"id":"m000100"}"#, 10);
        assert!(matches!(one.access, Access::Key { .. }), "{one:?}");
        assert_eq!((one.examined, one.returned), (Some(1), 1));
        let none = analyzed(&store, r#"{"id":"nobody"}"#, 10);
        assert_eq!((none.examined, none.returned), (Some(0), 0));
    }

    /// What SQLite does not filter exactly is looked at twice, once by each.
    #[test]
    fn what_the_engine_leaves_out_is_counted() {
        let store = store("[]", 700);
        let all = analyzed(&store, r#"{"kind":{"$regex":"^rare$"}}"#, 100);
        assert_eq!((all.examined, all.returned, all.engine_filtered), (Some(700), 7, Some(693)));
    }
}
