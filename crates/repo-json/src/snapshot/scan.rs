//! Reading a whole data file whose content is not known yet: every entity is
//! checked against the rules of the contract, and its place is noted.
//!
//! Malformed text is `Corrupt`, a broken rule is `Invalid`. With several errors
//! the first one in the file is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use plain_json::{JsonReader, Signature, escape};
use repo_core::{CollectionName, CollectionSchema, Document, Error, FieldPath, Result, Value};

use super::check::{Checker, Pool};
use super::{FileDigest, Form};
use crate::errors;
use crate::packed::{FromStart, Packing, Tee, Text, spill_file, text_reader};
use crate::table::Table;

/// What to do about a key at the top that is no collection of ours.
const NO_COLLECTION: &str = "the file was left as it is: correct it at that place, or select the \
     collections that are to be read, which skips everything else in it";

/// What entities are checked against.
pub(crate) struct ScanRules<'a> {
    /// The schema of a collection.
    pub(crate) schema: &'a dyn Fn(&CollectionName) -> Arc<CollectionSchema>,
    /// Whether what stands under a key at the top is read; it is skipped
    /// otherwise, whatever it is.
    pub(crate) selects: &'a dyn Fn(&str) -> bool,
    /// Most bytes of a document by `Document::size`.
    pub(crate) max_entity_bytes: usize,
    /// Whether the digest of every document is computed.
    pub(crate) digests: bool,
    /// Whether an entity that breaks a rule is set aside.
    pub(crate) set_aside: bool,
    /// Whether a key at the top may be a section in which another program keeps entities
    /// of several collections.
    pub(crate) may_be_shared: &'a dyn Fn(&str) -> bool,
}

impl ScanRules<'_> {
    /// Longest text of an entity that is read: white space and escapes make
    /// it longer than its size.
    fn longest(&self) -> usize {
        self.max_entity_bytes.saturating_mul(16).saturating_add(1 << 20)
    }
}

/// What a data file holds. Every entity has version 1 and the file's
/// modification time.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) collections: BTreeMap<CollectionName, Table>,
    /// What was skipped and has the shape of a collection.
    pub(crate) left_out: BTreeSet<CollectionName>,
    pub(crate) form: Form,
    pub(crate) signature: Signature,
    /// Of the file.
    pub(crate) digest: FileDigest,
    /// What stands in it.
    pub(crate) text: Text,
}

/// Reads a data file. `of` is the collection of a split file, `None` for a
/// file of all collections.
pub(crate) fn scan_file(
    file: &Arc<File>,
    path: &Path,
    packing: Packing,
    of: Option<&CollectionName>,
    rules: &ScanRules<'_>,
) -> Result<Scanned> {
    let signature = Signature::of_file(file, path)?;
    let what = What { path, of, rules, signature };
    match packing {
        Packing::Plain => {
            let found = what.scan(what.form(FromStart::new(file))?, FromStart::new(file))?;
            let digest = found.digest;
            Ok(what.scanned(found, digest, Text::of_file(file)))
        }
        Packing::Zstd => what.scan_packed(file).map_err(|error| damage(path, error)),
    }
}

/// An error of the decoder, which is one of input and output by its type.
fn damage(path: &Path, error: Error) -> Error {
    let source = std::error::Error::source(&error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(io) if io.kind() == io::ErrorKind::InvalidData => {
            errors::not_compressed(path, io::Error::new(io.kind(), io.to_string()))
        }
        _ => error,
    }
}

/// What is read, and how.
struct What<'a> {
    path: &'a Path,
    of: Option<&'a CollectionName>,
    rules: &'a ScanRules<'a>,
    signature: Signature,
}

/// What was found in a text.
struct Found {
    form: Form,
    collections: BTreeMap<CollectionName, Table>,
    left_out: BTreeSet<CollectionName>,
    /// Of the text.
    digest: FileDigest,
}

impl What<'_> {
    fn form(&self, text: impl Read) -> Result<Form> {
        match self.of {
            None => Ok(Form::Single),
            Some(name) => {
                Form::detect(text, self.path, &(self.rules.schema)(name), self.rules.longest())
            }
        }
    }

    fn scan(&self, form: Form, text: impl Read) -> Result<Found> {
        let source = JsonReader::new(text, self.path, self.rules.longest());
        let time = self.signature.mtime_micros();
        let (collections, left_out) = (BTreeMap::new(), BTreeSet::new());
        let (path, rules) = (self.path, self.rules);
        let mut scan = Scan { source, path, rules, time, collections, left_out };
        scan.check_top()?;
        match (form, self.of) {
            (Form::Plain, Some(name)) => scan.collection(name, "")?,
            (Form::Wrapped, Some(name)) => scan.wrapped(name)?,
            _ => scan.all_collections()?,
        }
        let digest = scan.source.finish()?;
        let Scan { collections, left_out, .. } = scan;
        Ok(Found { form, collections, left_out, digest })
    }

    /// The same of a compressed file. One that is not in blocks is unpacked meanwhile.
    fn scan_packed(&self, file: &Arc<File>) -> Result<Scanned> {
        let failed = |error| errors::unpacking(self.path, error);
        let form = self.form(text_reader(FromStart::new(file)).map_err(failed)?)?;
        let blocks = Text::of_blocks(file, self.signature.len).map_err(failed)?;
        let spilled = match &blocks {
            Some(_) => None,
            None => Some(spill_file().map_err(failed)?),
        };
        let mut raw = Digesting { from: FromStart::new(file), digest: blake3::Hasher::new() };
        let mut bytes = 0;
        let unpacked = text_reader(&mut raw).map_err(failed)?;
        let found = self.scan(form, Tee::new(unpacked, spilled.as_ref(), &mut bytes))?;
        // What the decoder left unread does not count, but it is part of the file.
        io::copy(&mut raw, &mut io::sink()).map_err(failed)?;
        let digest = *raw.digest.finalize().as_bytes();
        let text = match (blocks, spilled) {
            (_, Some(spilled)) => Text::unpacked(spilled).map_err(failed)?,
            (Some(blocks), None) if blocks.len() == Some(bytes) => blocks,
            _ => {
                let what = "the table of its blocks does not fit the file";
                return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
        };
        Ok(self.scanned(found, digest, text))
    }

    fn scanned(&self, found: Found, digest: FileDigest, text: Text) -> Scanned {
        let Found { form, collections, left_out, .. } = found;
        Scanned { collections, left_out, form, signature: self.signature, digest, text }
    }
}

/// Digests what is read from it.
struct Digesting<R> {
    from: R,
    digest: blake3::Hasher,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.from.read(buffer)?;
        self.digest.update(&buffer[..len]);
        Ok(len)
    }
}

struct Scan<'a, R> {
    source: JsonReader<'a, R>,
    path: &'a Path,
    rules: &'a ScanRules<'a>,
    time: i64,
    collections: BTreeMap<CollectionName, Table>,
    left_out: BTreeSet<CollectionName>,
}

impl<R: Read> Scan<'_, R> {
    fn check_top(&mut self) -> Result<()> {
        self.source.skip_space()?;
        match self.source.peek()? {
            Some(b'{') => Ok(()),
            Some(b'[') => Err(self.refuse("", "the file holds a list where an object belongs")),
            Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                Err(self.refuse("", "the file holds a single value where an object belongs"))
            }
            found => Err(self.source.unexpected(found)),
        }
    }

    fn refuse(&self, pointer: &str, what: &str) -> repo_core::Error {
        errors::refused(self.path, self.source.offset(), pointer, what)
    }

    fn all_collections(&mut self) -> Result<()> {
        let mut more = self.source.enter_object()?;
        while more {
            let (key, offset) = self.source.key()?;
            if !(self.rules.selects)(&key) {
                self.skip(&key)?;
                more = self.source.next_member()?;
                continue;
            }
            let pointer = format!("/{}", escape(&key));
            let name = CollectionName::new(&key).map_err(|error| {
                errors::refused(self.path, offset, &pointer, error.message())
                    .with("key", &key)
                    .hint(NO_COLLECTION)
            })?;
            if self.collections.contains_key(&name) {
                let what = "a collection stands twice in the file";
                return Err(errors::refused(self.path, offset, &pointer, what).with("key", key));
            }
            self.collection(&name, &pointer)?;
            more = self.source.next_member()?;
        }
        Ok(())
    }

    /// Goes over what is not selected, whatever it is; not over entities of others in a
    /// section that they share.
    fn skip(&mut self, key: &str) -> Result<()> {
        let is_object = self.source.peek()? == Some(b'{');
        let name = CollectionName::new(key).ok().filter(|_| is_object);
        let Some(name) = name else { return self.source.skip_value() };
        if !(self.rules.may_be_shared)(key) {
            self.left_out.insert(name);
            return self.source.skip_value();
        }
        let mut guard = SharedGuard::new(self.rules, &name);
        let mut more = self.source.enter_object()?;
        while more {
            let (key, offset) = self.source.key()?;
            let raw = self.source.keep(JsonReader::skip_value)?;
            guard.check(self.path, offset, &key, raw)?;
            more = self.source.next_member()?;
        }
        self.left_out.insert(name);
        Ok(())
    }

    fn wrapped(&mut self, name: &CollectionName) -> Result<()> {
        self.source.enter_object()?;
        self.source.key()?;
        self.collection(name, &format!("/{name}"))?;
        if self.source.next_member()? {
            return Err(self.refuse(
                "",
                "the collection's name stands beside other keys: a file holds either the \
                 collection's name alone, or its entities",
            ));
        }
        Ok(())
    }

    fn collection(&mut self, name: &CollectionName, pointer: &str) -> Result<()> {
        match self.source.peek()? {
            Some(b'{') => {}
            None => return Err(self.source.unexpected(None)),
            Some(_) => {
                let what = "a collection is an object of entities by id";
                let refused = self.refuse(pointer, what).with("collection", name);
                return Err(refused.hint(NO_COLLECTION));
            }
        }
        let checker = Checker {
            path: self.path,
            schema: (self.rules.schema)(name),
            pointer,
            max_entity_bytes: self.rules.max_entity_bytes,
            digests: self.rules.digests,
            set_aside: self.rules.set_aside,
            time: self.time,
        };
        let (table, in_order) = std::thread::scope(|scope| {
            let mut pool = Pool::new(scope, &checker);
            let read = self.entities(name, &mut pool);
            // What is wrong with an entity stands before what ended the reading.
            pool.finish().and_then(|checked| read.map(|()| checked))
        })?;
        let table = if in_order { table } else { self.sort(table, name, pointer)? };
        self.collections.insert(name.clone(), table);
        Ok(())
    }

    fn entities(&mut self, name: &CollectionName, pool: &mut Pool<'_, '_>) -> Result<()> {
        let mut guard = SharedGuard::new(self.rules, name);
        let mut more = self.source.enter_object()?;
        while more {
            let (key, key_offset) = self.source.key()?;
            let offset = self.source.offset();
            let raw = self.source.keep(JsonReader::skip_value)?;
            guard.check(self.path, key_offset, &key, raw)?;
            if !pool.push(key, key_offset, offset, raw) {
                return Ok(());
            }
            more = self.source.next_member()?;
        }
        Ok(())
    }

    fn sort(&self, table: Table, name: &CollectionName, pointer: &str) -> Result<Table> {
        table.sorted().map_err(|(id, offset)| {
            let pointer = format!("{pointer}/{}", escape(&id));
            errors::refused(self.path, offset, &pointer, "two entities have the same id")
                .with("collection", name)
                .with("key", id)
        })
    }
}

/// Looks whether a section is one that collections share: its first entity tells.
struct SharedGuard {
    section: CollectionName,
    /// The id field of the collection that it would be; `None` once that is known.
    id_field: Option<FieldPath>,
}

impl SharedGuard {
    fn new(rules: &ScanRules<'_>, section: &CollectionName) -> Self {
        let id_field = (rules.may_be_shared)(section.as_str())
            .then(|| (rules.schema)(section).id_field.clone());
        Self { section: section.clone(), id_field }
    }

    /// # Errors
    /// `Foreign` for an entity that is none of a collection of this name.
    fn check(&mut self, path: &Path, byte: u64, key: &str, raw: &[u8]) -> Result<()> {
        let Some(id_field) = self.id_field.take() else { return Ok(()) };
        // What is malformed is named by who reads it.
        let document = plain_json::utf8(raw).ok().and_then(|text| Document::read(text).ok());
        let Some(document) = document else { return Ok(()) };
        match document.get(&id_field) {
            Some(Value::String(id)) if id == key => Ok(()),
            _ => Err(errors::shared_section(path, byte, self.section.as_str())),
        }
    }
}
