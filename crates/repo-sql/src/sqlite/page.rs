//! One page of a query.

use std::sync::Arc;

use repo_core::strategy::{Position, Record, Selector};
use repo_core::{EntityId, Page, Query, Result};
use rusqlite::{StatementStatus, params_from_iter};

use super::allowance::STEPS_AT_ONCE;
use super::connection::Reader;
use super::plans::{Known, Unsorted};
use super::read::select_failed;
use super::rows;
use super::select::{Explained, Goal, Select};
use super::shared::Shared;
use super::table::Table;

/// Room that is made for entities before any is found.
const ROOM_AT_FIRST: usize = 16;

/// One page of a query.
pub(super) fn query(
    shared: &Shared,
    reader: &Reader,
    table: &Arc<Table>,
    query: &Query,
) -> Result<Page> {
    let select = select(table, query)?;
    let known = reader.plans.get(&select.sql, table);
    let reading = Reading { shared, reader, table, query, select };
    if let Some(unsorted) = known.as_ref().and_then(|known| known.unsorted.as_ref())
        && unsorted.finds_all.get()
        && let Some(page) = reading.all_there_is(unsorted)?
    {
        return Ok(page);
    }
    reading.page(known)
}

/// The statement behind one page.
pub(super) fn select(table: &Table, query: &Query) -> Result<Select> {
    let collection = &table.schema.collection;
    let after = match query.cursor().map(|c| c.position_in(collection, query)).transpose()? {
        Some(Position::Native(id)) => Some(EntityId::new(id)?),
        _ => None,
    };
    // In its own order a page ends early; an ordered one sees every candidate
    // and keeps a page of them.
    let goal = match query.order() {
        None => Goal::Page { after: after.as_ref(), most: query.page_size() + 1 },
        Some(_) => Goal::All,
    };
    Ok(Select::new(&table.layout, query.filter(), &goal))
}

struct Reading<'a> {
    shared: &'a Shared,
    reader: &'a Reader,
    table: &'a Arc<Table>,
    query: &'a Query,
    select: Select,
}

impl Reading<'_> {
    /// The page, by the statement that has its order.
    fn page(self, known: Option<Arc<Known>>) -> Result<Page> {
        let mut selector = Selector::new(&self.table.schema.collection, self.query)?;
        let was_long = known.as_ref().is_some_and(|known| known.is_long.get());
        let is_long = self.run(&self.select.sql, was_long, |record| {
            let Record::Live(entity) = record? else { return Ok(true) };
            Ok(if self.select.exact { selector.keep(entity) } else { selector.offer(entity) })
        })?;
        let (known, is_new) = match known {
            Some(known) => (known, false),
            None => (Arc::new(self.ask()?), true),
        };
        let page = selector.finish(known.plan.clone(), |last| last.id.to_string());
        known.is_long.set(is_long);
        if let Some(unsorted) = &known.unsorted {
            unsorted.finds_all.set(page.next.is_none());
        }
        if is_new {
            self.reader.plans.keep(self.select.sql, known);
        }
        Ok(page)
    }

    /// The page, by the statement that sorts nothing: to sort a few entities here
    /// takes less than SQLite takes for their rows. `None` if there is more than a
    /// page, or what cannot be read, which need not be of this page.
    fn all_there_is(&self, unsorted: &Unsorted) -> Result<Option<Page>> {
        let most = self.query.page_size();
        let mut entities = Vec::with_capacity(most.min(ROOM_AT_FIRST));
        let mut is_all = true;
        let is_long = self.run(&unsorted.sql, unsorted.is_long.get(), |record| {
            match record {
                Ok(Record::Live(entity)) if entities.len() < most => entities.push(entity),
                Ok(Record::Tombstone(_)) => {}
                _ => is_all = false,
            }
            Ok(is_all)
        })?;
        let plan = unsorted.plan(|| Ok(self.explain(&unsorted.sql)?.plan))?;
        unsorted.is_long.set(is_long);
        unsorted.finds_all.set(is_all);
        // By their UTF-8 bytes, as SQLite orders them.
        entities.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(is_all.then_some(Page { entities, next: None, plan }))
    }

    /// Runs `sql`, which is the statement or the one without an order, until `take`
    /// wants no more. Whether that took long.
    fn run(
        &self,
        sql: &str,
        was_long: bool,
        mut take: impl FnMut(Result<Record>) -> Result<bool>,
    ) -> Result<bool> {
        if was_long {
            self.reader.takes_long("query")?;
        }
        let failed = |source| select_failed(self.shared, self.reader, self.table, source);
        let mut statement = self.reader.prepare_cached(sql).map_err(failed)?;
        statement.reset_status(StatementStatus::VmStep);
        let mut rows = statement.query(params_from_iter(&self.select.params)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !take(rows::record(&self.table.schema.collection, row))? {
                break;
            }
        }
        drop(rows);
        Ok(statement.get_status(StatementStatus::VmStep) > STEPS_AT_ONCE)
    }

    /// What there is to know of the statement after its first run.
    fn ask(&self) -> Result<Known> {
        let explained = self.explain(&self.select.sql)?;
        let unsorted = if explained.sorts { self.select.unsorted() } else { None };
        Ok(Known::new(self.table, explained.plan, unsorted.map(Unsorted::new)))
    }

    fn explain(&self, sql: &str) -> Result<Explained> {
        self.select.explain(sql, self.shared, self.reader, &self.table.layout)
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{ErrorKind, Filter, Plan};

    use super::*;
    use crate::ddl::NewIndexes;
    use crate::sqlite::plans::tests::{Store, schema, store};
    use crate::sqlite::prepare::prepare;

    /// An index that finds a kind, but with the highest id first.
    const SORTED_OTHERWISE: &str = r#"[["kind", "size"]]"#;

    fn backwards(machines: u32) -> Store {
        let mut store = store(SORTED_OTHERWISE, machines);
        let sizes = "UPDATE m_records SET document =
            json_set(document, '$.size', 1000000 - CAST(substr(id, 2) AS INTEGER))";
        store.session.connection().unwrap().execute(sizes, []).unwrap();
        store
    }

    fn kind(kind: &str, limit: usize) -> Query {
        let filter = Filter::parse(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
        Query::new(filter).limit(limit).unwrap()
    }

    fn ids(page: &Page) -> Vec<&str> {
        page.entities.iter().map(|entity| entity.id.as_str()).collect()
    }

    /// Whether a query of one kind would be read without a sort now.
    fn is_unsorted(store: &Store, reader: &Reader) -> Option<bool> {
        let catalog = store.shared.known.get();
        let table = catalog.tables.values().next().unwrap();
        let goal = Goal::Page { after: None, most: 2 };
        let select = Select::new(&table.layout, kind("any", 1).filter(), &goal);
        let known = reader.plans.get(&select.sql, table)?;
        known.unsorted.as_ref().map(|unsorted| unsorted.finds_all.get())
    }

    #[test]
    fn what_fits_into_a_page_is_in_the_order_of_ids_without_a_sort_by_sqlite() {
        let store = backwards(300);
        let reader = store.reader();
        let rare = ["m000100", "m000200", "m000300"];
        let plan = Plan::Index { name: "m-kind-size-index".to_owned() };
        for _ in 0..3 {
            let page = store.page(&reader, &kind("rare", 3)).unwrap();
            assert_eq!((ids(&page), &page.plan, &page.next), (rare.to_vec(), &plan, &None));
            assert_eq!(is_unsorted(&store, &reader), Some(true));
        }
        let catalog = store.shared.known.get();
        let table = catalog.tables.values().next().unwrap();
        let goal = Goal::Page { after: None, most: 2 };
        let sql = Select::new(&table.layout, kind("rare", 1).filter(), &goal).unsorted().unwrap();
        assert!(!sql.contains("ORDER"), "{sql}");
    }

    #[test]
    fn what_does_not_fit_is_read_in_its_order_whatever_was_read_before() {
        let store = backwards(700);
        let reader = store.reader();
        let all = |limit: usize| -> Vec<String> {
            let (mut found, mut next) = (Vec::new(), None);
            loop {
                let asked = kind("rare", limit);
                let page = store.page(
                    &reader,
                    &match next {
                        Some(cursor) => asked.after(cursor),
                        None => asked,
                    },
                );
                let page = page.unwrap();
                found.extend(ids(&page).into_iter().map(str::to_owned));
                next = page.next;
                if next.is_none() {
                    return found;
                }
            }
        };
        let rare: Vec<String> = (1..=7).map(|n| format!("m{:06}", n * 100)).collect();
        for limit in [7, 7, 3, 3, 8, 8, 1, 2, 7, 6, 6, 7] {
            assert_eq!(all(limit), rare, "{limit}");
        }
        assert_eq!(is_unsorted(&store, &reader), Some(true));
        all(6);
        assert_eq!(is_unsorted(&store, &reader), Some(false));
    }

    /// Another process may make and drop indexes between two runs.
    #[test]
    fn a_way_to_read_a_page_ends_with_the_indexes_it_is_for() {
        let mut store = backwards(300);
        let reader = store.reader();
        let asked = |store: &Store, name: Option<&str>, unsorted: Option<bool>| {
            let plan =
                name.map_or(Plan::Scan, |name| Plan::Index { name: format!("m-{name}-index") });
            for _ in 0..3 {
                let page = store.page(&reader, &kind("rare", 5)).unwrap();
                assert_eq!(ids(&page), ["m000100", "m000200", "m000300"]);
                assert_eq!(page.plan, plan);
                assert_eq!(is_unsorted(store, &reader), unsorted);
            }
        };
        asked(&store, Some("kind-size"), Some(true));
        let run = |store: &mut Store, sql: &str| {
            store.session.connection().unwrap().execute_batch(sql).unwrap();
        };
        run(&mut store, "DROP INDEX \"m-kind-size-index\"");
        asked(&store, None, None);
        prepare(&mut store.session, &[schema(SORTED_OTHERWISE)], NewIndexes::Made).unwrap();
        asked(&store, Some("kind-size"), Some(true));
        prepare(&mut store.session, &[schema(r#"[["kind"]]"#)], NewIndexes::Made).unwrap();
        asked(&store, Some("kind"), None);
    }

    /// A page does not fail by what is not on it, and never leaves out what is.
    #[test]
    fn a_damaged_record_is_reported_by_the_page_that_holds_it() {
        let mut store = backwards(500);
        let damage = "PRAGMA ignore_check_constraints = 1;
            UPDATE m_records SET document =
                '{\"id\":\"m000500\",\"kind\":\"rare\",\"size\":1,\"size\":2}'
            WHERE id = 'm000500'";
        store.session.connection().unwrap().execute_batch(damage).unwrap();
        let reader = store.reader();
        for _ in 0..3 {
            // Nothing is found, so the next one is tried without a sort.
            store.page(&reader, &kind("none", 4)).unwrap();
            assert_eq!(is_unsorted(&store, &reader), Some(true));
            let page = store.page(&reader, &kind("rare", 3)).unwrap();
            assert_eq!(ids(&page), ["m000100", "m000200", "m000300"]);
            assert!(page.next.is_some());
            store.page(&reader, &kind("none", 4)).unwrap();
            let error = store.page(&reader, &kind("rare", 5)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(error.context_value("key"), Some("m/m000500"));
        }
    }
}
