//! Reads of unknown length in chunks, in bounded memory.

use repo_core::strategy::Record;

/// Rows in the first chunk of a read of unknown length.
const FIRST_CHUNK: usize = 100;
/// Most rows in a chunk.
const MOST_ROWS: usize = 2_000;
/// What a chunk should hold in bytes.
const CHUNK_BYTES: usize = 2 * 1_024 * 1_024;

/// What a row holds beside its document, about.
const ROW_BYTES: usize = 100;

/// How many rows are asked for at once: as many as hold about the same number
/// of bytes, so that memory is bounded whatever the documents are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) rows: usize,
    most: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { rows: FIRST_CHUNK, most: MOST_ROWS }
    }
}

impl Chunk {
    /// Asks for no more than `most` rows at once.
    pub(crate) fn at_most(&mut self, most: usize) {
        self.most = most.clamp(1, MOST_ROWS);
        self.rows = self.rows.min(self.most);
    }

    /// Whether these were the last; sets how many are asked for next.
    pub(crate) fn is_last(&mut self, records: &[Record]) -> bool {
        self.is_last_of(records.len(), document_bytes(records))
    }

    /// The same for rows whose documents hold so many bytes.
    pub(crate) fn is_last_of(&mut self, rows: usize, bytes: usize) -> bool {
        let last = rows < self.rows;
        let average = bytes / rows.max(1) + ROW_BYTES;
        self.rows = (CHUNK_BYTES / average).clamp(1, self.most);
        last
    }
}

/// How many bytes the documents of these hold.
pub(crate) fn document_bytes(records: &[Record]) -> usize {
    records.iter().filter_map(Record::document).map(|document| document.as_str().len()).sum()
}
