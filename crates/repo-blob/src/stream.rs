//! Streams of bytes: measured, hashed, in blocks.

use bytes::{Bytes, BytesMut};
use futures_util::stream::Fuse;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::{Error, ErrorKind, Result};

use crate::digest::{BlobDigest, Expected, Hasher};
use crate::key::BlobKey;
use crate::store::ByteStream;

/// How many bytes are hashed before other tasks get a turn.
const TURN: usize = 256 * 1024;

/// A stream of bytes to be stored, hashed while it is read.
pub(crate) struct Intake<'a> {
    source: Fuse<ByteStream<'a>>,
    hasher: Hasher,
    expected: Expected,
    operation: &'static str,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(source: ByteStream<'a>, expected: Expected, operation: &'static str) -> Self {
        Self { source: source.fuse(), hasher: Hasher::default(), expected, operation }
    }

    /// The next bytes, none of them empty; nothing at the end.
    ///
    /// # Errors
    /// That of the stream, and `Invalid` as soon as there are more than expected.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(bytes) = self.source.try_next().await? {
            if bytes.is_empty() {
                continue;
            }
            let size = self.hasher.size() + bytes.len() as u64;
            if self.expected.size.is_some_and(|expected| size > expected) {
                let most = Expected { size: self.expected.size, ..Expected::NOTHING };
                let found = BlobDigest { size, ..self.hasher.clone().finish() };
                most.check(self.operation, &found)?;
            }
            for turn in bytes.chunks(TURN) {
                self.hasher.update(turn);
                if bytes.len() > TURN {
                    tokio::task::yield_now().await;
                }
            }
            return Ok(Some(bytes));
        }
        Ok(None)
    }

    /// What was read.
    ///
    /// # Errors
    /// `Invalid` if it is not as expected.
    pub(crate) fn finish(self) -> Result<BlobDigest> {
        let found = self.hasher.finish();
        self.expected.check(self.operation, &found)?;
        Ok(found)
    }
}

/// A stream in blocks of one size; only the last one is shorter.
pub(crate) struct Blocks<'a> {
    intake: Intake<'a>,
    size: usize,
    rest: Bytes,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(intake: Intake<'a>, size: usize) -> Self {
        Self { intake, size, rest: Bytes::new() }
    }

    /// The next block; nothing at the end. It is copied together, so that no large buffer
    /// stays alive for a few bytes of it.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut block = BytesMut::new();
        while block.len() < self.size {
            if self.rest.is_empty() {
                match self.intake.next().await? {
                    Some(bytes) => self.rest = bytes,
                    None => break,
                }
            }
            let taken = self.rest.split_to(self.rest.len().min(self.size - block.len()));
            block.extend_from_slice(&taken);
        }
        Ok((!block.is_empty()).then(|| block.freeze()))
    }

    pub(crate) fn finish(self) -> Result<BlobDigest> {
        self.intake.finish()
    }
}

/// The same bytes, and `Corrupt` where there are more or fewer than `length`.
pub(crate) fn measured(
    bytes: ByteStream<'static>,
    key: BlobKey,
    length: u64,
) -> ByteStream<'static> {
    let begin = Some((bytes, 0_u64));
    let measured = stream::unfold(begin, move |state| async move {
        let (mut bytes, read) = state?;
        let next = bytes.next().await;
        let read =
            read + next.as_ref().and_then(|next| next.as_ref().ok()).map_or(0, Bytes::len) as u64;
        match next {
            Some(Ok(_)) if read > length => Some((Err(other_length(key, length, read)), None)),
            Some(Ok(next)) => Some((Ok(next), Some((bytes, read)))),
            Some(Err(error)) => Some((Err(error), None)),
            None if read < length => Some((Err(other_length(key, length, read)), None)),
            None => None,
        }
    });
    measured.boxed()
}

fn other_length(key: BlobKey, expected: u64, found: u64) -> Error {
    let message = if found < expected {
        "the blob ends before its length"
    } else {
        "the blob goes on behind its length"
    };
    Error::new(ErrorKind::Corrupt, "get", message)
        .with("key", key)
        .with("expected", expected)
        .with("found", found)
}

/// What comes of a stream of objects or files that is read whole.
pub(crate) async fn digest_of(mut bytes: ByteStream<'_>) -> Result<BlobDigest> {
    let mut hasher = Hasher::default();
    while let Some(bytes) = bytes.try_next().await? {
        hasher.update(&bytes);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(chunks: &[&'static [u8]]) -> ByteStream<'static> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        stream::iter(chunks).boxed()
    }

    #[tokio::test]
    async fn blocks_have_one_size() {
        let intake =
            Intake::new(of(&[b"", b"a", b"bcdefgh", b"", b"ij"]), Expected::NOTHING, "put");
        let mut blocks = Blocks::new(intake, 4);
        let mut found = Vec::new();
        while let Some(block) = blocks.next().await.unwrap() {
            found.push(block);
        }
        assert_eq!(found, [&b"abcd"[..], b"efgh", b"ij"]);
        assert_eq!(blocks.finish().unwrap(), BlobDigest::of(b"abcdefghij"));
    }

    #[tokio::test]
    async fn too_many_bytes_are_refused_at_once() {
        let expected = Expected { size: Some(3), ..Expected::NOTHING };
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"ab"))).boxed();
        let mut intake = Intake::new(endless, expected, "put");
        assert!(intake.next().await.is_ok());
        let error = intake.next().await.unwrap_err();
        assert_eq!((error.kind(), error.context_value("found")), (ErrorKind::Invalid, Some("4")));
    }

    #[tokio::test]
    async fn a_truncated_blob_is_corrupt() {
        let key = BlobKey::random().unwrap();
        for (length, whole) in [(4, false), (5, true), (6, false)] {
            let read = measured(of(&[b"abc", b"de"]), key, length).try_collect::<Vec<_>>().await;
            assert_eq!(read.is_ok(), whole, "{length}");
            assert!(whole || read.unwrap_err().kind() == ErrorKind::Corrupt);
        }
    }
}
