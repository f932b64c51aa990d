//! A blob as a file that is read here and there.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

use futures_util::TryStreamExt as _;
use repo_blob::{BlobKey, ByteRange};
use repo_data::DataService;
use repo_data::model::BlobRef;
use tokio::runtime::Handle;

/// Bytes that are fetched at once.
const WINDOW: u64 = 64 * 1024;

/// A blob that is read a window at a time, for code that reads files. It blocks, and so belongs
/// on a thread for that.
#[derive(Debug)]
pub struct BlobFile {
    data: DataService,
    runtime: Handle,
    key: BlobKey,
    size: u64,
    at: u64,
    /// Where the window begins, and what is in it.
    window: (u64, Vec<u8>),
}

impl BlobFile {
    /// A blob, from its beginning. `runtime` fetches.
    #[must_use]
    pub fn new(data: DataService, runtime: Handle, blob: &BlobRef) -> Self {
        let (key, size) = (blob.key, blob.size);
        Self { data, runtime, key, size, at: 0, window: (0, Vec::new()) }
    }

    /// What the window has from the present place on.
    fn seen(&self) -> &[u8] {
        let (start, bytes) = &self.window;
        let skip = self.at.checked_sub(*start).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| bytes.get(skip..)).unwrap_or_default()
    }

    fn fetch(&mut self) -> Result<()> {
        let end = self.at.saturating_add(WINDOW).min(self.size);
        let read = async {
            let range = ByteRange::between(self.at, end)?;
            let pieces = self.data.open_blob(&self.key, range).await?.bytes;
            pieces
                .try_fold(Vec::new(), |mut bytes, piece| async move {
                    bytes.extend_from_slice(&piece);
                    Ok(bytes)
                })
                .await
        };
        let bytes: Vec<u8> = self.runtime.block_on(read).map_err(Error::other)?;
        if bytes.is_empty() {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the blob ends too early"));
        }
        self.window = (self.at, bytes);
        Ok(())
    }
}

impl Read for BlobFile {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if self.seen().is_empty() {
            self.fetch()?;
        }
        let read = self.seen().read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for BlobFile {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        let before = || Error::new(ErrorKind::InvalidInput, "a place before the beginning");
        self.at = place.ok_or_else(before)?;
        Ok(self.at)
    }
}
