//! The needed blobs of a store, page by page.

use repo_core::Result;

use super::census::{Said, Wanted, said_of};
use super::listing::Listing;
use super::places::{BlobPlace, BlobPlaces};
use crate::store_reference::StoreReference;

/// Goes through the blob stores of a side, one after another, each in the order of its keys,
/// and gives what the records need and what has its size there. A page costs a list of a
/// thousand blobs and one request for their records.
pub(crate) struct SourcePages<'a> {
    side: &'a StoreReference,
    places: &'a BlobPlaces,
    rest: std::iter::Enumerate<std::slice::Iter<'a, BlobPlace>>,
    now: Option<(usize, &'a BlobPlace, Listing)>,
}

impl<'a> SourcePages<'a> {
    pub(crate) fn of(side: &'a StoreReference, places: &'a BlobPlaces) -> Self {
        Self { side, places, rest: places.as_slice().iter().enumerate(), now: None }
    }

    /// The next page; nothing at the end. It may be empty.
    pub(crate) async fn next(&mut self) -> Result<Option<(&'a BlobPlace, Vec<Wanted>)>> {
        loop {
            if self.now.is_none() {
                let Some((index, place)) = self.rest.next() else { return Ok(None) };
                self.now = Some((index, place, Listing::of(&place.store)));
            }
            let Some((index, place, listing)) = &mut self.now else { return Ok(None) };
            let (index, place) = (*index, *place);
            let Some(page) = listing.next_page().await? else {
                self.now = None;
                continue;
            };
            let mut wanted = Vec::new();
            for (entry, said) in said_of(self.side, &page).await? {
                if let Said::Needed(one) = said
                    && entry.meta.size == one.size
                    && self.places.index_of(&one.of.store) == Some(index)
                {
                    wanted.push(one);
                }
            }
            return Ok(Some((place, wanted)));
        }
    }
}
