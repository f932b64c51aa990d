//! Removing the bytes that killed processes left.

use std::time::Duration;

use repo_core::{
    Comparison, Entity, ErrorKind, FieldPath, Filter, Precondition, Predicate, Query, Result,
    Value, Write,
};

use super::manager::StorageManager;
use super::record::{Loose, LooseState};

/// How many notes are read at once.
const BATCH: usize = 100;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs whose writer has not come back; they are removed by a later sweep.
    pub condemned: u64,
    /// Blobs that were removed.
    pub removed: u64,
}

impl StorageManager {
    /// Removes blobs without a record that nobody has touched for that long. Take longer than
    /// the longest write.
    ///
    /// A blob whose writer is gone is condemned first, so that the writer fails if it comes
    /// back; its bytes go in a sweep that is as much later, when no write can be under way.
    ///
    /// # Errors
    /// Those of the stores, and `Invalid` for a blob in a place that this manager does not
    /// have; what was done until then stays so.
    pub async fn sweep(&self, untouched_for: Duration) -> Result<Swept> {
        let due = self.clock.now().saturating_sub(untouched_for).to_string();
        let due = Predicate::Compare(Comparison::LessOrEqual, Value::String(due));
        let filter = Filter::Field(FieldPath::parse("since")?, due);
        let mut query = Query::new(filter).order_by("since")?.limit(BATCH)?.strong();
        let mut swept = Swept::default();
        loop {
            let page = self.store.query(&self.collections.loose, &query).await?;
            for note in &page.entities {
                self.sweep_one(note, &mut swept).await?;
            }
            match page.next {
                Some(next) => query = query.after(next),
                None => return Ok(swept),
            }
        }
    }

    async fn sweep_one(&self, note: &Entity, swept: &mut Swept) -> Result<()> {
        let loose: Loose = note.document.deserialize()?;
        let key = self.note_key(&loose.id)?;
        let seen = Precondition::Version(note.version);
        let write = match loose.state {
            LooseState::Pending => {
                let document = self.note(&loose.place, &loose.id, LooseState::Condemned)?;
                Write::put(key, document, seen)
            }
            LooseState::Condemned => {
                self.blobs_of(&loose.place)?.delete(&loose.id).await?;
                Write::delete(key, seen)
            }
        };
        match self.store.commit(vec![write]).await {
            Ok(_) if loose.state == LooseState::Pending => swept.condemned += 1,
            Ok(_) => swept.removed += 1,
            // Its writer, or another sweeper, was quicker.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
