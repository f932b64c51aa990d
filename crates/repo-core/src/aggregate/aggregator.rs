//! Grouping documents one by one, in bounded memory.

use std::collections::HashMap;
use std::num::NonZeroU64;

use super::function::AggregateFunction;
use super::mean::mean;
use super::row::{AggregateValue, Aggregates, GroupRow, GroupedBy};
use super::spec::Aggregation;
use super::stored;
use super::summary::FieldSummary;
use crate::strategy::SortKey;
use crate::{
    CollectionName, Decimal, DecimalError, Document, Error, ErrorKind, FieldPath, Result, Value,
};

const OPERATION: &str = "aggregate";

/// About how many bytes the keys and texts of all groups may take together.
const MOST_BYTES: usize = 64 * 1_024 * 1_024;

/// Takes the entities of an aggregation one by one, or the groups that a store made of
/// them, in any order, and keeps no more than the groups.
#[derive(Debug)]
pub struct Aggregator<'a> {
    collection: &'a CollectionName,
    aggregation: &'a Aggregation,
    /// Where the group of a key is in the list.
    places: HashMap<Box<[u8]>, usize>,
    groups: Vec<Group>,
    /// The key that is looked up; its memory is used again.
    key: Vec<u8>,
    bytes: usize,
}

#[derive(Debug)]
struct Group {
    key: Vec<Option<Value>>,
    count: u64,
    /// In the order of the measured fields.
    fields: Vec<FieldSummary>,
}

impl<'a> Aggregator<'a> {
    /// Without any group.
    #[must_use]
    pub fn new(collection: &'a CollectionName, aggregation: &'a Aggregation) -> Self {
        Self {
            collection,
            aggregation,
            places: HashMap::new(),
            groups: Vec::new(),
            key: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes the document of a live entity, if it matches the filter.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn offer(&mut self, document: &Document) -> Result<()> {
        if self.aggregation.filter().matches(document) { self.add(document) } else { Ok(()) }
    }

    /// Takes the document of a live entity that is known to match the filter.
    ///
    /// # Errors
    /// `LimitExceeded` for a group more than the aggregation allows, and when the keys and
    /// texts of all groups take more than 64 MiB.
    pub fn add(&mut self, document: &Document) -> Result<()> {
        let of = |path: &'a FieldPath| document.get_text(path);
        let key: Vec<Option<&str>> = self.aggregation.group_fields().iter().map(of).collect();
        let at = self.place(&key)?;
        let group = &mut self.groups[at];
        group.count += 1;
        let (mut before, mut after) = (0, 0);
        for (measured, found) in self.aggregation.measured().iter().zip(&mut group.fields) {
            if let Some(text) = document.get_text(&measured.path) {
                before += found.text_bytes();
                found.add(measured, text)?;
                after += found.text_bytes();
            }
        }
        self.resize(before, after)
    }

    /// Takes a group that a store made: the value of each field to group by as JSON text
    /// (`None`: the field is missing), how many entities it has, and what was found in each
    /// of the [measured](Aggregation::measured) fields. Groups with equal keys are joined.
    ///
    /// # Errors
    /// As [`add`](Self::add); `Corrupt` for text that no document holds.
    pub fn add_group(
        &mut self,
        key: &[Option<&str>],
        count: u64,
        fields: Vec<FieldSummary>,
    ) -> Result<()> {
        let at = self.place(key)?;
        let group = &mut self.groups[at];
        group.count += count;
        let (mut before, mut after) = (0, 0);
        let all = self.aggregation.measured().iter().zip(&mut group.fields).zip(fields);
        for ((measured, found), more) in all {
            before += found.text_bytes();
            found.merge(measured, more);
            after += found.text_bytes();
        }
        self.resize(before, after)
    }

    /// The rows, in the order of their keys.
    ///
    /// # Errors
    /// `LimitExceeded` for a sum of more than 38 significant digits, and for a sum or mean
    /// outside of what a document can hold: ±9.99…E+125, or nearer to zero than 1E-130.
    pub fn finish(mut self, grouped_by: GroupedBy) -> Result<Aggregates> {
        if self.aggregation.group_fields().is_empty() {
            // Everything is one group, be it empty.
            self.place(&[])?;
        }
        let mut groups = std::mem::take(&mut self.groups);
        groups.sort_by_cached_key(|group| {
            group.key.iter().map(|value| rank(value.as_ref())).collect::<Vec<_>>()
        });
        let row = |group: Group| -> Result<GroupRow> {
            let functions = self.aggregation.functions().iter();
            let values = functions.map(|function| self.value(function, &group));
            Ok(GroupRow { values: values.collect::<Result<_>>()?, key: group.key })
        };
        let rows = groups.into_iter().map(row).collect::<Result<_>>()?;
        Ok(Aggregates { rows, grouped_by })
    }

    /// Where the group of a key is; begins it if it is new.
    fn place(&mut self, key: &[Option<&str>]) -> Result<usize> {
        self.key.clear();
        for part in key {
            push_part(&mut self.key, *part)?;
        }
        if let Some(at) = self.places.get(self.key.as_slice()) {
            return Ok(*at);
        }
        if self.groups.len() >= self.aggregation.group_limit() {
            return Err(self.too_many_groups());
        }
        let values = key.iter().map(|part| part.map(stored::value).transpose());
        let values = values.collect::<Result<Vec<_>>>()?;
        let fields = vec![FieldSummary::default(); self.aggregation.measured().len()];
        self.groups.push(Group { key: values, count: 0, fields });
        let at = self.groups.len() - 1;
        self.places.insert(self.key.as_slice().into(), at);
        // The key is kept twice: as bytes, and as its values.
        self.resize(0, 2 * self.key.len())?;
        Ok(at)
    }

    /// Notes that the groups have grown or shrunk.
    fn resize(&mut self, before: usize, after: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
        if self.bytes <= MOST_BYTES {
            return Ok(());
        }
        let why = "the keys and texts of the groups take more memory than may be used";
        Err(Error::new(ErrorKind::LimitExceeded, OPERATION, why)
            .with("collection", self.collection)
            .with("at_most_bytes", MOST_BYTES)
            .hint("group by fields with short values, or give a filter"))
    }

    fn too_many_groups(&self) -> Error {
        let why = "there are more groups than the aggregation allows";
        Error::new(ErrorKind::LimitExceeded, OPERATION, why)
            .with("collection", self.collection)
            .with("max_groups", self.aggregation.group_limit())
            .hint(
                "group by fields with fewer values, give a filter, or allow more groups, up to \
                 100000",
            )
    }

    fn value(&self, function: &AggregateFunction, group: &Group) -> Result<AggregateValue> {
        let found = |path: &FieldPath| {
            let mut pairs = self.aggregation.measured().iter().zip(&group.fields);
            pairs.find(|(measured, _)| measured.path == *path).map(|(_, found)| found)
        };
        let none = FieldSummary::default();
        let of = |path| found(path).unwrap_or(&none);
        Ok(match function {
            AggregateFunction::Count => AggregateValue::Count(group.count),
            AggregateFunction::Sum(path) => {
                let FieldSummary { numbers, texts, others, sum, .. } = of(path);
                let sum = sum.to_decimal().map_err(|why| self.no_number(function, why))?;
                AggregateValue::Sum { sum, numbers: *numbers, skipped: texts + others }
            }
            AggregateFunction::Min(path) => {
                let FieldSummary { others, least, .. } = of(path);
                AggregateValue::Min { value: least.clone(), skipped: *others }
            }
            AggregateFunction::Max(path) => {
                let FieldSummary { others, greatest, .. } = of(path);
                AggregateValue::Max { value: greatest.clone(), skipped: *others }
            }
            AggregateFunction::Avg(path) => self.average(function, of(path))?,
        })
    }

    fn average(&self, function: &AggregateFunction, of: &FieldSummary) -> Result<AggregateValue> {
        let FieldSummary { numbers, texts, others, sum, .. } = of;
        let refuse = |why: DecimalError| self.no_number(function, why);
        let sum: Decimal = sum.to_decimal().map_err(refuse)?;
        let average = match NonZeroU64::new(*numbers) {
            None => None,
            Some(numbers) => Some(mean(sum, numbers).map_err(refuse)?),
        };
        Ok(AggregateValue::Avg { average, sum, numbers: *numbers, skipped: texts + others })
    }

    fn no_number(&self, function: &AggregateFunction, why: DecimalError) -> Error {
        let why = match why {
            DecimalError::TooManyDigits => "a sum has more than 38 significant digits",
            DecimalError::OutOfRange | DecimalError::Malformed => {
                "a sum or mean lies outside ±9.99…E+125, or is nearer to zero than 1E-130"
            }
        };
        Error::new(ErrorKind::LimitExceeded, OPERATION, why)
            .with("collection", self.collection)
            .with("function", function)
            .hint("give a filter, or group by more fields, so that each sum is of fewer numbers")
    }
}

/// The place of a value among those of its field. Arrays tie in the order of values, and
/// so do objects: their text decides.
fn rank(value: Option<&Value>) -> (SortKey, Option<String>) {
    let text = match value {
        Some(value @ (Value::Array(_) | Value::Object(_))) => Some(value.to_string()),
        _ => None,
    };
    (SortKey::of(value), text)
}

/// Appends a part of a key, so that keys are equal bytes where all their values are equal
/// as JSON. The length stands behind each part, so that no two keys run into each other.
fn push_part(key: &mut Vec<u8>, text: Option<&str>) -> Result<()> {
    let start = key.len();
    match (text, text.and_then(|text| text.as_bytes().first())) {
        (Some(text), Some(b'"')) => {
            key.push(b'"');
            key.extend(stored::string(text)?.bytes());
        }
        (Some(text), Some(b'-' | b'0'..=b'9')) => {
            key.extend(stored::number(text)?.to_string().bytes());
        }
        (Some(text), Some(b'[' | b'{')) => {
            key.extend(stored::value(text)?.to_string().bytes());
        }
        // A word of JSON; a missing value is nothing at all.
        (text, _) => key.extend(text.unwrap_or_default().bytes()),
    }
    key.extend((key.len() - start).to_le_bytes());
    Ok(())
}
