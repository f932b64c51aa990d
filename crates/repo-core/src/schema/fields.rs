//! Reading a block of a schema file, with exact numbers, and with a place for each
//! error.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::strategy::did_you_mean;
use crate::{Error, Result, Value};

/// Makes the error of who reads the block.
pub(super) type Refuse = fn(&str) -> Error;

#[derive(Deserialize)]
struct File<'a> {
    #[serde(rename = "x-repository", borrow)]
    block: BTreeMap<String, &'a RawValue>,
}

/// What stands under a key of `x-repository`, read with the reader for documents, so
/// that numbers are exact and a key that stands twice is refused. `place` is that of
/// the key.
pub(super) fn exact(refuse: Refuse, text: &str, key: &str, place: &str) -> Result<Option<Value>> {
    let file: File<'_> = serde_json::from_str(text)
        .map_err(|source| refuse("not JSON").with("reason", &source).caused_by(source))?;
    let found = file.block.get(key).filter(|raw| raw.get() != "null");
    let Some(raw) = found else { return Ok(None) };
    let value = Value::parse(raw.get()).map_err(|error| {
        refuse("what stands there breaks a rule for documents")
            .with("rule", error.rule)
            .with("pointer", format!("{place}{}", error.pointer))
    })?;
    Ok(Some(value))
}

/// An object in the file, its fields taken out one by one.
pub(super) struct Fields {
    refuse: Refuse,
    place: String,
    fields: BTreeMap<String, Value>,
}

impl Fields {
    pub(super) fn of(refuse: Refuse, value: Value, place: &str, known: &[&str]) -> Result<Self> {
        let fields = object(refuse, value, place)?;
        if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let error =
                refuse("an unknown key").with("pointer", format!("{place}/{}", escaped(unknown)));
            return Err(suggest(error, unknown, known));
        }
        Ok(Self { refuse, place: place.to_owned(), fields })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// A field that has to be there, with its place.
    pub(super) fn take(&mut self, name: &str) -> Result<(Value, String)> {
        match self.take_if_there(name) {
            Some(found) => Ok(found),
            None => {
                let place = format!("{}/{name}", self.place);
                Err((self.refuse)("a key is missing").with("pointer", &place))
            }
        }
    }

    /// A field that may be left out, with its place.
    pub(super) fn take_if_there(&mut self, name: &str) -> Option<(Value, String)> {
        let value = self.fields.remove(name)?;
        Some((value, format!("{}/{name}", self.place)))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<(String, String)> {
        let (value, place) = self.take(name)?;
        Ok((text(self.refuse, value, &place)?, place))
    }

    /// A text that may be left out.
    pub(super) fn text_if_there(&mut self, name: &str) -> Result<Option<(String, String)>> {
        let Some((value, place)) = self.take_if_there(name) else { return Ok(None) };
        Ok(Some((text(self.refuse, value, &place)?, place)))
    }

    /// A truth value; `false` where it is left out.
    pub(super) fn truth(&mut self, name: &str) -> Result<bool> {
        match self.take_if_there(name) {
            None => Ok(false),
            Some((Value::Bool(truth), _)) => Ok(truth),
            Some((_, place)) => Err((self.refuse)("not true or false").with("pointer", &place)),
        }
    }

    /// An object whose keys are anything; empty where it is left out.
    pub(super) fn map(&mut self, name: &str) -> Result<Vec<(String, Value, String)>> {
        let Some((value, place)) = self.take_if_there(name) else { return Ok(Vec::new()) };
        let fields = object(self.refuse, value, &place)?;
        let placed = |(name, value): (String, Value)| {
            let place = format!("{place}/{}", escaped(&name));
            (name, value, place)
        };
        Ok(fields.into_iter().map(placed).collect())
    }

    pub(super) fn version(&mut self, name: &str) -> Result<u32> {
        let (value, place) = self.take(name)?;
        let number = match value {
            Value::Number(number) => number.to_i64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        number.filter(|version| *version > 0).ok_or_else(|| {
            (self.refuse)("a schema version is a whole number of 1 or more").with("pointer", &place)
        })
    }
}

fn object(refuse: Refuse, value: Value, place: &str) -> Result<BTreeMap<String, Value>> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(refuse("not an object").with("pointer", place)),
    }
}

/// A value that has to be a string.
pub(super) fn text(refuse: Refuse, value: Value, place: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(refuse("not a string").with("pointer", place)),
    }
}

/// The entries of a list with their places.
pub(super) fn list(refuse: Refuse, value: Value, place: &str) -> Result<Vec<(String, Value)>> {
    match value {
        Value::Array(items) => Ok(items
            .into_iter()
            .enumerate()
            .map(|(at, item)| (format!("{place}/{at}"), item))
            .collect()),
        _ => Err(refuse("not a list").with("pointer", place)),
    }
}

/// A step of a JSON Pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Adds the known name that is most like an unknown one.
pub(super) fn suggest(error: Error, unknown: &str, known: &[&str]) -> Error {
    match did_you_mean(unknown, known.iter().copied()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
