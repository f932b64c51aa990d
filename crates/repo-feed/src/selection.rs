//! Which changes somebody wants.

use std::collections::BTreeSet;

use repo_core::strategy::RecordChange;
use repo_core::{CollectionName, Filter};

/// Changes of some collections, of entities that match a filter.
///
/// A deletion has no document, so no filter can tell whether it is wanted: every
/// deletion in a wanted collection is. So is a change whose record is deleted or purged
/// by now. A change that is not [exact](RecordChange::exact) is judged by what is
/// stored; the later change of the record follows, and is judged as well.
///
/// ```
/// use repo_core::{CollectionName, Filter};
/// use repo_feed::Selection;
///
/// # fn main() -> repo_core::Result<()> {
/// let running = Selection::default()
///     .of([CollectionName::new("machines")?])
///     .matching(Filter::parse(r#"{"status":"running"}"#)?);
/// # let _ = running; Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Selection {
    collections: BTreeSet<CollectionName>,
    filter: Option<Filter>,
}

impl Selection {
    /// Only of these collections; all when there are none.
    #[must_use]
    pub fn of(mut self, collections: impl IntoIterator<Item = CollectionName>) -> Self {
        self.collections.extend(collections);
        self
    }

    /// Only of entities that match.
    #[must_use]
    pub fn matching(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Whether a change is wanted.
    #[must_use]
    pub fn selects(&self, change: &RecordChange) -> bool {
        let collection = &change.key.collection;
        if !self.collections.is_empty() && !self.collections.contains(collection) {
            return false;
        }
        let document = change.record.as_ref().and_then(|record| record.document());
        match (&self.filter, document) {
            (Some(filter), Some(document)) => filter.matches(document),
            _ => true,
        }
    }
}
