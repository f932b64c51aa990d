//! What a page of rows holds: records, and rows that are none.

use repo_core::strategy::{OnUnreadable, Record, RecordBatch, UnreadableRecord};
use repo_core::{EntityId, Error, Result};

/// Most rows that an error names beside the first.
const MOST_FURTHER: usize = 10;

/// What some rows hold.
#[derive(Debug, Default)]
pub(crate) struct Records {
    read: Vec<Record>,
    unread: Vec<Unread>,
    /// The id of the last row that has one.
    last: Option<EntityId>,
}

/// Why a row is no record.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It cannot be read as one.
    Row(EntityId, UnreadableRecord),
    /// It has no id that can be used, so nothing says which row it is.
    WithoutId(Error),
}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Row(_, row) => row.error,
            Unread::WithoutId(error) => error,
        }
    }
}

impl Records {
    pub(crate) fn add(&mut self, record: Result<Record, Unread>) {
        match record {
            Ok(record) => {
                self.last = Some(record.id().clone());
                self.read.push(record);
            }
            Err(unread) => {
                if let Unread::Row(id, _) = &unread {
                    self.last = Some(id.clone());
                }
                self.unread.push(unread);
            }
        }
    }

    /// All of them. The error names several rows, so that they can be repaired
    /// together.
    ///
    /// # Errors
    /// That of the first row that cannot be read, with the keys of others.
    pub(crate) fn finish(self) -> Result<Vec<Record>> {
        let mut errors = self.unread.into_iter().map(Error::from);
        let Some(error) = errors.next() else { return Ok(self.read) };
        let places = errors.map(|error| {
            let place = error.context_value("key").or(error.context_value("row"));
            place.unwrap_or_default().to_owned()
        });
        let mut further: Vec<String> = places.collect();
        let more = further.len().saturating_sub(MOST_FURTHER);
        further.truncate(MOST_FURTHER);
        match (further.is_empty(), more) {
            (true, _) => Err(error),
            (_, 0) => Err(error.with("also_unreadable", further.join(", "))),
            _ => {
                Err(error
                    .with("also_unreadable", format!("{} and {more} more", further.join(", "))))
            }
        }
    }

    /// The same as a page of a scan, in which rows that cannot be read may be set
    /// aside; not one without an id, which nobody could name.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), where rows are not to be set aside.
    pub(super) fn into_page(mut self, on_unreadable: OnUnreadable) -> Result<RowPage> {
        let (last, rows) = (self.last.take(), self.read.len() + self.unread.len());
        let named = self.unread.iter().all(|unread| matches!(unread, Unread::Row(..)));
        if !(on_unreadable.continues() && named) {
            return Ok(RowPage { batch: self.finish()?.into(), rows, last });
        }
        let mut batch = RecordBatch::from(self.read);
        for unread in self.unread {
            match unread {
                Unread::Row(_, row) => batch.unreadable.push(row),
                Unread::WithoutId(error) => return Err(error),
            }
        }
        Ok(RowPage { batch, rows, last })
    }
}

/// What a page of rows holds.
#[derive(Debug)]
pub(super) struct RowPage {
    pub(super) batch: RecordBatch,
    pub(super) rows: usize,
    /// The id of the last row.
    pub(super) last: Option<EntityId>,
}

impl Extend<Result<Record, Unread>> for Records {
    fn extend<T: IntoIterator<Item = Result<Record, Unread>>>(&mut self, records: T) {
        records.into_iter().for_each(|record| self.add(record));
    }
}
