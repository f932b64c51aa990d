//! Finding one value in checked JSON text without parsing the rest.

use std::fmt;

use super::plain::plain_len;
use super::reserved::RESERVED_KEYS;
use super::unescape::unescape;
use crate::{Error, ErrorKind, Result};

/// A dotted path to a field: `status`, `metadata.spot_price`. It goes through
/// objects only; a key that itself holds a dot cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Reads a dotted path.
    ///
    /// # Errors
    /// `Invalid` for an empty step, or for one of the metadata names such as
    /// `_version`, which no document holds.
    pub fn parse(path: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::new(ErrorKind::Invalid, "read a field path", why)
                .with("path", format!("{path:?}")))
        };
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        if steps.iter().any(String::is_empty) {
            return refuse("a path is one or more names joined by dots");
        }
        if path.contains('\0') {
            return refuse("the character U+0000 is not allowed");
        }
        if RESERVED_KEYS.contains(&steps[0].as_str()) {
            return refuse("metadata is not part of the document and cannot be asked for here");
        }
        Ok(Self(steps))
    }

    /// The path of a field that the engine itself names.
    pub(crate) fn top(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The names on the way, one or more.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// The path as JSON Pointer.
    #[must_use]
    pub fn to_pointer(&self) -> String {
        self.0
            .iter()
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
            .collect()
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl serde::Serialize for FieldPath {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for FieldPath {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The text of the value at `path` in a compact, checked document.
pub(super) fn find<'a>(document: &'a str, path: &FieldPath) -> Option<&'a str> {
    path.steps().iter().try_fold(document, |text, step| member(text, step))
}

/// The text of the value under `name` in a compact object.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let bytes = object.as_bytes();
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let mut at = 1;
    while bytes.get(at) == Some(&b'"') {
        let key_start = at + 1;
        let key_end = key_start + string_end(&bytes[key_start..]) - 1;
        let value_start = key_end + 2;
        let value_end = value_start + value_end(&bytes[value_start..]);
        if unescape(&object[key_start..key_end]) == name {
            return Some(&object[value_start..value_end]);
        }
        at = value_end + 1;
    }
    None
}

/// Length of the rest of a string, its closing quote included.
pub(super) fn string_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += plain_len(rest);
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(_) => at += 2,
            None => {}
        }
    }
    bytes.len()
}

/// Length of the value that starts here.
fn value_end(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at += string_end(&bytes[at + 1..]),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}
