//! Going through a blob store in the order of its keys.

use std::collections::VecDeque;
use std::sync::Arc;

use repo_blob::{BlobEntry, BlobKey, BlobStore, PageLimit};
use repo_core::Result;

/// How far the list of a store was read. In memory is one page.
#[derive(Debug)]
pub(crate) struct Listing {
    store: Arc<dyn BlobStore>,
    page: VecDeque<BlobEntry>,
    last: Option<BlobKey>,
    ended: bool,
    /// The key that was asked for last.
    asked: Option<BlobKey>,
}

impl Listing {
    pub(crate) fn of(store: &Arc<dyn BlobStore>) -> Self {
        let store = Arc::clone(store);
        Self { store, page: VecDeque::new(), last: None, ended: false, asked: None }
    }

    /// The next page; nothing at the end.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<BlobEntry>>> {
        self.fill().await?;
        let page: Vec<_> = std::mem::take(&mut self.page).into();
        Ok((!page.is_empty()).then_some(page))
    }

    /// The size of a blob, if it is there. The keys of the calls rise; one that falls begins
    /// the list again.
    pub(crate) async fn size_of(&mut self, key: &BlobKey) -> Result<Option<u64>> {
        if self.asked.is_some_and(|asked| *key < asked) {
            *self = Self::of(&self.store);
        }
        self.asked = Some(*key);
        loop {
            while self.page.front().is_some_and(|entry| entry.key < *key) {
                self.page.pop_front();
            }
            match self.page.front() {
                Some(entry) => return Ok((entry.key == *key).then_some(entry.meta.size)),
                None if self.ended => return Ok(None),
                None => self.fill().await?,
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.ended || !self.page.is_empty() {
            return Ok(());
        }
        let found = self.store.list(self.last.as_ref(), PageLimit::MAX).await;
        let found = found.map_err(|error| error.with("store", self.store.location()))?;
        self.ended = found.len() < PageLimit::MAX.get();
        self.last = found.last().map(|entry| entry.key).or(self.last);
        self.page = found.into();
        Ok(())
    }
}
