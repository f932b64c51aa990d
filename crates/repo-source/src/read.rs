//! Reading entities back by their places.

use plain_json::errors;
use repo_core::strategy::Record;
use repo_core::{CollectionName, Document, Entity, EntityId, Result, Value, Version};

use crate::entry::take_apart;
use crate::index::{Index, Place};
use crate::loaded::Loaded;
use crate::open_file::{OpenFile, Window};

/// Reads entities, quickest in the order in which they stand.
pub(crate) struct Reading<'l> {
    loaded: &'l Loaded,
    /// The file that the window is of.
    file: Option<u16>,
    window: Window,
    /// The parts of the entry that was read last.
    last: Option<(EntryId, Vec<Option<Made>>)>,
}

/// What one entry is known by: file, route and byte.
type EntryId = (u16, u16, u64);
type Made = (EntityId, Document);

impl<'l> Reading<'l> {
    pub(crate) fn new(loaded: &'l Loaded) -> Self {
        Self { loaded, file: None, window: Window::default(), last: None }
    }

    /// The record of an entity of `index`, which is that of the collection.
    ///
    /// # Errors
    /// `Unavailable` when something else stands in its place: the file was rewritten.
    pub(crate) fn record(
        &mut self,
        collection: &CollectionName,
        index: &Index,
        number: u32,
    ) -> Result<Option<Record>> {
        let Some(place) = index.place(number) else { return Ok(None) };
        let Some(file) = self.loaded.file(place) else { return Ok(None) };
        let found = self.part(file, place)?.filter(|(id, _)| id.as_str() == index.id(number));
        let (id, document) = found.ok_or_else(|| errors::busy(&file.path))?;
        Ok(Some(Record::Live(Entity {
            collection: collection.clone(),
            id,
            version: Version::FIRST,
            created_at: file.time,
            updated_at: file.time,
            document,
        })))
    }

    fn part(&mut self, file: &OpenFile, place: Place) -> Result<Option<Made>> {
        let entry = (place.file, place.route, place.offset);
        let at = place.part as usize;
        if let Some((last, parts)) = &self.last
            && *last == entry
        {
            return Ok(parts.get(at).cloned().flatten());
        }
        let parts = self.parts(file, place)?;
        let found = parts.get(at).cloned().flatten();
        self.last = Some((entry, parts));
        Ok(found)
    }

    fn parts(&mut self, file: &OpenFile, place: Place) -> Result<Vec<Option<Made>>> {
        let Some(route) = self.loaded.file_route(place) else { return Ok(Vec::new()) };
        if self.file != Some(place.file) {
            (self.file, self.window) = (Some(place.file), Window::default());
        }
        let bytes = self.window.bytes(file, place.offset, place.len as usize)?;
        let (key, raw) = match place.keyed {
            true => split_key(bytes).ok_or_else(|| errors::busy(&file.path))?,
            false => (None, bytes),
        };
        let parts = take_apart(&route.root, key.as_deref(), raw, self.loaded.max_entity_bytes);
        let made = parts.into_iter().map(|part| part.made.ok());
        Ok(made.map(|made| made.map(|made| (made.id, made.document))).collect())
    }
}

/// The key of a member of an object, and the text of its value.
fn split_key(member: &[u8]) -> Option<(Option<String>, &[u8])> {
    let end = end_of_string(member)?;
    let quoted = std::str::from_utf8(member.get(..end)?).ok()?;
    let Ok(Value::String(key)) = Value::parse(quoted) else { return None };
    let rest = member.get(end..)?.trim_ascii_start().strip_prefix(b":")?;
    Some((Some(key), rest.trim_ascii_start()))
}

/// Where the string ends that the bytes begin with, its closing quote included.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_its_key_and_its_value() {
        for (member, key, value) in [
            (r#""a":{"b":1}"#, "a", r#"{"b":1}"#),
            ("\"a\" \n : 1", "a", "1"),
            (r#""a\"\\":"x""#, "a\"\\", r#""x""#),
            (r#""\u00e9":[]"#, "é", "[]"),
        ] {
            let (found, rest) = split_key(member.as_bytes()).unwrap();
            assert_eq!(found.as_deref(), Some(key), "{member}");
            assert_eq!(rest, value.as_bytes(), "{member}");
        }
        for broken in ["", "\"", "\"a\"", "\"a\" 1", "\"a\\"] {
            assert!(split_key(broken.as_bytes()).is_none(), "{broken}");
        }
    }
}
