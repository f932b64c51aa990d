//! Going through a file along a pointer, from front to back.

use std::io::Read;
use std::path::Path;

use plain_json::{JsonReader, errors, escape};
use repo_core::{EntryStep, Error, Result};

/// An entry as it stands in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The key of the object that it is in; `None` in a list.
    pub(crate) key: Option<&'a str>,
    /// Where it begins, its key included.
    pub(crate) start: u64,
    /// Where its value begins.
    pub(crate) offset: u64,
    pub(crate) pointer: &'a str,
    pub(crate) raw: &'a [u8],
}

/// Goes through a whole file, and hands over what stands at the end of `steps`.
pub(crate) struct Walk<'w, 'p, R> {
    pub(crate) reader: JsonReader<'p, R>,
    pub(crate) path: &'p Path,
    /// Whether the place may be missing.
    pub(crate) optional: bool,
    pub(crate) each: &'w mut dyn FnMut(Found<'_>) -> Result<()>,
}

/// Where a value stands.
struct At {
    key: Option<String>,
    start: u64,
    pointer: String,
}

impl<R: Read> Walk<'_, '_, R> {
    /// # Errors
    /// `Corrupt` for malformed text, `Invalid` for a place that is not there or is
    /// something else, and what `each` says.
    pub(crate) fn run(mut self, steps: &[EntryStep]) -> Result<()> {
        self.reader.skip_space()?;
        let top = At { key: None, start: self.reader.offset(), pointer: String::new() };
        self.value(steps, top)?;
        self.reader.finish().map(drop)
    }

    fn value(&mut self, steps: &[EntryStep], at: At) -> Result<()> {
        let Some((step, rest)) = steps.split_first() else { return self.entry(&at) };
        match (step, self.reader.peek()?) {
            (_, Some(b'{')) => self.object(step, rest, &at),
            (EntryStep::Each, Some(b'[')) => self.list(rest, &at),
            (_, None) => Err(self.reader.unexpected(None)),
            (_, Some(b'n')) => self.null(&at.pointer),
            (EntryStep::Each, _) => {
                Err(self.refuse(&at.pointer, "an object or a list of entries belongs here"))
            }
            (EntryStep::Key(_), _) => Err(self.refuse(&at.pointer, "an object belongs here")),
        }
    }

    /// A null in a place where entries should be is as if the place were missing.
    fn null(&mut self, pointer: &str) -> Result<()> {
        let offset = self.reader.offset();
        if self.reader.keep(JsonReader::skip_value)? != b"null" {
            return Err(errors::damaged_data(self.path, offset, "not well-formed JSON"));
        }
        self.missing(pointer)
    }

    fn entry(&mut self, at: &At) -> Result<()> {
        let offset = self.reader.offset();
        let raw = self.reader.keep(JsonReader::skip_value)?;
        let key = at.key.as_deref();
        (self.each)(Found { key, start: at.start, offset, pointer: &at.pointer, raw })
    }

    fn object(&mut self, step: &EntryStep, rest: &[EntryStep], at: &At) -> Result<()> {
        let mut met = matches!(step, EntryStep::Each);
        let mut more = self.reader.enter_object()?;
        while more {
            let (key, start) = self.reader.key()?;
            let pointer = format!("{}/{}", at.pointer, escape(&key));
            match step {
                EntryStep::Key(wanted) if *wanted != key => self.reader.skip_value()?,
                EntryStep::Key(_) if met => {
                    let what = "a key stands twice in one object";
                    return Err(errors::refused(self.path, start, &pointer, what));
                }
                _ => {
                    met = true;
                    self.value(rest, At { key: Some(key), start, pointer })?;
                }
            }
            more = self.reader.next_member()?;
        }
        match step {
            EntryStep::Key(wanted) if !met => {
                self.missing(&format!("{}/{}", at.pointer, escape(wanted)))
            }
            _ => Ok(()),
        }
    }

    fn list(&mut self, rest: &[EntryStep], at: &At) -> Result<()> {
        let mut more = self.reader.enter_array()?;
        let mut index = 0_u64;
        while more {
            let start = self.reader.offset();
            let pointer = format!("{}/{index}", at.pointer);
            self.value(rest, At { key: None, start, pointer })?;
            index += 1;
            more = self.reader.next_element()?;
        }
        Ok(())
    }

    /// The place that entries are in is not there.
    fn missing(&self, pointer: &str) -> Result<()> {
        if self.optional {
            return Ok(());
        }
        let what = "the file has no such place, where entities should be";
        Err(self.refuse(pointer, what).hint(
            "this may be another file than the schemas mean; `optional` in the source says that \
             the place may be missing",
        ))
    }

    fn refuse(&self, pointer: &str, what: &str) -> Error {
        errors::refused(self.path, self.reader.offset(), pointer, what)
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{EntryPointer, ErrorKind};

    use super::*;

    fn walk(text: &str, pointer: &str, optional: bool) -> Result<Vec<String>> {
        let pointer = EntryPointer::parse(pointer)?;
        let mut found = Vec::new();
        let mut each = |entry: Found<'_>| {
            let raw = String::from_utf8_lossy(entry.raw).into_owned();
            let start = usize::try_from(entry.start).unwrap();
            assert_eq!(text[start..].starts_with('"'), entry.key.is_some() || raw.starts_with('"'));
            found.push(format!("{} {raw}", entry.pointer));
            Ok(())
        };
        let path = Path::new("test.json");
        let reader = JsonReader::new(text.as_bytes(), path, 1_000);
        Walk { reader, path, optional, each: &mut each }.run(pointer.steps())?;
        Ok(found)
    }

    #[test]
    fn entries_of_objects_and_lists_are_found_in_their_order() {
        let text = r#" {"x": [1, {"y": "}"}], "a/b": [ {"id": 1.50} , 7], "z": null} "#;
        assert_eq!(walk(text, "/a~1b/*", false).unwrap(), [r#"/a~1b/0 {"id": 1.50}"#, "/a~1b/1 7"]);
        let nested = r#"{"m": {"a": {"k": [1, 2]}, "b": {"k": []}, "c": {"k": {"l": 3}}}}"#;
        assert_eq!(
            walk(nested, "/m/*/k/*", false).unwrap(),
            ["/m/a/k/0 1", "/m/a/k/1 2", "/m/c/k/l 3"]
        );
        assert_eq!(walk("[[], [8]]", "/*/*", false).unwrap(), ["/1/0 8"]);
        assert!(walk("{}", "/*", false).unwrap().is_empty());
    }

    #[test]
    fn a_missing_place_is_refused_unless_it_may_be_missing() {
        for (text, at) in
            [("{}", "/a"), (r#"{"b": 1}"#, "/a"), (r#"{"a": null}"#, "/a"), ("null", "")]
        {
            let error = walk(text, "/a/*", false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert_eq!(error.context_value("pointer"), Some(at), "{text}: {error}");
            assert!(walk(text, "/a/*", true).unwrap().is_empty(), "{text}");
        }
        for (text, at) in [("[]", ""), ("7", ""), (r#"{"a": 7}"#, "/a")] {
            let error = walk(text, "/a/*", true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert_eq!(error.context_value("pointer"), Some(at), "{text}: {error}");
        }
        let error = walk(r#"{"a": {}, "a": {}}"#, "/a/*", true).unwrap_err();
        assert_eq!(error.context_value("byte"), Some("10"), "{error}");
    }

    #[test]
    fn malformed_text_is_named_by_its_byte() {
        for (text, byte) in [
            ("", "0"),
            (r#"{"a": [1, "#, "10"),
            (r#"{"a": [1,]}"#, "9"),
            (r#"{"a": [1 2]}"#, "9"),
            (r#"{"a": [1]} x"#, "11"),
            (r#"{"a": {"k" 1}}"#, "11"),
        ] {
            let error = walk(text, "/a/*", false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}: {error}");
            assert_eq!(error.context_value("byte"), Some(byte), "{text}: {error}");
        }
    }
}
