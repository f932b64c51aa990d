//! Reading a whole data file whose content is not known yet: every entity is
//! checked against the rules of the contract, and its place is noted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Result, SyntaxError};

use super::source::Source;
use super::{FileDigest, Form};
use crate::errors;
use crate::folder::Signature;
use crate::table::{NO_DIGEST, Place, ShortDigest, Slot, Table};

/// What entities are checked against.
pub(crate) struct ScanRules<'a> {
    /// The schema of a collection.
    pub(crate) schema: &'a dyn Fn(&CollectionName) -> Arc<CollectionSchema>,
    /// Most bytes of a document by `Document::size`.
    pub(crate) max_entity_bytes: usize,
    /// Whether the digest of every document is computed.
    pub(crate) digests: bool,
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
    pub(crate) form: Form,
    pub(crate) signature: Signature,
    pub(crate) digest: FileDigest,
}

/// Reads a data file. `of` is the collection of a split file, `None` for a
/// file of all collections.
pub(crate) fn scan_file(
    mut file: &File,
    path: &Path,
    of: Option<&CollectionName>,
    rules: &ScanRules<'_>,
) -> Result<Scanned> {
    let signature = Signature::of_file(file, path)?;
    let rewind = |mut file: &File| {
        file.seek(SeekFrom::Start(0)).map_err(|e| errors::io("read a data file", path, e))
    };
    rewind(file)?;
    let form = match of {
        None => Form::Single,
        Some(name) => Form::detect(file, path, &(rules.schema)(name), rules.longest())?,
    };
    rewind(file)?;
    let source = Source::new(&mut file, path, rules.longest());
    let time = signature.mtime_micros();
    let mut scan = Scan { source, path, rules, time, collections: BTreeMap::new() };
    scan.check_top()?;
    match (form, of) {
        (Form::Plain, Some(name)) => scan.collection(name, "")?,
        (Form::Wrapped, Some(name)) => scan.wrapped(name)?,
        _ => scan.all_collections()?,
    }
    let digest = scan.source.finish()?;
    Ok(Scanned { collections: scan.collections, form, signature, digest })
}

struct Scan<'a, R> {
    source: Source<'a, R>,
    path: &'a Path,
    rules: &'a ScanRules<'a>,
    time: i64,
    collections: BTreeMap<CollectionName, Table>,
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
            let pointer = format!("/{}", escape(&key));
            let name = CollectionName::new(&key).map_err(|error| {
                errors::refused(self.path, offset, &pointer, error.message()).with("key", &key)
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
                return Err(self.refuse(pointer, what).with("collection", name));
            }
        }
        let schema = (self.rules.schema)(name);
        let mut table = Table::default();
        let mut in_order = true;
        let mut more = self.source.enter_object()?;
        while more {
            let (key, offset) = self.source.key()?;
            let entity_pointer = format!("{pointer}/{}", escape(&key));
            let (slot, digest) = self.entity(&schema, &key, offset, &entity_pointer)?;
            in_order &= table.is_behind_all(&key);
            table.push(&key, slot, digest);
            more = self.source.next_member()?;
        }
        let table = if in_order { table } else { self.sort(table, name, pointer)? };
        self.collections.insert(name.clone(), table);
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

    fn entity(
        &mut self,
        schema: &CollectionSchema,
        key: &str,
        key_offset: u64,
        pointer: &str,
    ) -> Result<(Slot, ShortDigest)> {
        let (path, rules, time) = (self.path, self.rules, self.time);
        let offset = self.source.offset();
        let raw = self.source.keep(Source::skip_value)?;
        let named =
            |error: repo_core::Error| error.with("collection", &schema.collection).with("key", key);
        let document = read_document(raw)
            .map_err(|error| named(errors::document(path, offset, pointer, &error)))?;
        let id = EntityId::new(key)
            .map_err(|e| named(errors::refused(path, key_offset, pointer, e.message())))?;
        schema.check_document(&id, &document, rules.max_entity_bytes).map_err(|error| {
            let within = error.context_value("pointer").unwrap_or_default();
            named(errors::refused(path, offset, &format!("{pointer}{within}"), error.message()))
        })?;
        let len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let slot = Slot {
            version: 1,
            created_at: time,
            updated_at: time,
            offset,
            len,
            place: Place::Data,
        };
        Ok((slot, if rules.digests { short_digest(&document) } else { NO_DIGEST }))
    }
}

fn read_document(raw: &[u8]) -> Result<Document, SyntaxError> {
    let text = std::str::from_utf8(raw).map_err(|error| SyntaxError {
        rule: repo_core::Rule::NotUtf8,
        pointer: String::new(),
        offset: error.valid_up_to(),
    })?;
    Document::read(text)
}

/// The first half of the digest of a document.
pub(crate) fn short_digest(document: &Document) -> ShortDigest {
    let digest = document.digest();
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_bytes()[..16]);
    short
}

/// A step of a JSON Pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
