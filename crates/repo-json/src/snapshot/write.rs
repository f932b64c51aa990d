//! Writing a data file: documents only, ordered by id, indented or compact.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use repo_core::{CollectionName, Document, EntityId, Result};

use super::{FileDigest, Form};
use crate::errors;
use crate::packed::{BlockWriter, Packing};

/// More than two steps of the coarsest clock.
const SET_BACK: Duration = Duration::from_millis(25);

/// Where a document was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentSpan {
    /// Byte offset in the file.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) len: u32,
}

/// Writes one data file from front to back.
pub(crate) struct SnapshotWriter {
    out: Output,
    /// Bytes of text so far.
    written: u64,
    path: PathBuf,
    form: Form,
    pretty: bool,
    /// Whether a collection was written before in this file.
    any_collection: bool,
    /// Whether an entity was written before in this collection.
    any_entity: bool,
    text: Vec<u8>,
}

impl SnapshotWriter {
    pub(crate) fn new(
        file: File,
        path: &Path,
        (form, packing): (Form, Packing),
        pretty: bool,
        buffer_bytes: usize,
    ) -> Result<Self> {
        let file = Digested {
            file: BufWriter::with_capacity(buffer_bytes, file),
            digest: blake3::Hasher::new(),
        };
        let out = match packing {
            Packing::Plain => Output::Plain(file),
            Packing::Zstd => {
                let blocks = BlockWriter::new(file);
                Output::Packed(blocks.map_err(|e| errors::io("write a data file", path, e))?)
            }
        };
        let mut writer = Self {
            out,
            written: 0,
            path: path.to_owned(),
            form,
            pretty,
            any_collection: false,
            any_entity: false,
            text: Vec::new(),
        };
        writer.text.push(b'{');
        writer.flush_text()?;
        Ok(writer)
    }

    /// Levels of nesting above an entity.
    fn depth(&self) -> usize {
        if self.form == Form::Plain { 1 } else { 2 }
    }

    /// Begins a collection; its entities follow.
    pub(crate) fn begin(&mut self, name: &CollectionName) -> Result<()> {
        self.any_entity = false;
        if self.form == Form::Plain {
            return Ok(());
        }
        self.separate(self.any_collection, 1);
        self.any_collection = true;
        self.text_key(name.as_str());
        self.text.push(b'{');
        self.flush_text()
    }

    /// Writes an entity; ids ascend within a collection.
    pub(crate) fn entity(&mut self, id: &EntityId, document: &Document) -> Result<DocumentSpan> {
        let depth = self.depth();
        self.separate(self.any_entity, depth);
        self.any_entity = true;
        self.text_key(id.as_str());
        self.flush_text()?;
        let offset = self.written;
        if self.pretty {
            indent(document.as_str(), depth, &mut self.text);
        } else {
            self.text.extend_from_slice(document.as_str().as_bytes());
        }
        let len = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.flush_text()?;
        Ok(DocumentSpan { offset, len })
    }

    /// Ends the collection.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.form != Form::Plain {
            self.close(self.any_entity, 1);
        }
        self.flush_text()
    }

    /// Ends the file, syncs it, and gives it with its digest.
    pub(crate) fn finish(mut self) -> Result<(File, FileDigest)> {
        let any = if self.form == Form::Plain { self.any_entity } else { self.any_collection };
        self.close(any, 0);
        self.text.push(b'\n');
        self.flush_text()?;
        let failed = |e| errors::io("write a data file", &self.path, e);
        let out = match self.out {
            Output::Plain(file) => file,
            Output::Packed(blocks) => blocks.finish().map_err(failed)?,
        };
        let file = out.file.into_inner().map_err(|e| failed(e.into_error()))?;
        set_back(&file);
        file.sync_all().map_err(failed)?;
        Ok((file, *out.digest.finalize().as_bytes()))
    }

    fn separate(&mut self, comma: bool, depth: usize) {
        if comma {
            self.text.push(b',');
        }
        self.new_line(depth);
    }

    fn close(&mut self, any: bool, depth: usize) {
        if any {
            self.new_line(depth);
        }
        self.text.push(b'}');
    }

    fn new_line(&mut self, depth: usize) {
        if self.pretty {
            new_line(depth, &mut self.text);
        }
    }

    fn text_key(&mut self, key: &str) {
        write_string(key, &mut self.text);
        self.text.extend_from_slice(if self.pretty { b": " } else { b":" });
    }

    fn flush_text(&mut self) -> Result<()> {
        let written = match &mut self.out {
            Output::Plain(file) => file.write_all(&self.text),
            Output::Packed(blocks) => blocks.write_all(&self.text),
        };
        self.written += self.text.len() as u64;
        self.text.clear();
        written.map_err(|e| errors::io("write a data file", &self.path, e))
    }
}

/// Dates a file a little before now, so that a later edit shows in its time,
/// however soon it comes: clocks of file systems go in steps.
fn set_back(file: &File) {
    if let Some(before) = SystemTime::now().checked_sub(SET_BACK) {
        // Where that is not possible, openings compare the digest for a while.
        if let Err(error) = file.set_modified(before) {
            tracing::debug!(%error, "the time of a data file could not be set");
        }
    }
}

/// Where the text goes.
enum Output {
    Plain(Digested),
    Packed(BlockWriter<Digested>),
}

/// A file that knows its digest.
struct Digested {
    file: BufWriter<File>,
    digest: blake3::Hasher,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // An id or a collection name holds no control character.
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Writes compact, well-formed JSON with two spaces a level. Strings and
/// numbers keep their text.
fn indent(json: &str, depth: usize, out: &mut Vec<u8>) {
    let bytes = json.as_bytes();
    let mut depth = depth;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = at + 1 + string_len(&bytes[at + 1..]);
                out.extend_from_slice(&bytes[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                out.push(byte);
                if bytes.get(at + 1).is_some_and(|next| matches!(next, b'}' | b']')) {
                    at += 1;
                    out.push(bytes[at]);
                } else {
                    depth += 1;
                    new_line(depth, out);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(depth, out);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(depth, out);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
        at += 1;
    }
}

/// Length of the rest of a string, its closing quote included.
fn string_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn indented(json: &str) -> String {
        let mut out = Vec::new();
        indent(json, 0, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn indentation_is_that_of_other_tools() {
        let value = serde_json::json!({
            "a": [1, {"b": [], "c": {}}, "x\"y\\"], "d": {"e": null, "f": "é{[,:]}"}
        });
        let compact = value.to_string();
        assert_eq!(indented(&compact), serde_json::to_string_pretty(&value).unwrap());
    }
}
