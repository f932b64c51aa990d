//! How many entities have each value of a field.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use repo_core::strategy::{ScanOptions, StorageStrategy};
use repo_core::{CollectionName, Consistency, Error, ErrorKind, FieldPath, Filter, Result, Value};

/// Most values that are counted apart, so that the answer has a size.
const MOST_VALUES: usize = 10_000;

/// Counts the live entities that match, by the value of a field: the text of a string,
/// the JSON text of any other value, `None` for null and for no field. Reads the
/// collection once.
///
/// # Errors
/// `LimitExceeded` when the field has too many values; else those of a scan.
pub(crate) async fn count_by(
    strategy: &dyn StorageStrategy,
    collection: &CollectionName,
    field: &FieldPath,
    filter: &Filter,
    consistency: Consistency,
) -> Result<BTreeMap<Option<String>, u64>> {
    let mut counts = BTreeMap::new();
    let options = ScanOptions::default().with_consistency(consistency);
    let mut scan = strategy.scan(collection, options).await?;
    while let Some(batch) = scan.next().await {
        for record in batch?.into_records()? {
            let Some(document) = record.document().filter(|document| filter.matches(document))
            else {
                continue;
            };
            let value = match document.get(field) {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text),
                Some(other) => Some(other.to_string()),
            };
            *counts.entry(value).or_insert(0) += 1;
        }
        if counts.len() > MOST_VALUES {
            let why = "the field has too many values to be counted one by one";
            return Err(Error::new(ErrorKind::LimitExceeded, "count by a field", why)
                .with("collection", collection)
                .with("field", field)
                .with("at_most", MOST_VALUES)
                .hint("count a field with few values, such as a status, or give a filter"));
        }
    }
    Ok(counts)
}
