//! Writing `.meta`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use repo_core::Result;
use repo_core::strategy::{RoleState, StoreId, SystemItemMap, UnfinishedJob};

use super::{CollectionHead, MAGIC, MetaFile, NO_FILE, NO_ROLE, ROLE_FOLLOWS, layout_of};
use crate::codec::{Put as _, SummedWriter};
use crate::errors;
use crate::feed_record::FeedRecord;
use crate::history::HistoryHead;
use crate::journal::{push_capture, push_history, push_role};
use crate::packed::Packing;
use crate::table::{Place, ShortDigest, Slot};

/// What is kept of the store besides its collections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreHead<'a> {
    pub(crate) generation: u64,
    /// Without one the store stays in layout 1.
    pub(crate) id: Option<StoreId>,
    /// Other than plain only with `id` and `feed`.
    pub(crate) packing: Packing,
    /// Its role is written when it is not the only one that it ever had.
    pub(crate) role: &'a RoleState,
    pub(crate) job: Option<&'a UnfinishedJob>,
    /// Without it the store stays in a layout before 3.
    pub(crate) feed: Option<&'a FeedRecord>,
    /// Written with `feed` only.
    pub(crate) items: &'a SystemItemMap,
    /// Written with `feed` only.
    pub(crate) histories: &'a [HistoryHead],
}

/// Writes `.meta` from front to back: the head, each collection with its
/// records, the data files, the checksum.
pub(crate) struct MetaWriter {
    out: SummedWriter<BufWriter<File>>,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl MetaWriter {
    pub(crate) fn new(
        file: File,
        path: &Path,
        buffer_bytes: usize,
        store: StoreHead<'_>,
        collections: usize,
    ) -> Result<Self> {
        let out = SummedWriter::new(BufWriter::with_capacity(buffer_bytes, file));
        let mut writer = Self { out, path: path.to_owned(), buffer: Vec::new() };
        let head = &mut writer.buffer;
        head.extend_from_slice(MAGIC);
        head.put_u32(layout_of(store.id, store.feed, store.packing));
        head.put_u64(store.generation);
        if let Some(id) = store.id {
            head.extend_from_slice(&id.to_bytes());
        }
        match store.role.is_unused() {
            true => head.put_u64(NO_ROLE),
            false => {
                head.put_u64(ROLE_FOLLOWS);
                push_role(head, store.role);
            }
        }
        head.put_u8(u8::from(store.job.is_some()));
        if let Some(job) = store.job {
            head.put_text(&job.id().to_string());
            head.put_text(job.progress());
        }
        if let Some(feed) = store.feed.filter(|_| store.id.is_some()) {
            head.put_u64(feed.base);
            head.put_u64(feed.head);
            head.put_u64(feed.trimmed);
            push_capture(head, &feed.capture);
            head.put_u64(store.items.len() as u64);
            for (collection, key, value) in store.items.iter() {
                [collection.as_str(), key, value].iter().for_each(|text| head.put_text(text));
            }
            put_histories(head, store.histories);
        }
        head.put_u32(u32::try_from(collections).unwrap_or(u32::MAX));
        writer.flush()?;
        Ok(writer)
    }

    /// Begins a collection; exactly `records` records follow, ids ascending.
    pub(crate) fn begin(&mut self, head: &CollectionHead, records: u64) -> Result<()> {
        self.buffer.put_text(head.name.as_str());
        self.buffer.put_u32(head.schema_version);
        self.buffer.put_u64(head.floor);
        self.buffer.put_u64(head.shape);
        let file = head.file.and_then(|file| u32::try_from(file).ok());
        self.buffer.put_u32(file.unwrap_or(NO_FILE));
        self.buffer.put_u64(records);
        self.flush()
    }

    pub(crate) fn record(&mut self, id: &str, slot: &Slot, digest: ShortDigest) -> Result<()> {
        self.buffer.put_u64(slot.version);
        self.buffer.put_i64(slot.created_at);
        self.buffer.put_i64(slot.updated_at);
        self.buffer.put_u64(slot.offset);
        self.buffer.put_u32(slot.len);
        self.buffer.put_u8(u8::from(slot.place == Place::Data));
        self.buffer.extend_from_slice(&digest);
        self.buffer.put_text(id);
        self.flush()
    }

    /// Writes the data files and the checksum, syncs, and gives the checksum.
    pub(crate) fn finish(mut self, files: &[MetaFile]) -> Result<u32> {
        self.buffer.put_u32(u32::try_from(files.len()).unwrap_or(u32::MAX));
        for file in files {
            self.buffer.put_text(&file.name);
            self.buffer.put_u8(file.form.code());
            self.buffer.put_u64(file.signature.len);
            self.buffer.put_i64(file.signature.mtime_secs);
            self.buffer.put_u32(file.signature.mtime_nanos);
            self.buffer.put_u64(file.signature.inode);
            self.buffer.extend_from_slice(&file.digest);
        }
        self.flush()?;
        let crc = self.out.crc();
        self.buffer.put_u32(crc);
        self.flush()?;
        let failed = |e| errors::io("write .meta", &self.path, e);
        let file = self.out.into_inner().into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(crc)
    }

    fn flush(&mut self) -> Result<()> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|e| errors::io("write .meta", &self.path, e))
    }
}

fn put_histories(out: &mut Vec<u8>, histories: &[HistoryHead]) {
    out.put_u32(u32::try_from(histories.len()).unwrap_or(u32::MAX));
    for history in histories {
        out.put_text(history.name.as_str());
        push_history(out, &history.kept);
        out.put_u32(u32::try_from(history.files.len()).unwrap_or(u32::MAX));
        for file in &history.files {
            [file.generation, file.len, file.lines, file.longest]
                .iter()
                .for_each(|number| out.put_u64(*number));
            out.put_u32(file.crc);
        }
    }
}
