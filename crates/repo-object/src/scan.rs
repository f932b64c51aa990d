//! Scans: all records of a collection, in batches. While the records of one batch are made,
//! the documents of the next one are read.

use std::sync::Arc;

use futures_util::stream;
use repo_core::strategy::{OnUnreadable, RecordBatch, RecordStream, ScanOptions, read_ahead};
use repo_core::{CollectionName, EntityId, Result};

use crate::reader::{Found, found, take, unless_closed};
use crate::store::Store;

/// Where a scan is: at the beginning, or behind an id.
type Place = Option<EntityId>;

/// The batches of a scan.
pub(crate) async fn scan(
    store: Arc<Store>,
    name: CollectionName,
    options: ScanOptions,
) -> Result<RecordStream> {
    store.catch_up_for("scan", options.consistency).await?;
    store.state().table(&store.env, "scan", &name)?;
    let on_unreadable = store.env.options.on_unreadable();
    let answers = stream::try_unfold(Some(None), move |at: Option<Place>| {
        let (store, name) = (Arc::clone(&store), name.clone());
        async move {
            let Some(after) = at else { return Ok(None) };
            let read = next(&store, &name, &options, after).await;
            unless_closed(&store, "scan", read).map(Some)
        }
    });
    Ok(read_ahead(answers, move |found| batch_of(found, on_unreadable)))
}

/// The next records, and where to go on; nothing where they were the last.
async fn next(
    store: &Store,
    name: &CollectionName,
    options: &ScanOptions,
    after: Place,
) -> Result<(Vec<Found>, Option<Place>)> {
    store.check_open("scan")?;
    let (ids, last) = {
        let state = store.state();
        let table = state.table(&store.env, "scan", name)?;
        let segment = options.segment;
        let inside = table.after(after.as_ref()).filter(|(id, _)| segment.contains(id));
        take(inside, options.batch_size.get())
    };
    Ok((found(store, "scan", name, &ids).await?, last.map(Some)))
}

fn batch_of(found: Vec<Found>, on_unreadable: OnUnreadable) -> Result<RecordBatch> {
    let mut batch = RecordBatch::with_capacity(found.len());
    for found in found {
        match found {
            // Purged since it was looked for.
            Found::Nothing => {}
            Found::Record(record) => batch.push(Ok(record), on_unreadable)?,
            Found::Unreadable(record) => batch.push(Err(record), on_unreadable)?,
        }
    }
    Ok(batch)
}
