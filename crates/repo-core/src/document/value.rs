//! Parsed JSON with exact numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::decimal::Decimal;
use super::plain::plain_len;
use super::reader::{self, Sink, SyntaxError};

/// A JSON value. Two values are equal when they are equal as JSON, numbers by
/// exact decimal value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, exact.
    Number(Decimal),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, keys in the order of their UTF-8 bytes.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Parses JSON text under the rules for documents (exact numbers, no
    /// duplicate keys, at most 31 levels), except that any value is accepted
    /// at the top.
    ///
    /// # Errors
    /// The rule, its place as JSON Pointer, and the byte offset.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut builder = Builder::default();
        reader::read(text, &mut builder)?;
        Ok(builder.root.unwrap_or(Self::Null))
    }

    /// The name of its JSON type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Canonical JSON: keys sorted by UTF-8 bytes, no white space, numbers as
/// [`Decimal`] writes them. Equal values give equal text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_canonical(&mut text);
        f.write_str(&text)
    }
}

impl Value {
    /// Appends the canonical form.
    pub(super) fn push_canonical(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => number.push_text(out),
            Self::String(text) => push_json_string(out, text),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.push_canonical(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_json_string(out, key);
                    out.push(':');
                    value.push_canonical(out);
                }
                out.push('}');
            }
        }
    }
}

/// Appends a JSON string: escapes only what JSON demands.
/// Appends `text` as a JSON string, with its quotes.
///
/// ```
/// let mut json = String::from("[");
/// repo_core::strategy::push_json_string(&mut json, "a \"quote\"");
/// assert_eq!(json, r#"["a \"quote\"""#);
/// ```
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_len(rest.as_bytes()));
        out.push_str(plain);
        let Some(&byte) = special.as_bytes().first() else { break };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Infallible: a String takes everything.
            _ => drop(write!(out, "\\u{byte:04x}")),
        }
        rest = &special[1..];
    }
    out.push('"');
}

/// Builds the tree from the reader's events.
#[derive(Default)]
struct Builder {
    root: Option<Value>,
    open: Vec<(Value, Option<String>)>,
}

impl Builder {
    fn place(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Value::Array(items), _)) => items.push(value),
            Some((Value::Object(fields), key)) => {
                fields.insert(key.take().unwrap_or_default(), value);
            }
            Some(_) => {}
        }
    }

    fn close(&mut self) {
        if let Some((value, _)) = self.open.pop() {
            self.place(value);
        }
    }
}

impl Sink for Builder {
    fn null(&mut self) {
        self.place(Value::Null);
    }
    fn bool(&mut self, value: bool) {
        self.place(Value::Bool(value));
    }
    fn number(&mut self, number: Decimal) {
        self.place(Value::Number(number));
    }
    fn string(&mut self, text: Cow<'_, str>) {
        self.place(Value::String(text.into_owned()));
    }
    fn begin_array(&mut self) {
        self.open.push((Value::Array(Vec::new()), None));
    }
    fn end_array(&mut self) {
        self.close();
    }
    fn begin_object(&mut self) {
        self.open.push((Value::Object(BTreeMap::new()), None));
    }
    fn key(&mut self, key: &str) {
        if let Some((_, pending)) = self.open.last_mut() {
            *pending = Some(key.to_owned());
        }
    }
    fn end_object(&mut self) {
        self.close();
    }
}
