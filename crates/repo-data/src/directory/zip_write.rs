//! One zip of a directory, made while it is read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use repo_blob::ByteStream;
use repo_core::{Error, ErrorKind, Result};
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::path::EntryPath;
use super::tree::MAX_NODES;

/// What comes out at least, but for the end.
const BLOCK_BYTES: usize = 64 * 1024;
/// What is compressed at once, before others have their turn.
const PIECE_BYTES: usize = 64 * 1024;

/// A file or a directory in a zip.
pub struct ZipMember {
    /// Where it is in the zip.
    pub path: EntryPath,
    /// What it is.
    pub content: ZipContent,
}

/// What a member of a zip is.
pub enum ZipContent {
    /// A directory; only an empty one has to be named.
    Directory,
    /// The bytes of a file.
    File(ByteStream<'static>),
}

/// The bytes of a zip of these members, made as they are asked for.
///
/// In memory are at most two blocks of 64 KiB, what the members give at once, and some 300
/// bytes of each member that was written: a zip ends with the list of its members. Files of
/// any size are taken, and each is compressed. The same members give the same bytes: a zip
/// holds neither times nor owners. Nothing runs between two polls, so a stream that is
/// dropped leaves nothing behind.
///
/// # Errors
/// The first error of the members or of their bytes ends the stream; what was sent until
/// then is no zip. `Invalid` for the same path twice, `LimitExceeded` above [`MAX_NODES`]
/// members.
///
/// ```
/// use bytes::Bytes;
/// use futures_util::{StreamExt as _, TryStreamExt as _, stream};
/// use repo_data::directory::{ZipContent, ZipLimits, ZipMember, list_zip, zip_stream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let bytes = stream::iter([Ok(Bytes::from("print(1)"))]).boxed();
/// let member = ZipMember { path: "src/main.py".parse()?, content: ZipContent::File(bytes) };
/// let zip = zip_stream(stream::iter([Ok(member)]).boxed());
/// let zip: Vec<Bytes> = zip.try_collect().await?;
///
/// let listed = list_zip(std::io::Cursor::new(zip.concat()), &ZipLimits::default())?;
/// assert_eq!(listed[0].path.as_str(), "src/main.py");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn zip_stream(members: BoxStream<'static, Result<ZipMember>>) -> ByteStream<'static> {
    let out = Buffer::default();
    let writer = ZipWriter::new_stream(out.clone());
    let zipper = Zipper { members, out, writer: Some(writer), file: None, count: 0 };
    stream::try_unfold(zipper, |mut zipper| async move {
        Ok(zipper.next().await?.map(|bytes| (bytes, zipper)))
    })
    .boxed()
}

struct Zipper {
    members: BoxStream<'static, Result<ZipMember>>,
    out: Buffer,
    /// Nothing once the zip is finished.
    writer: Option<ZipWriter<StreamWriter<Buffer>>>,
    file: Option<(ByteStream<'static>, Bytes)>,
    count: usize,
}

impl Zipper {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let length = self.out.len();
            if length >= BLOCK_BYTES || (self.writer.is_none() && length > 0) {
                return Ok(Some(self.out.take()));
            }
            if self.writer.is_none() {
                return Ok(None);
            }
            self.step().await?;
        }
    }

    /// Compresses a piece, or begins the next member, or finishes.
    async fn step(&mut self) -> Result<()> {
        let Some((bytes, rest)) = &mut self.file else { return self.begin().await };
        if rest.is_empty() {
            match bytes.try_next().await? {
                Some(more) => *rest = more,
                None => self.file = None,
            }
            return Ok(());
        }
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        match &mut self.writer {
            Some(writer) => writer.write_all(&piece).map_err(|error| failed(error.into())),
            None => Ok(()),
        }
    }

    async fn begin(&mut self) -> Result<()> {
        let Some(member) = self.members.try_next().await? else {
            return match self.writer.take() {
                Some(writer) => writer.finish().map(drop).map_err(failed),
                None => Ok(()),
            };
        };
        self.count += 1;
        if self.count > MAX_NODES {
            return Err(Error::new(ErrorKind::LimitExceeded, "zip", "too many entries in one zip")
                .with("limit", MAX_NODES)
                .hint("download parts of the directory"));
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let named = |error: ZipError| failed(error).with("file", &member.path);
        match member.content {
            ZipContent::Directory => {
                writer.add_directory(member.path.as_str(), options).map_err(named)
            }
            ZipContent::File(bytes) => {
                // How long it is shows at its end only, so there is room for any length.
                let options = options.large_file(true).unix_permissions(0o644);
                writer.start_file(member.path.as_str(), options).map_err(named)?;
                self.file = Some((bytes, Bytes::new()));
                Ok(())
            }
        }
    }
}

fn failed(error: ZipError) -> Error {
    // The writer refuses what would be no zip, as a path that is there; memory does not fail.
    Error::new(ErrorKind::Invalid, "zip", "this cannot be put into a zip")
        .with("reason", &error)
        .caused_by(error)
}

/// What the writer has written and nobody has taken.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self) -> Bytes {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *bytes).into()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
