//! Lines of JSON: what every object is made of.
//!
//! The first line says what the object is, the last one how many lines are before it and
//! their checksum. A document stands in a line of its own behind the one that it belongs to.
//! It is not in the checksum: the line before has its length and its digest, so that one
//! document that is damaged leaves the others alone.

use std::ops::Range;

use bytes::Bytes;
use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::op::Op;
use crate::hex::Hex16;

/// The newest layout that this program knows, the first one that there was. In every
/// strategy a store that has an id is of layout 2 or higher.
pub(crate) const LAYOUT: u32 = 2;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    repo_object: u32,
    is: Kind,
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A frame of the log: what one group of commits changed.
    Log {
        number: u64,
        commit: Hex16,
        /// The commit of the frame before it; zeros for the first one.
        after: Hex16,
        /// Whether what it changed was taken out, since a record was erased. A checkpoint
        /// has what is left.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        scrubbed: bool,
    },
    /// A part of the index of a run.
    Index { run: Hex16, part: u32 },
    /// Changes that are kept for the feed.
    Changes { run: Hex16 },
    /// A checkpoint.
    Checkpoint { number: u64 },
}

/// What stands in every first line of every layout.
#[derive(Deserialize)]
struct Layout {
    repo_object: u32,
}

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    crc: crc32fast::Hasher,
    count: u64,
}

impl Lines {
    /// An object with its first line.
    pub(crate) fn new(is: Kind) -> Result<Self> {
        let mut lines = Self { bytes: Vec::new(), crc: crc32fast::Hasher::new(), count: 0 };
        lines.write(&Head { repo_object: LAYOUT, is })?;
        Ok(lines)
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, op: &Op) -> Result<()> {
        self.write(op)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let from = self.bytes.len();
        serde_json::to_writer(&mut self.bytes, line).map_err(|source| {
            let why = "a line of an object cannot be written as JSON";
            Error::new(ErrorKind::Unexpected, "write an object", why).caused_by(source)
        })?;
        self.bytes.push(b'\n');
        if let Some(line) = self.bytes.get(from..) {
            self.crc.update(line);
        }
        self.count += 1;
        Ok(())
    }

    /// Adds the document of the line before; where it begins. `None` where the object is too
    /// large for that.
    pub(crate) fn push_document(&mut self, text: &str) -> Option<u32> {
        let at = u32::try_from(self.bytes.len()).ok()?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(b'\n');
        Some(at)
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has its first line alone.
    pub(crate) fn is_empty(&self) -> bool {
        self.count <= 1
    }

    /// The whole object.
    pub(crate) fn finish(mut self) -> Result<Bytes> {
        let end = Op::End { lines: self.count, crc: self.crc.clone().finalize() };
        self.write(&end)?;
        Ok(self.bytes.into())
    }
}

/// An object that was read.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) is: Kind,
    pub(crate) lines: Vec<Line>,
}

/// A line, and where in the object the document is that follows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) op: Op,
    pub(crate) document: Option<Range<usize>>,
}

/// Why an object cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not ours.
    Foreign,
    /// A newer program has written it, in this layout.
    Newer(u32),
    /// It is damaged, at this byte.
    Damaged(usize),
}

/// Bytes of an object that its first line is within.
pub(crate) const HEAD: u64 = 512;

/// What an object is, by its first line.
pub(crate) fn kind_of(bytes: &[u8]) -> Result<Kind, Unreadable> {
    Reader::new(bytes).head()
}

/// Reads an object.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Unreadable> {
    let mut reader = Reader::new(bytes);
    let is = reader.head()?;
    let mut lines = Vec::new();
    loop {
        let at = reader.at;
        let damaged = Unreadable::Damaged(at);
        let line = reader.line().ok_or(damaged)?;
        let op: Op = serde_json::from_slice(line).map_err(|_| damaged)?;
        if let Op::End { lines: count, crc } = op {
            let whole = count == reader.count && crc == reader.crc.finalize();
            let last = reader.at == bytes.len();
            return if whole && last { Ok(Decoded { is, lines }) } else { Err(damaged) };
        }
        reader.count_in(line);
        let document = match op.text().filter(|text| text.at.is_none()) {
            Some(text) => Some(reader.document(text.len.get()).ok_or(damaged)?),
            None => None,
        };
        lines.push(Line { op, document });
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    crc: crc32fast::Hasher,
    count: u64,
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, crc: crc32fast::Hasher::new(), count: 0 }
    }

    /// What the first line says.
    fn head(&mut self) -> Result<Kind, Unreadable> {
        // What begins as ours is ours.
        let is_ours = self.bytes.starts_with(b"{\"repo_object\":");
        let broken = if is_ours { Unreadable::Damaged(0) } else { Unreadable::Foreign };
        let first = self.line().ok_or(broken)?;
        let Ok(Layout { repo_object }) = serde_json::from_slice(first) else {
            return Err(broken);
        };
        if repo_object > LAYOUT {
            return Err(Unreadable::Newer(repo_object));
        }
        let Ok(Head { is, .. }) = serde_json::from_slice(first) else {
            return Err(Unreadable::Damaged(0));
        };
        self.count_in(first);
        Ok(is)
    }

    /// The next line, without its end.
    fn line(&mut self) -> Option<&'b [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += end + 1;
        rest.get(..end)
    }

    fn count_in(&mut self, line: &[u8]) {
        self.crc.update(line);
        self.crc.update(b"\n");
        self.count += 1;
    }

    /// The line that follows, which is a document of this length. What stands in it may be
    /// anything.
    fn document(&mut self, len: u32) -> Option<Range<usize>> {
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        let range = self.at..end;
        if self.bytes.get(end) != Some(&b'\n') {
            return None;
        }
        self.at = end + 1;
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use repo_core::{Document, Version};

    use super::super::op::{PutOp, Text};
    use super::*;

    fn put(document: &Document) -> Op {
        Op::Put(PutOp {
            collection: "items".parse().unwrap(),
            id: "a".parse().unwrap(),
            version: Version::FIRST,
            created_at: -1,
            updated_at: 2,
            text: Text {
                len: NonZeroU32::new(document.as_str().len() as u32).unwrap(),
                digest: Hex16::of(&document.digest()),
                at: None,
            },
            change: Some(7),
        })
    }

    fn object() -> (Bytes, u32, usize) {
        let document = Document::parse(r#"{"id":"a","text":"é\n{}"}"#).unwrap();
        let commit = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let after = Hex16::ZERO;
        let mut lines =
            Lines::new(Kind::Log { number: 3, commit, after, scrubbed: false }).unwrap();
        assert!(lines.is_empty());
        lines.push(&Op::Nothing).unwrap();
        lines.push(&put(&document)).unwrap();
        let at = lines.push_document(document.as_str()).unwrap();
        (lines.finish().unwrap(), at, document.as_str().len())
    }

    #[test]
    fn an_object_is_read_as_it_was_written() {
        let (bytes, at, len) = object();
        let decoded = decode(&bytes).unwrap();
        assert!(matches!(decoded.is, Kind::Log { number: 3, scrubbed: false, .. }));
        let [nothing, put] = decoded.lines.as_slice() else { panic!("{decoded:?}") };
        assert_eq!(kind_of(&bytes[..bytes.len().min(HEAD as usize)]).as_ref(), Ok(&decoded.is));
        assert_eq!(nothing.op, Op::Nothing);
        let range = put.document.clone().unwrap();
        assert_eq!((range.start, range.len()), (at as usize, len));
        let document = Document::from_slice(&bytes[range]).unwrap();
        assert_eq!(put.op.text().unwrap().digest, Hex16::of(&document.digest()));
        // Each line is JSON, the documents too.
        for line in std::str::from_utf8(&bytes).unwrap().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    /// One byte of a line is another one, or the end is missing: that is seen. In a document
    /// it is left to who reads the document.
    #[test]
    fn damage_is_seen_where_it_is() {
        let (bytes, at, len) = object();
        let document = at as usize..at as usize + len;
        for byte in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[byte] ^= 1;
            let read = decode(&damaged);
            assert_eq!(read.is_ok(), document.contains(&byte), "byte {byte}");
            assert!(decode(&bytes[..byte]).is_err(), "cut at {byte}");
        }
        let longer = [&bytes[..], b"{}\n"].concat();
        assert!(decode(&longer).is_err());
    }

    #[test]
    fn what_is_not_ours_and_what_is_newer_is_told_apart() {
        for other in ["", "x", "{}\n", "PAR1\n", "{\"id\":\"a\"}\n"] {
            assert_eq!(decode(other.as_bytes()).unwrap_err(), Unreadable::Foreign, "{other}");
        }
        let newer = b"{\"repo_object\":3,\"what\":{\"nobody\":\"knows\"}}\n";
        assert_eq!(decode(newer).unwrap_err(), Unreadable::Newer(3));
    }
}
