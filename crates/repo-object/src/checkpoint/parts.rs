//! The objects of a run, while they are being written.

use bytes::Bytes;
use repo_core::{Error, ErrorKind, Result};

use crate::env::Env;
use crate::format::{Kind, Lines, Op, Run};
use crate::hex::Hex16;
use crate::names;

/// A run that is being written: documents and lines, in objects of bounded size.
pub(super) struct Parts<'e> {
    env: &'e Env,
    id: Hex16,
    docs: Vec<u8>,
    docs_parts: u32,
    index: Lines,
    index_parts: u32,
    bytes: u64,
    /// The names of the objects that were written.
    written: Vec<String>,
}

/// Which frames and changes a run is of.
pub(super) struct Frames {
    pub(super) whole: bool,
    pub(super) after: u64,
    pub(super) through: u64,
    pub(super) commit: Hex16,
    pub(super) changes: (u64, u64),
}

/// What was written, so that it can be removed.
#[derive(Debug, Default)]
pub(super) struct Written(pub(super) Vec<String>);

impl<'e> Parts<'e> {
    /// A run for the checkpoint of this number.
    pub(super) fn new(env: &'e Env, number: u64) -> Result<Self> {
        let id = Hex16::for_checkpoint(number)?;
        Ok(Self {
            env,
            id,
            docs: Vec::new(),
            docs_parts: 0,
            index: Lines::new(Kind::Index { run: id, part: 0 })?,
            index_parts: 0,
            bytes: 0,
            written: Vec::new(),
        })
    }

    /// Adds a document; the part that it is in, and where it begins.
    pub(super) async fn document(&mut self, text: &[u8]) -> Result<(u32, u32)> {
        if !self.docs.is_empty() && self.docs.len() + text.len() >= self.env.limits.docs_part {
            self.end_docs().await?;
        }
        let offset = u32::try_from(self.docs.len()).map_err(|_| too_large())?;
        self.docs.extend_from_slice(text);
        self.docs.push(b'\n');
        Ok((self.docs_parts, offset))
    }

    /// Adds a line to the index.
    pub(super) fn line(&mut self, op: &Op) -> Result<()> {
        self.index.push(op)
    }

    /// Says that the index may go on in another object here.
    pub(super) async fn boundary(&mut self) -> Result<()> {
        if self.index.len() >= self.env.limits.index_part { self.end_index().await } else { Ok(()) }
    }

    async fn end_docs(&mut self) -> Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.docs));
        self.bytes += bytes.len() as u64;
        self.write(names::docs(self.id, self.docs_parts), bytes).await?;
        self.docs_parts += 1;
        Ok(())
    }

    async fn end_index(&mut self) -> Result<()> {
        let next = Lines::new(Kind::Index { run: self.id, part: self.index_parts + 1 })?;
        let bytes = std::mem::replace(&mut self.index, next).finish()?;
        self.bytes += bytes.len() as u64;
        self.write(names::index(self.id, self.index_parts), bytes).await?;
        self.index_parts += 1;
        Ok(())
    }

    async fn write(&mut self, name: String, bytes: Bytes) -> Result<()> {
        self.written.push(name.clone());
        self.env.objects.create_new(&name, bytes).await
    }

    /// Ends the run.
    pub(super) async fn finish(mut self, of: Frames) -> Result<(Run, Written)> {
        if !self.docs.is_empty() {
            self.end_docs().await?;
        }
        if self.index_parts == 0 || !self.index.is_empty() {
            self.end_index().await?;
        }
        let Self { id, index_parts, docs_parts, bytes, written, .. } = self;
        let Frames { whole, after, through, commit, changes } = of;
        let run =
            Run { id, whole, after, through, commit, index_parts, docs_parts, bytes, changes };
        Ok((run, Written(written)))
    }
}

fn too_large() -> Error {
    let why = "an object of a checkpoint would be larger than it can be";
    Error::new(ErrorKind::LimitExceeded, names::CHECKPOINT, why)
}
