//! Reading revisions.

use repo_core::{Cursor, EntityId, Error, ErrorKind, Query, Result, field};

use crate::model::{Entry, Revision};
use crate::records::{Versioned, missing};
use crate::service::DataService;

/// Which revision of an entry.
#[derive(Debug, Clone)]
pub enum WhichRevision {
    /// That of this number, which is published; 0 is what the entry was created with.
    Number(u64),
    /// That of this id, also a draft.
    Id(EntityId),
}

/// Some of the revisions of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionPage {
    /// In the order of their numbers.
    pub revisions: Vec<Versioned<Revision>>,
    /// The current one; `None` before the first.
    pub current: Option<EntityId>,
}

/// Revisions that are passed over at once.
const PAGE: usize = 1_000;

impl DataService {
    /// The revisions of an entry by number: at most `limit` of them, 1 to 1,000, after the first
    /// `offset`.
    ///
    /// # Errors
    /// `NotFound` without the entry; `Invalid` for a limit out of bounds.
    pub async fn list_revisions(
        &self,
        id: &EntityId,
        limit: usize,
        offset: usize,
        include_unpublished: bool,
    ) -> Result<RevisionPage> {
        if !(1..=PAGE).contains(&limit) {
            let why = "a limit is from 1 to 1000";
            return Err(Error::new(ErrorKind::Invalid, "list", why).with("limit", limit));
        }
        let current = self.read::<Entry>(id).await?.value.revision;
        let mut filter = field("entry").eq(id);
        if !include_unpublished {
            filter = filter.and(field("published_at").exists());
        }
        let query = Query::new(filter.filter()?).order_by("number")?.limit(PAGE)?;
        let (mut skip, mut revisions) = (offset, Vec::new());
        let mut next = Some(query.clone());
        while let Some(asked) = next.filter(|_| revisions.len() < limit) {
            let page = self.page::<Revision>(&asked).await?;
            let passed = skip.min(page.items.len());
            skip -= passed;
            let room = limit - revisions.len();
            revisions.extend(page.items.into_iter().skip(passed).take(room));
            next = match page.next {
                Some(cursor) => Some(query.clone().after(Cursor::parse(&cursor)?)),
                None => None,
            };
        }
        Ok(RevisionPage { revisions, current })
    }

    /// An entry as it is in one of its revisions, and that revision; `None` for the content of
    /// an entry that has no revisions.
    ///
    /// # Errors
    /// `NotFound`, also for a revision of another entry, and the number of a draft.
    pub async fn entry_at(
        &self,
        id: &EntityId,
        which: &WhichRevision,
    ) -> Result<(Versioned<Entry>, Option<Versioned<Revision>>)> {
        let mut entry = self.read::<Entry>(id).await?;
        let revision = match which {
            WhichRevision::Number(0) if entry.value.last_revision == 0 => return Ok((entry, None)),
            WhichRevision::Number(number) => self.published(id, *number).await?,
            WhichRevision::Id(revision) => {
                self.find::<Revision>(revision).await?.filter(|found| found.value.entry == *id)
            }
        };
        let Some(revision) = revision else {
            let name = match which {
                WhichRevision::Number(number) => number.to_string(),
                WhichRevision::Id(id) => id.to_string(),
            };
            return Err(missing::<Revision>(&name));
        };
        let snapshot = revision.value.snapshot.clone();
        let shown = &mut entry.value;
        shown.name = snapshot.name;
        shown.description = snapshot.description;
        shown.size = snapshot.content.size();
        shown.content = snapshot.content;
        shown.content_type = snapshot.content_type;
        shown.file_path = snapshot.file_path;
        shown.metadata = snapshot.metadata;
        Ok((entry, Some(revision)))
    }

    async fn published(&self, id: &EntityId, number: u64) -> Result<Option<Versioned<Revision>>> {
        let which = field("entry").eq(id).and(field("number").eq(number));
        let filter = which.and(field("published_at").exists()).filter()?;
        let query = Query::new(filter).limit(1)?;
        let mut page = self.page::<Revision>(&query).await?;
        if page.items.is_empty() {
            // The index of some stores is behind for a moment.
            page = self.page::<Revision>(&query.strong()).await?;
        }
        Ok(page.items.into_iter().next())
    }
}
