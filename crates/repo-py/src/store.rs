//! An open store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use repo_core::strategy::{ScanOptions, StorageStrategy};
use repo_core::{CollectionName, Cursor, HealthDepth, Query};

use crate::aggregate::{aggregation, counts, rows};
use crate::answers::{get_many, versions};
use crate::arguments::{attribution, collection, consistency, ids, key, precondition};
use crate::entities::Entities;
use crate::entity::Entity;
use crate::errors::checked;
use crate::forked::OpenFile;
use crate::open::{Opened, Opening};
use crate::page::Page;
use crate::place::Place;
use crate::process::OfProcess;
use crate::schemas::schemas;
use crate::text::{document, filter, loaded};
use crate::transaction::{Transaction, policy, run};
use crate::wait::wait;
use crate::write::Write;

/// An open store: JSON files, SQLite, PostgreSQL, DynamoDB or objects, with the same answers and
/// errors on each. May be used by several threads at once.
///
/// A store belongs to the process that opened it: in a forked child it raises
/// ClosedError, and the child opens its own.
#[pyclass(frozen, module = "repo_engine")]
pub(crate) struct Store(OfProcess<Handle>);

struct Handle {
    strategy: Arc<dyn StorageStrategy>,
    collections: Vec<String>,
    /// Given back when the store is closed.
    file: Mutex<Option<OpenFile>>,
}

impl Store {
    fn strategy(&self, py: Python<'_>) -> PyResult<&Arc<dyn StorageStrategy>> {
        Ok(&checked(py, self.0.get())?.strategy)
    }
}

#[pymethods]
impl Store {
    /// Opens a store. Usable as a context manager, which closes it.
    ///
    /// place: a URL ("json:DIR", "sqlite:FILE", "postgresql://USER@HOST/NAME",
    ///     "dynamodb:PREFIX", "object:s3://BUCKET/PREFIX", "memory:"), or a configuration
    ///     file as a pathlib.Path, or a configuration as a dict with a section "storage".
    /// schemas: a folder of *.schema.json files, or a list of which each is the name of
    ///     a collection (id field "id", no index) or a JSON Schema with an x-repository
    ///     block. Without it: those of the configuration, or machines, requests and
    ///     templates.
    /// read_only: the store has to exist, and nothing is made.
    /// max_entity_bytes: most bytes of one document; 380 KiB, which every store holds.
    /// routes: URLs that the store may move to while the program uses it.
    ///
    /// What the collections need is made: a folder, a file, tables, indexes.
    #[staticmethod]
    #[pyo3(signature = (
        place, *, schemas=None, read_only=false, max_entity_bytes=None, routes=None
    ))]
    fn open(
        py: Python<'_>,
        place: &Bound<'_, PyAny>,
        schemas: Option<&Bound<'_, PyAny>>,
        read_only: bool,
        max_entity_bytes: Option<usize>,
        routes: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let (place, schemas) = (Place::of(place)?, self::schemas(schemas)?);
        let routes = routes.unwrap_or_default();
        let opening = Opening { place, schemas, read_only, max_entity_bytes, routes };
        let Opened { strategy, schemas, file } = opening.open(py)?;
        let collections = schemas.iter().map(|schema| schema.collection.to_string()).collect();
        Ok(Self(OfProcess::new(Handle { strategy, collections, file: Mutex::new(file) })))
    }

    /// The entity of an id, or None. Sees every acknowledged write.
    fn get(&self, py: Python<'_>, collection: &str, id: &str) -> PyResult<Option<Entity>> {
        let (strategy, key) = (self.strategy(py)?, key(py, collection, id)?);
        let found = wait(py, || get_many(&**strategy, key.collection, vec![key.id]))?;
        Ok(found.into_iter().next().flatten())
    }

    /// The entities of several ids in their order, None where there is none, with one
    /// read of the store.
    fn get_many(
        &self,
        py: Python<'_>,
        collection: &str,
        ids: Vec<String>,
    ) -> PyResult<Vec<Option<Entity>>> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        let ids = self::ids(py, ids)?;
        wait(py, || get_many(&**strategy, name, ids))
    }

    /// Stores a document and returns its new version. A call that returned is on disk.
    ///
    /// document: JSON text, or values that json.dumps takes.
    /// expect: what must hold, or nothing is written: "any"; "absent" (else
    ///     AlreadyExistsError); "exists" (else NotFoundError); or the version that was
    ///     read (else ConflictError, or NotFoundError when it is gone).
    /// author, reason: kept with the version where the collection's history is kept.
    #[pyo3(signature = (collection, id, document, *, expect=None, author=None, reason=None))]
    #[allow(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn put(
        &self,
        py: Python<'_>,
        collection: &str,
        id: &str,
        document: &Bound<'_, PyAny>,
        expect: Option<&Bound<'_, PyAny>>,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> PyResult<Option<u64>> {
        let strategy = self.strategy(py)?;
        let (key, expect) = (key(py, collection, id)?, precondition(py, expect)?);
        let write = repo_core::Write::put(key, self::document(document)?, expect)
            .attributed_to(attribution(py, author, reason)?);
        let written = wait(py, || strategy.commit(vec![write]))?;
        Ok(versions(&written).into_iter().next().flatten())
    }

    /// Deletes an entity and returns the version of what is left in its place, or None
    /// when there was nothing to delete. expect, author and reason as for put.
    #[pyo3(signature = (collection, id, *, expect=None, author=None, reason=None))]
    fn delete(
        &self,
        py: Python<'_>,
        collection: &str,
        id: &str,
        expect: Option<&Bound<'_, PyAny>>,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> PyResult<Option<u64>> {
        let strategy = self.strategy(py)?;
        let (key, expect) = (key(py, collection, id)?, precondition(py, expect)?);
        let write =
            repo_core::Write::delete(key, expect).attributed_to(attribution(py, author, reason)?);
        let written = wait(py, || strategy.commit(vec![write]))?;
        Ok(versions(&written).into_iter().next().flatten())
    }

    /// Does all writes or none, over any collections. Returns the new versions in the
    /// order of the writes; None for a check, and for a delete of what was not there.
    ///
    /// DynamoDB holds 100 keys in one commit: more is a LimitExceededError, and nothing
    /// was written.
    #[pyo3(signature = (writes, *, author=None, reason=None))]
    fn commit(
        &self,
        py: Python<'_>,
        writes: Vec<Py<Write>>,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> PyResult<Vec<Option<u64>>> {
        let (strategy, by) = (self.strategy(py)?, attribution(py, author, reason)?);
        let attributed = |write: &Py<Write>| write.get().inner().clone().attributed_to(by.clone());
        let writes: Vec<repo_core::Write> = writes.iter().map(attributed).collect();
        let written = wait(py, || strategy.commit(writes))?;
        Ok(versions(&written))
    }

    /// One page of the entities that match.
    ///
    /// filter: conditions as JSON text or values: {"status": {"$in": ["running"]}}, with
    ///     $eq $ne $lt $le $gt $ge $in $exists $begins_with $contains $regex and $and $or
    ///     $not. A bare value is $eq. Without one everything matches.
    /// order_by: "field" or "field:desc"; a dotted field goes through objects.
    /// limit: most entities of the page, 1 to 10000; 1000 without it.
    /// cursor: the cursor of the page before, of the same query.
    /// strong: sees every acknowledged write; else a store may lag behind for a moment.
    #[pyo3(signature = (
        collection, filter=None, *, order_by=None, limit=None, cursor=None, strong=false
    ))]
    #[allow(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn query(
        &self,
        py: Python<'_>,
        collection: &str,
        filter: Option<&Bound<'_, PyAny>>,
        order_by: Option<&str>,
        limit: Option<usize>,
        cursor: Option<&str>,
        strong: bool,
    ) -> PyResult<Page> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        let mut query = query(py, filter, order_by, strong)?;
        if let Some(limit) = limit {
            query = checked(py, query.limit(limit))?;
        }
        if let Some(cursor) = cursor {
            query = query.after(checked(py, Cursor::parse(cursor))?);
        }
        let page = wait(py, || async { strategy.query(&name, &query).await })?;
        Page::new(py, page)
    }

    /// Every entity that matches, one after the other, in bounded memory. Arguments as
    /// for query.
    #[pyo3(signature = (collection, filter=None, *, order_by=None, strong=false))]
    fn find(
        &self,
        py: Python<'_>,
        collection: &str,
        filter: Option<&Bound<'_, PyAny>>,
        order_by: Option<&str>,
        strong: bool,
    ) -> PyResult<Entities> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        Ok(Entities::of_query(Arc::clone(strategy), name, query(py, filter, order_by, strong)?))
    }

    /// Every entity of a collection, one after the other, in the store's own order and in
    /// bounded memory.
    ///
    /// An entity that does not change meanwhile comes exactly once; one that changes
    /// comes in its old or its new state.
    #[pyo3(signature = (collection, *, batch_size=1000, strong=false))]
    fn scan(
        &self,
        py: Python<'_>,
        collection: &str,
        batch_size: usize,
        strong: bool,
    ) -> PyResult<Entities> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        let mut options = ScanOptions::default().with_consistency(consistency(strong));
        if let Some(size) = std::num::NonZeroUsize::new(batch_size) {
            options = options.with_batch_size(size);
        }
        let stream = wait(py, || async { strategy.scan(&name, options).await })?;
        Ok(Entities::of_scan(stream))
    }

    /// How many entities match.
    #[pyo3(signature = (collection, filter=None, *, strong=false))]
    fn count(
        &self,
        py: Python<'_>,
        collection: &str,
        filter: Option<&Bound<'_, PyAny>>,
        strong: bool,
    ) -> PyResult<u64> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        let filter = self::filter(py, filter)?;
        wait(py, || async { strategy.count(&name, &filter, consistency(strong)).await })
    }

    /// How many entities have each value of a field, as {value: count}. A store that groups
    /// by itself counts; else the collection is read once, in bounded memory.
    ///
    /// Strings stand as they are, other values as their JSON text; None stands for null
    /// and for no such field. More than 10000 values are a LimitExceededError.
    #[pyo3(signature = (collection, field, filter=None, *, strong=false))]
    fn count_by(
        &self,
        py: Python<'_>,
        collection: &str,
        field: &str,
        filter: Option<&Bound<'_, PyAny>>,
        strong: bool,
    ) -> PyResult<BTreeMap<Option<String>, u64>> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        let (filter, field) = (self::filter(py, filter)?, [field.to_owned()]);
        let asked = checked(py, aggregation(filter, &field, None, None, strong))?;
        wait(py, || async { strategy.aggregate(&name, &asked).await }).map(counts)
    }

    /// Groups of entities and what is computed of each, as a list of {"group": {field:
    /// value}, "values": {function: answer}}, in the order of the groups. The same on every
    /// store, to the last digit: numbers that are not whole are decimal.Decimal.
    ///
    /// filter: as for query.
    /// group_by: fields, at most 8; without them everything is one group. A field that is
    ///     missing is left out of "group".
    /// functions: of "count", "sum(F)", "min(F)", "max(F)", "avg(F)", at most 16; without
    ///     them ["count"]. An answer is a whole number for "count", else a dict: "sum",
    ///     "average" or "value", and "skipped" for the values of other types.
    /// max_groups: most groups, 1 to 100000; 10000 without it. More are a
    ///     LimitExceededError, and so is a sum of more than 38 digits.
    /// strong: as for query.
    #[pyo3(signature = (
        collection, filter=None, *, group_by=None, functions=None, max_groups=None, strong=false
    ))]
    #[allow(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn aggregate<'py>(
        &self,
        py: Python<'py>,
        collection: &str,
        filter: Option<&Bound<'_, PyAny>>,
        group_by: Option<Vec<String>>,
        functions: Option<Vec<String>>,
        max_groups: Option<usize>,
        strong: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (strategy, name) = (self.strategy(py)?, self::collection(py, collection)?);
        let (filter, fields) = (self::filter(py, filter)?, group_by.unwrap_or_default());
        let asked = aggregation(filter, &fields, functions.as_deref(), max_groups, strong);
        let asked = checked(py, asked)?;
        let answer = wait(py, || async { strategy.aggregate(&name, &asked).await })?;
        rows(py, &asked, &answer)
    }

    /// A transaction, as a context manager:
    ///
    ///     with store.transaction() as tx:
    ///         machine = tx.get("machines", "m-1").json()
    ///         tx.put("machines", "m-1", {**machine, "status": "stopped"})
    #[pyo3(signature = (*, author=None, reason=None))]
    fn transaction(
        &self,
        py: Python<'_>,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> PyResult<Transaction> {
        let strategy = self.strategy(py)?;
        let by = attribution(py, author, reason)?;
        Ok(Transaction::begin(Arc::clone(strategy), by.as_ref()))
    }

    /// Calls body(transaction), commits, and returns what body returned. After a
    /// conflict, or when the store was not available, all of it runs again, after a
    /// pause; so body should change nothing but the store. What body raises rolls back
    /// and is raised.
    #[pyo3(signature = (body, *, max_attempts=64, author=None, reason=None))]
    fn run(
        &self,
        py: Python<'_>,
        body: &Bound<'_, PyAny>,
        max_attempts: usize,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        let (strategy, by) = (self.strategy(py)?, attribution(py, author, reason)?);
        run(py, strategy, by.as_ref(), body, policy(max_attempts))
    }

    /// Whether the store can be reached and is sound, as {"ok": bool, "checks": [{"name",
    /// "ok", "detail"}]}. With deep=True every record is read.
    #[pyo3(signature = (*, deep=false))]
    fn health<'py>(&self, py: Python<'py>, deep: bool) -> PyResult<Bound<'py, PyAny>> {
        let strategy = self.strategy(py)?;
        let depth = if deep {
            HealthDepth::Deep(Arc::new(|_: &CollectionName, _: u64| {}))
        } else {
            HealthDepth::Quick
        };
        let health = wait(py, || async { strategy.health(&depth).await })?;
        let seen = serde_json::json!({ "ok": health.is_ok(), "checks": health.checks });
        loaded(py, &seen.to_string(), None)
    }

    /// What the store can do and its limits, as a dict.
    fn capabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let seen = serde_json::json!(self.strategy(py)?.capabilities());
        loaded(py, &seen.to_string(), None)
    }

    /// The names of the collections that the store was opened with.
    #[getter]
    fn collections(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(checked(py, self.0.get())?.collections.clone())
    }

    /// The kind of the store and where it is. Holds no secret.
    #[getter]
    fn location(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(self.strategy(py)?.location())
    }

    /// Brings the store's files into their resting form: a JSON store writes its journal
    /// back into the data files. Stores without such a form do nothing.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<()> {
        let strategy = self.strategy(py)?;
        wait(py, || strategy.checkpoint())
    }

    /// Ends all work of this store and gives its files and locks back. Later calls raise
    /// ClosedError. Safe to repeat; does nothing in a forked child.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.0.is_here() {
            return Ok(());
        }
        let handle = checked(py, self.0.get())?;
        let closed = wait(py, || handle.strategy.close());
        drop(handle.file.lock().unwrap_or_else(PoisonError::into_inner).take());
        closed
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<bool> {
        let closed = self.close(py);
        // What the block raised says more than why the store cannot be closed.
        if raised.get_item(0).is_ok_and(|kind| kind.is_none()) {
            closed?;
        }
        Ok(false)
    }

    fn __repr__(&self) -> String {
        match self.0.get() {
            Ok(handle) => format!("<Store {}>", handle.strategy.location()),
            Err(_) => "<Store of another process>".to_owned(),
        }
    }
}

fn query(
    py: Python<'_>,
    filter: Option<&Bound<'_, PyAny>>,
    order_by: Option<&str>,
    strong: bool,
) -> PyResult<Query> {
    let mut query = Query::new(self::filter(py, filter)?);
    if let Some(order) = order_by {
        query = checked(py, query.order_by(order))?;
    }
    Ok(if strong { query.strong() } else { query })
}
