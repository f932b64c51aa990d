//! Reading JSON structure from a stream with a small buffer.
//!
//! Only brackets, quotes and the space between tokens are looked at here; what
//! stands inside an entity is checked by `Document::read`, which knows all
//! rules. The buffer grows to the longest single value, never to the file.

use std::io::Read;
use std::path::Path;

use repo_core::{Error, Result, Value};

use crate::FileDigest;
use crate::errors;

/// Bytes read at once.
const CHUNK: usize = 64 * 1_024;

/// A JSON file, read from front to back.
///
/// What cannot be read is an error of every method: malformed text is `Corrupt`, with
/// byte, line, column and what stands there; a value far above the longest is `Invalid`.
///
/// ```
/// use std::path::Path;
///
/// use plain_json::JsonReader;
///
/// let text = br#"{"list": [{"a": 1}, 2.50]}"#;
/// let mut reader = JsonReader::new(&text[..], Path::new("example.json"), 1_000);
/// assert!(reader.enter_object()?);
/// assert_eq!(reader.key()?, ("list".to_owned(), 1));
/// assert!(reader.enter_array()?);
/// assert_eq!(reader.keep(JsonReader::skip_value)?, br#"{"a": 1}"#);
/// assert!(reader.next_element()?);
/// assert_eq!(reader.keep(JsonReader::skip_value)?, b"2.50");
/// assert!(!reader.next_element()? && !reader.next_member()?);
/// reader.finish()?;
/// # Ok::<(), repo_core::Error>(())
/// ```
pub struct JsonReader<'p, R> {
    reader: R,
    path: &'p Path,
    buffer: Vec<u8>,
    /// Where reading stands in the buffer.
    at: usize,
    /// Where the buffer stands in the file.
    base: u64,
    /// Start of the value that is being kept, in the buffer.
    kept: Option<usize>,
    /// Longest value that is kept, in bytes.
    longest: usize,
    digest: blake3::Hasher,
}

impl<'p, R: Read> JsonReader<'p, R> {
    /// A reader of the file at `path`, which errors name, from where `reader` stands. A
    /// value that is kept may have `longest` bytes, about.
    pub fn new(reader: R, path: &'p Path, longest: usize) -> Self {
        Self {
            reader,
            path,
            buffer: Vec::with_capacity(2 * CHUNK),
            at: 0,
            base: 0,
            kept: None,
            longest,
            digest: blake3::Hasher::new(),
        }
    }

    /// The offset in the file where reading stands.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The next byte, `None` at the end of the file.
    pub fn peek(&mut self) -> Result<Option<u8>> {
        if self.at == self.buffer.len() && !self.fill()? {
            return Ok(None);
        }
        Ok(self.buffer.get(self.at).copied())
    }

    /// Reads more; `false` at the end of the file.
    fn fill(&mut self) -> Result<bool> {
        let keep_from = self.kept.unwrap_or(self.at);
        self.buffer.drain(..keep_from);
        self.base += keep_from as u64;
        self.at -= keep_from;
        if let Some(kept) = &mut self.kept {
            *kept = 0;
        }
        if self.buffer.len() > self.longest {
            return Err(errors::refused(
                self.path,
                self.base,
                "",
                "a value is far longer than an entity may be",
            )
            .with("longer than", self.buffer.len())
            .with("limit", self.longest)
            .hint(
                "correct the file at that place; limits.max_entity_bytes raises the limit, which \
                 is 16 times that and 1 MiB",
            ));
        }
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[old..]) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(errors::io("read a data file", self.path, e)),
                Ok(read) => break read,
            }
        };
        self.buffer.truncate(old + read);
        self.digest.update(&self.buffer[old..]);
        Ok(read > 0)
    }

    /// Goes over white space.
    pub fn skip_space(&mut self) -> Result<()> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek()? {
            self.at += 1;
        }
        Ok(())
    }

    /// Takes one byte that has to stand here, after white space.
    pub fn expect(&mut self, byte: u8) -> Result<()> {
        self.skip_space()?;
        match self.peek()? {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            found => Err(self.unexpected(found)),
        }
    }

    /// After a member of an object: `true` when another one follows, `false`
    /// after the closing bracket.
    pub fn next_member(&mut self) -> Result<bool> {
        self.skip_space()?;
        match self.peek()? {
            Some(b',') => {
                self.at += 1;
                self.skip_space()?;
                match self.peek()? {
                    Some(b'"') => Ok(true),
                    found => Err(self.unexpected(found)),
                }
            }
            Some(b'}') => {
                self.at += 1;
                Ok(false)
            }
            found => Err(self.unexpected(found)),
        }
    }

    /// Takes `{`; `true` when a member follows, `false` after an empty object.
    pub fn enter_object(&mut self) -> Result<bool> {
        self.expect(b'{')?;
        self.skip_space()?;
        match self.peek()? {
            Some(b'"') => Ok(true),
            Some(b'}') => {
                self.at += 1;
                Ok(false)
            }
            found => Err(self.unexpected(found)),
        }
    }

    /// Takes `[`; `true` when an element follows, `false` after an empty list.
    pub fn enter_array(&mut self) -> Result<bool> {
        self.expect(b'[')?;
        self.skip_space()?;
        if self.peek()? == Some(b']') {
            self.at += 1;
            return Ok(false);
        }
        self.element()
    }

    /// After an element of a list: `true` when another one follows, `false` after the
    /// closing bracket.
    pub fn next_element(&mut self) -> Result<bool> {
        self.skip_space()?;
        match self.peek()? {
            Some(b',') => {
                self.at += 1;
                self.skip_space()?;
                self.element()
            }
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            found => Err(self.unexpected(found)),
        }
    }

    fn element(&mut self) -> Result<bool> {
        match self.peek()? {
            found @ (None | Some(b',' | b':' | b']' | b'}')) => Err(self.unexpected(found)),
            Some(_) => Ok(true),
        }
    }

    /// Takes a key and the colon after it; gives the key and its offset.
    pub fn key(&mut self) -> Result<(String, u64)> {
        self.skip_space()?;
        let start = self.offset();
        if self.peek()? != Some(b'"') {
            let found = self.peek()?;
            return Err(self.unexpected(found));
        }
        let raw = self.keep(Self::skip_value)?;
        let key = unescape(raw).map_err(|error| match error {
            Some(error) => (start + error.offset as u64, error.rule.to_string()),
            None => (start, "a key is not UTF-8".to_owned()),
        });
        let key = key.map_err(|(byte, what)| errors::damaged_data(self.path, byte, &what))?;
        self.expect(b':')?;
        self.skip_space()?;
        Ok((key, start))
    }

    /// Runs `skip` and gives the bytes that it went over.
    pub fn keep(&mut self, skip: impl FnOnce(&mut Self) -> Result<()>) -> Result<&[u8]> {
        self.kept = Some(self.at);
        let skipped = skip(self);
        let start = self.kept.take().unwrap_or(self.at);
        skipped?;
        Ok(&self.buffer[start..self.at])
    }

    /// Skips one value. At the end of the file it stops; the check of the value
    /// finds it truncated.
    pub fn skip_value(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            let Some(byte) = self.peek()? else { return Ok(()) };
            match byte {
                b'"' => {
                    self.at += 1;
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    self.skip_plain(depth)?;
                    continue;
                }
                b'}' | b']' if depth == 0 => return Ok(()),
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth == 0 => return Ok(()),
                b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return Ok(()),
                _ => {
                    self.at += 1;
                    self.skip_plain(depth)?;
                    continue;
                }
            }
            if depth == 0 {
                return Ok(());
            }
            self.skip_plain(depth)?;
        }
    }

    /// Inside brackets: goes over everything that is neither bracket nor quote.
    fn skip_plain(&mut self, depth: usize) -> Result<()> {
        if depth == 0 {
            return Ok(());
        }
        loop {
            let rest = &self.buffer[self.at..];
            let stop = rest.iter().position(|b| matches!(b, b'"' | b'{' | b'}' | b'[' | b']'));
            if let Some(stop) = stop {
                self.at += stop;
                return Ok(());
            }
            self.at = self.buffer.len();
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Goes over the rest of a string, its closing quote included.
    fn skip_string(&mut self) -> Result<()> {
        loop {
            let rest = &self.buffer[self.at..];
            match rest.iter().position(|b| matches!(b, b'"' | b'\\')) {
                Some(stop) if rest[stop] == b'"' => {
                    self.at += stop + 1;
                    return Ok(());
                }
                Some(stop) => {
                    self.at += stop + 1;
                    if self.peek()?.is_some() {
                        self.at += 1;
                    }
                }
                None => self.at = self.buffer.len(),
            }
            if self.at == self.buffer.len() && !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Takes the end of the file and gives the digest of all of it.
    pub fn finish(mut self) -> Result<FileDigest> {
        self.skip_space()?;
        if self.peek()?.is_some() {
            let what = "text after the end of the JSON value";
            return Err(errors::damaged_data(self.path, self.offset(), what));
        }
        Ok(*self.digest.finalize().as_bytes())
    }

    /// The error for a byte that stands here and should not.
    pub fn unexpected(&self, found: Option<u8>) -> Error {
        let what = match found {
            None => "the JSON text ends too early",
            Some(_) => "not well-formed JSON",
        };
        errors::damaged_data(self.path, self.offset(), what)
    }
}

/// The text of a JSON string with its quotes.
fn unescape(raw: &[u8]) -> Result<String, Option<repo_core::SyntaxError>> {
    let text = std::str::from_utf8(raw).map_err(|_| None)?;
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    if let Some(inner) = inner.filter(|_| raw.len() > 1)
        && !inner.bytes().any(|b| b == b'\\' || b < 0x20)
    {
        return Ok(inner.to_owned());
    }
    match Value::parse(text).map_err(Some)? {
        Value::String(key) => Ok(key),
        _ => Err(None),
    }
}
