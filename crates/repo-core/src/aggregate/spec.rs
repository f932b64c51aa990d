//! What is asked: which entities, by what they are grouped, and what is computed.

use std::collections::BTreeSet;

use super::function::AggregateFunction;
use crate::{Consistency, Error, ErrorKind, FieldPath, Filter, Query, Result};

/// Most fields that an aggregation groups by.
pub const MAX_GROUP_FIELDS: usize = 8;
/// Most functions of one aggregation.
pub const MAX_AGGREGATE_FUNCTIONS: usize = 16;
/// Most groups of an aggregation that says nothing else.
pub const DEFAULT_MAX_GROUPS: usize = 10_000;
/// Highest number of groups that an aggregation can allow.
pub const MAX_GROUPS: usize = 100_000;

/// A question about groups of the live entities of one collection.
///
/// Entities are in one group when their values in each of the fields are equal, as `$eq`
/// has it: `1.50` and `1.5` are one group, a missing field is another group than null,
/// and each array and each object is a group of its own. Rows stand in the order of
/// values that sorting has: missing, null, false, true, numbers, strings by their UTF-8
/// bytes, arrays, objects; arrays, and objects, by their canonical JSON text. Without a
/// field to group by, everything is one group, be it empty.
///
/// ```
/// use std::sync::Arc;
///
/// use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt};
/// use repo_core::{Aggregation, CollectionSchema, Document, Filter, Key, MemoryStrategy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let schema = CollectionSchema::undeclared("machines".parse()?);
/// let machines = schema.collection.clone();
/// let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// store.prepare(&[schema]).await?;
/// for (id, fields) in [
///     ("a", r#""status": "up", "price": 0.10"#),
///     ("b", r#""status": "up", "price": 0.25"#),
///     ("c", r#""status": "down", "price": "free""#),
/// ] {
///     let key = Key::new(machines.clone(), id.parse()?);
///     store.save(key, Document::parse(&format!(r#"{{"id": "{id}", {fields}}}"#))?).await?;
/// }
///
/// let costs = Aggregation::new(Filter::default()).group_by("status")?.count()?.sum("price")?;
/// let rows = store.aggregate(&machines, &costs).await?.rows;
/// let lines: Vec<String> = rows.iter().map(|row| row.to_json(&costs)).collect();
/// assert_eq!(lines, [
///     r#"{"group":{"status":"down"},"values":{"count":1,"sum(price)":{"sum":0,"numbers":0,"skipped":1}}}"#,
///     r#"{"group":{"status":"up"},"values":{"count":2,"sum(price)":{"sum":0.35,"numbers":2,"skipped":0}}}"#,
/// ]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Aggregation {
    filter: Filter,
    group_by: Vec<FieldPath>,
    functions: Vec<AggregateFunction>,
    measured: Vec<Measured>,
    max_groups: usize,
    consistency: Consistency,
}

/// A field of which something is computed, and what has to be known of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// The field.
    pub path: FieldPath,
    /// The sum of its numbers.
    pub sum: bool,
    /// Its least number or string.
    pub least: bool,
    /// Its greatest number or string.
    pub greatest: bool,
}

impl Aggregation {
    /// One group of all entities that match `filter`, of which nothing is computed yet.
    /// Grouped and without a function it answers which groups there are.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            group_by: Vec::new(),
            functions: Vec::new(),
            measured: Vec::new(),
            max_groups: DEFAULT_MAX_GROUPS,
            consistency: Consistency::default(),
        }
    }

    /// Groups by one more field, at a dotted path that goes through objects only.
    ///
    /// # Errors
    /// `Invalid` for a malformed path, a field that stands twice, and for more than
    /// [`MAX_GROUP_FIELDS`].
    pub fn group_by(mut self, path: &str) -> Result<Self> {
        let path = FieldPath::parse(path)?;
        if self.group_by.contains(&path) {
            return Err(refuse("a field to group by stands twice").with("field", path));
        }
        if self.group_by.len() == MAX_GROUP_FIELDS {
            return Err(refuse("there are too many fields to group by")
                .with("field", path)
                .with("at_most", MAX_GROUP_FIELDS));
        }
        self.group_by.push(path);
        Ok(self)
    }

    /// Computes one thing more of each group.
    ///
    /// # Errors
    /// `Invalid` for a function that stands twice, and for more than
    /// [`MAX_AGGREGATE_FUNCTIONS`].
    pub fn function(mut self, function: AggregateFunction) -> Result<Self> {
        if self.functions.contains(&function) {
            return Err(refuse("a function stands twice").with("function", function));
        }
        if self.functions.len() == MAX_AGGREGATE_FUNCTIONS {
            return Err(refuse("there are too many functions")
                .with("function", function)
                .with("at_most", MAX_AGGREGATE_FUNCTIONS));
        }
        measure(&mut self.measured, &function);
        self.functions.push(function);
        Ok(self)
    }

    /// How many entities each group has.
    ///
    /// # Errors
    /// As [`function`](Self::function), and for a malformed path, as the next ones.
    pub fn count(self) -> Result<Self> {
        self.function(AggregateFunction::Count)
    }

    /// The sum of a field; see [`AggregateFunction::Sum`].
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn sum(self, path: &str) -> Result<Self> {
        self.function(AggregateFunction::Sum(FieldPath::parse(path)?))
    }

    /// The least value of a field; see [`AggregateFunction::Min`].
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn min(self, path: &str) -> Result<Self> {
        self.function(AggregateFunction::Min(FieldPath::parse(path)?))
    }

    /// The greatest value of a field; see [`AggregateFunction::Max`].
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn max(self, path: &str) -> Result<Self> {
        self.function(AggregateFunction::Max(FieldPath::parse(path)?))
    }

    /// The mean of a field; see [`AggregateFunction::Avg`].
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn avg(self, path: &str) -> Result<Self> {
        self.function(AggregateFunction::Avg(FieldPath::parse(path)?))
    }

    /// Allows so many groups, 1 to [`MAX_GROUPS`], in the place of
    /// [`DEFAULT_MAX_GROUPS`]. More are `LimitExceeded`, never cut off.
    ///
    /// # Errors
    /// `Invalid` outside that range.
    pub fn max_groups(mut self, most: usize) -> Result<Self> {
        if !(1..=MAX_GROUPS).contains(&most) {
            return Err(refuse("the number of groups to allow is from 1 to 100000")
                .with("max_groups", most));
        }
        self.max_groups = most;
        Ok(self)
    }

    /// The same of entities that match another filter.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Makes it see every acknowledged write.
    #[must_use]
    pub fn strong(self) -> Self {
        self.with_consistency(Consistency::Strong)
    }

    /// Sets what it has to see.
    #[must_use]
    pub fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// The filter.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The fields that it groups by, in their order; at most [`MAX_GROUP_FIELDS`], each once.
    #[must_use]
    pub fn group_fields(&self) -> &[FieldPath] {
        &self.group_by
    }

    /// What is computed, in the order of the values of a row; at most
    /// [`MAX_AGGREGATE_FUNCTIONS`], each once.
    #[must_use]
    pub fn functions(&self) -> &[AggregateFunction] {
        &self.functions
    }

    /// The fields of which something is computed, each once.
    #[must_use]
    pub fn measured(&self) -> &[Measured] {
        &self.measured
    }

    /// Most groups that it allows.
    #[must_use]
    pub fn group_limit(&self) -> usize {
        self.max_groups
    }

    /// What it has to see.
    #[must_use]
    pub fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// Whether it asks for nothing but how many entities the whole collection has, which
    /// a store may know without looking at them.
    #[must_use]
    pub fn counts_everything(&self) -> bool {
        self.group_by.is_empty() && self.measured.is_empty() && self.filter.is_all()
    }

    /// Every field that it looks at, those of the filter too.
    #[must_use]
    pub fn fields(&self) -> BTreeSet<&FieldPath> {
        let mut fields: BTreeSet<&FieldPath> = self.group_by.iter().collect();
        fields.extend(self.measured.iter().map(|measured| &measured.path));
        filter_fields(&self.filter, &mut fields);
        fields
    }

    /// The query that finds the entities, in the store's own order.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::new(self.filter.clone()).with_consistency(self.consistency)
    }
}

/// Notes what has to be known of a field for one function more.
fn measure(all: &mut Vec<Measured>, function: &AggregateFunction) {
    let Some(path) = function.path() else { return };
    let at = all.iter().position(|measured| measured.path == *path).unwrap_or_else(|| {
        all.push(Measured { path: path.clone(), sum: false, least: false, greatest: false });
        all.len() - 1
    });
    let Some(measured) = all.get_mut(at) else { return };
    match function {
        AggregateFunction::Count => {}
        AggregateFunction::Sum(_) | AggregateFunction::Avg(_) => measured.sum = true,
        AggregateFunction::Min(_) => measured.least = true,
        AggregateFunction::Max(_) => measured.greatest = true,
    }
}

fn filter_fields<'f>(filter: &'f Filter, fields: &mut BTreeSet<&'f FieldPath>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().for_each(|part| filter_fields(part, fields));
        }
        Filter::Not(part) => filter_fields(part, fields),
        Filter::Field(path, _) => {
            fields.insert(path);
        }
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read an aggregation", why)
}
