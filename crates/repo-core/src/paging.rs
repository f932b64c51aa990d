//! A cursor and the query that it belongs to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cursor::invalid;
use crate::strategy::Position;
use crate::{CollectionName, Cursor, Query, Result};

impl Cursor {
    /// A cursor for the page after `position` of `query` on `collection`.
    #[must_use]
    pub fn new(collection: &CollectionName, query: &Query, position: Position) -> Self {
        Self { query: fingerprint(collection, query), position, moment: None }
    }

    /// The position, if this cursor belongs to `query` on `collection`.
    ///
    /// # Errors
    /// `Invalid` when it was given by another query.
    pub fn position_in(&self, collection: &CollectionName, query: &Query) -> Result<&Position> {
        let ordered = matches!(self.position, Position::Ordered { .. });
        if self.query == fingerprint(collection, query) && ordered == query.order().is_some() {
            return Ok(&self.position);
        }
        Err(invalid("the cursor belongs to another query")
            .hint("repeat the query without a cursor"))
    }
}

/// A short digest of what a cursor is bound to: collection, filter and order.
fn fingerprint(collection: &CollectionName, query: &Query) -> String {
    let described = format!("{collection}\n{:?}\n{:?}", query.filter(), query.order());
    URL_SAFE_NO_PAD.encode(&blake3::hash(described.as_bytes()).as_bytes()[..9])
}
