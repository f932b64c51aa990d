//! Lists of entries.

use repo_core::{Condition, EntityId, Filter, Result, field};

use crate::model::{Entry, EntryStatus, Owner, ShareStatus};
use crate::paging::{PageOf, PageRequest};
use crate::service::DataService;

/// Which entries a list has. What is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Only those that this user may read: his own, and what is shared with him.
    pub reader: Option<Owner>,
    /// Only of this owner.
    pub owner: Option<Owner>,
    /// Only in this dataset.
    pub dataset: Option<EntityId>,
    /// Only directly in this directory; ordered by name then.
    pub parent: Option<EntityId>,
    /// Only in this project.
    pub project: Option<EntityId>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only with this status; pending and active ones without it.
    pub status: Option<EntryStatus>,
}

impl EntryFilter {
    pub(crate) fn filter(&self) -> Result<Filter> {
        let status = match self.status {
            Some(status) => field("status").eq(status),
            None => field("status").is_in([EntryStatus::Pending, EntryStatus::Active]),
        };
        let mut filter = status;
        if let Some(owner) = &self.owner {
            filter = filter.and(field("owner").eq(owner));
        }
        for (name, id) in
            [("dataset", &self.dataset), ("parent", &self.parent), ("project", &self.project)]
        {
            if let Some(id) = id {
                filter = filter.and(field(name).eq(id));
            }
        }
        if let Some(tag) = &self.tag {
            filter = filter.and(field("tags").contains(tag));
        }
        if let Some(reader) = &self.reader {
            filter = filter.and(readable_by(reader));
        }
        filter.filter()
    }

    fn order(&self) -> &'static str {
        if self.parent.is_some() { "name" } else { "created_at" }
    }
}

/// What a user may read.
fn readable_by(reader: &Owner) -> Condition {
    let named =
        field("share.status").eq(ShareStatus::Shared).and(field("share.users").contains(reader));
    field("owner").eq(reader).or(field("share.status").eq(ShareStatus::Public)).or(named)
}

impl DataService {
    /// A page of entries, the oldest first.
    ///
    /// # Errors
    /// `Invalid` for a limit out of bounds, or a cursor of another list.
    pub async fn list_entries(
        &self,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<PageOf<Entry>> {
        let query = page.query(filter.filter()?)?.order_by(filter.order())?;
        self.page(&query).await
    }
}
