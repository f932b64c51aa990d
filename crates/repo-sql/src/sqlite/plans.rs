//! What one connection knows of the statements that it ran.
//!
//! SQLite chooses a plan by the text of a statement, the schema, and the
//! statistics that a connection reads with the schema; not by values
//! ([`open`](super::connection)). So a plan holds for one connection, for as long
//! as the catalog is the same: a change of the schema makes other [`Table`]s.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use repo_core::{Plan, Result};

use super::table::Table;

/// Most statements that a connection keeps prepared, and of which it knows the plan.
pub(super) const MOST_STATEMENTS: usize = 128;

/// The statements of one connection, by their text.
#[derive(Default)]
pub(super) struct Plans(RefCell<HashMap<String, Arc<Known>>>);

/// What the runs of a statement showed.
pub(super) struct Known {
    table: Weak<Table>,
    pub(super) plan: Plan,
    pub(super) is_long: Flag,
    /// The same statement without its order, if SQLite sorts for that.
    pub(super) unsorted: Option<Unsorted>,
}

/// A statement that finds the records of a page in any order, and is a guess: it
/// helps where all there is fits into the page.
pub(super) struct Unsorted {
    pub(super) sql: String,
    plan: OnceLock<Plan>,
    pub(super) is_long: Flag,
    /// Whether there was no more than a page the last time.
    pub(super) finds_all: Flag,
}

/// Used by one thread at a time, which is that of its connection.
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn new(is_set: bool) -> Self {
        Self(AtomicBool::new(is_set))
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, is_set: bool) {
        self.0.store(is_set, Ordering::Relaxed);
    }
}

impl Known {
    pub(super) fn new(table: &Arc<Table>, plan: Plan, unsorted: Option<Unsorted>) -> Self {
        Self { table: Arc::downgrade(table), plan, is_long: Flag::new(false), unsorted }
    }
}

impl Unsorted {
    pub(super) fn new(sql: String) -> Self {
        let (is_long, finds_all) = (Flag::new(false), Flag::new(false));
        Self { sql, plan: OnceLock::new(), is_long, finds_all }
    }

    /// Its plan, asked for once.
    pub(super) fn plan(&self, ask: impl FnOnce() -> Result<Plan>) -> Result<Plan> {
        if let Some(plan) = self.plan.get() {
            return Ok(plan.clone());
        }
        let plan = ask()?;
        Ok(self.plan.get_or_init(|| plan).clone())
    }
}

impl Plans {
    /// What is known of a statement over `table`.
    pub(super) fn get(&self, sql: &str, table: &Arc<Table>) -> Option<Arc<Known>> {
        let known = self.0.borrow();
        let known = known.get(sql)?;
        std::ptr::eq(known.table.as_ptr(), Arc::as_ptr(table)).then(|| Arc::clone(known))
    }

    /// Keeps what the first run of a statement showed.
    pub(super) fn keep(&self, sql: String, known: Arc<Known>) {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_STATEMENTS && !all.contains_key(&sql) {
            all.clear();
        }
        all.insert(sql, known);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use repo_core::strategy::OpenOptions;
    use repo_core::{CollectionName, CollectionSchema, Filter, Page, Query, Result};

    use super::*;
    use crate::ddl::NewIndexes;
    use crate::sqlite::connection::{Reader, open_reader};
    use crate::sqlite::page::query;
    use crate::sqlite::prepare::prepare;
    use crate::sqlite::read::with_table;
    use crate::sqlite::readers::Readers;
    use crate::sqlite::session::Session;
    use crate::sqlite::shared::Shared;

    /// A store of machines, of which a hundredth is `rare`.
    pub(in crate::sqlite) struct Store {
        pub(in crate::sqlite) shared: Arc<Shared>,
        pub(in crate::sqlite) session: Session,
        _dir: tempfile::TempDir,
    }

    pub(in crate::sqlite) fn schema(indexes: &str) -> CollectionSchema {
        CollectionSchema::parse(&format!(
            r#"{{"type":"object","x-repository":{{"collection":"m","idField":"id",
                "indexes":{indexes}}},"properties":{{"id":{{"type":"string"}},
                "kind":{{"type":"string"}}}}}}"#
        ))
        .unwrap()
    }

    pub(in crate::sqlite) fn store(indexes: &str, machines: u32) -> Store {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let shared = Arc::new(Shared::new(file, Duration::ZERO, OpenOptions::default()));
        let mut session = Session::new(Arc::clone(&shared));
        prepare(&mut session, &[schema(indexes)], NewIndexes::Made).unwrap();
        let fill = "INSERT INTO m_records (id, _version, _created_at, _updated_at, document)
            WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
            SELECT printf('m%06d', n), 1, 0, 0, json_object('id', printf('m%06d', n),
                'kind', iif(n % 100, 'usual', 'rare')) FROM n";
        session.connection().unwrap().execute(fill, [machines]).unwrap();
        Store { shared, session, _dir: dir }
    }

    impl Store {
        pub(in crate::sqlite) fn reader(&self) -> Reader {
            open_reader(self.shared.file(), Duration::ZERO).unwrap()
        }

        fn ask(&self, reader: &Reader, kind: &str) -> Result<Page> {
            let filter = Filter::parse(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
            self.page(reader, &Query::new(filter))
        }

        pub(in crate::sqlite) fn page(&self, reader: &Reader, asked: &Query) -> Result<Page> {
            let name = CollectionName::new("m").unwrap();
            with_table(&self.shared, reader, "query", &name, |table| {
                query(&self.shared, reader, table, asked)
            })
        }
    }

    fn known(reader: &Reader) -> Vec<(Plan, bool)> {
        reader.plans.0.borrow().values().map(|k| (k.plan.clone(), k.is_long.get())).collect()
    }

    #[test]
    fn a_plan_is_asked_for_once_and_again_after_the_schema_changed() {
        let mut store = store("[]", 300);
        let reader = store.reader();
        assert_eq!(store.ask(&reader, "rare").unwrap().plan, Plan::Scan);
        assert_eq!(known(&reader), [(Plan::Scan, false)]);
        // What is known is what is answered: it is not asked for again.
        let noted = Plan::Index { name: "as-noted".to_owned() };
        for known in reader.plans.0.borrow_mut().values_mut() {
            Arc::get_mut(known).unwrap().plan = noted.clone();
        }
        assert_eq!(store.ask(&reader, "usual").unwrap().plan, noted);
        // Another process gives the collection an index.
        prepare(&mut store.session, &[schema(r#"[["kind"]]"#)], NewIndexes::Made).unwrap();
        let by_index = Plan::Index { name: "m-kind-index".to_owned() };
        let page = store.ask(&reader, "rare").unwrap();
        assert_eq!((page.plan, page.entities.len()), (by_index.clone(), 3));
        // And somebody drops it.
        let drop = "DROP INDEX \"m-kind-index\"";
        store.session.connection().unwrap().execute_batch(drop).unwrap();
        assert_eq!(store.ask(&reader, "rare").unwrap().plan, Plan::Scan);
    }

    /// The form of a filter makes the text of a statement, and a caller may give it
    /// any number of forms.
    #[test]
    fn no_more_statements_are_known_than_stay_prepared() {
        let store = store(r#"[["kind", "size"]]"#, 1);
        let reader = store.reader();
        let (mut most, mut unsorted) = (0, 0);
        for form in 0..10_000_u32 {
            let one = |place: u32| {
                let operator = ["$lt", "$le", "$gt", "$ge"][(form >> (2 * place)) as usize % 4];
                format!(r#"{{"kind": {{"{operator}": "a"}}}}"#)
            };
            let filter =
                format!(r#"{{"$and": [{}]}}"#, (0..7).map(one).collect::<Vec<_>>().join(","));
            let asked = Query::new(Filter::parse(&filter).unwrap());
            store.page(&reader, &asked).unwrap();
            let all = reader.plans.0.borrow();
            most = most.max(all.len());
            unsorted += usize::from(all.values().any(|known| known.unsorted.is_some()));
        }
        assert_eq!((most, unsorted > 0), (MOST_STATEMENTS, true));
    }

    /// A read of all that a collection holds must not stand in the way of all
    /// that waits for the thread.
    #[tokio::test]
    async fn a_long_query_does_not_run_on_the_callers_thread() {
        let store = store("[]", 20_000);
        let readers = Readers::new(Arc::clone(&store.shared), 1, 0);
        readers.run("query", |_| Ok(())).await.unwrap();
        let ask = |reader: &Reader| store.ask(reader, "rare");
        // Nothing is known of it: it is begun, and given up.
        assert!(readers.run_at_once(ask).is_none());
        readers
            .run_at_once(|reader| {
                assert!(known(reader).is_empty());
                Ok(())
            })
            .unwrap()
            .unwrap();
        let shared = Arc::clone(&store.shared);
        let (plans, found) = readers
            .run("query", move |reader| {
                let filter = Filter::parse(r#"{"kind": "rare"}"#).unwrap();
                let name = CollectionName::new("m").unwrap();
                let page = with_table(&shared, reader, "query", &name, |table| {
                    query(&shared, reader, table, &Query::new(filter))
                })?;
                Ok((known(reader), page.entities.len()))
            })
            .await
            .unwrap();
        assert_eq!((plans, found), (vec![(Plan::Scan, true)], 200));
        // Now it is known, and not even begun.
        let mut reached = false;
        let again = readers.run_at_once(|reader| {
            let done = store.ask(reader, "rare");
            reached = reader.is_autocommit();
            done
        });
        assert!(again.is_none() && reached);
        // A short one on the same connection is.
        assert!(readers.run_at_once(|reader| store.ask(reader, "none")).is_none());
        let few = readers.run_at_once(|reader| {
            reader
                .query_row("SELECT count(*) FROM m_records WHERE id = 'm000001'", [], |row| {
                    row.get::<_, u32>(0)
                })
                .map_err(|source| crate::errors::sqlite("test", store.shared.file(), source))
        });
        assert_eq!(few.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_page_by_an_index_is_read_at_once() {
        let store = store(r#"[["kind"]]"#, 3_000);
        let readers = Readers::new(Arc::clone(&store.shared), 1, 0);
        readers.run("query", |_| Ok(())).await.unwrap();
        for _ in 0..200 {
            let page = readers.run_at_once(|reader| store.ask(reader, "rare")).unwrap().unwrap();
            assert_eq!(page.entities.len(), 30);
        }
    }
}
