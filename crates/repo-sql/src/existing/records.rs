//! What a page of rows holds: records, and rows that are none.

use repo_core::strategy::{OnUnreadable, Record, Scanned};
use repo_core::{EntityId, Error, Result};

/// Most rows that an error names beside the first.
const MOST_FURTHER: usize = 10;
/// What some rows hold.
#[derive(Debug, Default)]
pub(crate) struct Records {
    read: Vec<Record>,
    unreadable: Vec<Error>,
    /// The id of the last row that has one.
    last: Option<EntityId>,
}

impl Records {
    pub(crate) fn add(&mut self, record: Result<Record>) {
        match record {
            Ok(record) => {
                self.last = Some(record.id().clone());
                self.read.push(record);
            }
            Err(error) => {
                let id = error.unreadable().and_then(|row| EntityId::new(&row.id).ok());
                self.last = id.or(self.last.take());
                self.unreadable.push(error);
            }
        }
    }

    /// All of them. An error names several rows, so that they can be repaired
    /// together.
    ///
    /// # Errors
    /// That of the first row that cannot be read, with the keys of others.
    pub(crate) fn finish(self) -> Result<Vec<Record>> {
        let mut unreadable = self.unreadable.into_iter();
        let Some(error) = unreadable.next() else { return Ok(self.read) };
        let places = unreadable.map(|error| {
            let place = error.context_value("key").or(error.context_value("row"));
            place.unwrap_or_default().to_owned()
        });
        let mut further: Vec<String> = places.collect();
        let more = further.len().saturating_sub(MOST_FURTHER);
        further.truncate(MOST_FURTHER);
        let error = error.about_all();
        match (further.is_empty(), more) {
            (true, _) => Err(error),
            (_, 0) => Err(error.with("also_unreadable", further.join(", "))),
            _ => {
                Err(error
                    .with("also_unreadable", format!("{} and {more} more", further.join(", "))))
            }
        }
    }

    /// The same, or what can be read and an error for each other row. Rows without
    /// an id are never set aside: no error could say which they are.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), where rows are not to be set aside.
    pub(super) fn set_aside(self, on_unreadable: OnUnreadable) -> Result<RecordPage> {
        let Self { last, .. } = &self;
        let (last, rows) = (last.clone(), self.read.len() + self.unreadable.len());
        let all_have_ids = self.unreadable.iter().all(|error| error.unreadable().is_some());
        let scanned = if on_unreadable.goes_on() && all_have_ids {
            Scanned { records: self.read, unreadable: self.unreadable }
        } else {
            Scanned { records: self.finish()?, unreadable: Vec::new() }
        };
        Ok(RecordPage { scanned, rows, last })
    }
}

/// What a page of rows holds.
#[derive(Debug)]
pub(super) struct RecordPage {
    pub(super) scanned: Scanned,
    pub(super) rows: usize,
    /// The id of the last row.
    pub(super) last: Option<EntityId>,
}

impl Extend<Result<Record>> for Records {
    fn extend<T: IntoIterator<Item = Result<Record>>>(&mut self, records: T) {
        records.into_iter().for_each(|record| self.add(record));
    }
}
