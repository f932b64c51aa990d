//! Documents: JSON objects that every store can hold, as checked text.

mod canonical;
mod decimal;
mod locate;
mod plain;
mod quick;
mod reader;
mod reserved;
mod size;
mod unescape;
mod value;

use std::fmt;
use std::sync::Arc;

pub use decimal::{Decimal, DecimalError, MAX_DIGITS, MAX_EXPONENT, MIN_EXPONENT};
pub use locate::FieldPath;
pub use reader::{MAX_DEPTH, MAX_KEY_BYTES, Rule, SyntaxError};
pub use reserved::RESERVED_KEYS;
pub use value::{Value, push_json_string};

use canonical::{canonical, with_canonical};

use crate::{Error, ErrorKind, Result};

/// A JSON object as text, checked once, cheap to clone.
///
/// The text holds no white space between its tokens, so it is one line. The
/// rules that do not depend on a collection are checked here; the id field,
/// indexed fields and the size are checked by
/// [`CollectionSchema::check_document`](crate::CollectionSchema::check_document).
///
/// ```
/// use repo_core::Document;
///
/// let document = Document::parse(r#"{ "id": "m-1", "price": 1.50 }"#)?;
/// assert_eq!(document.as_str(), r#"{"id":"m-1","price":1.50}"#);
/// assert!(document.equals(&Document::parse(r#"{"price":15e-1,"id":"m-1"}"#)?));
///
/// let error = Document::parse(r#"{"tags": {"": 1}}"#).unwrap_err();
/// assert_eq!(error.context_value("pointer"), Some("/tags"));
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Document {
    text: Arc<str>,
    size: usize,
}

impl Document {
    /// Checks and keeps a document.
    ///
    /// # Errors
    /// `Invalid`, with the rule, a JSON Pointer and the byte offset in the
    /// context.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|error| invalid_document(&error))
    }

    /// Like [`parse`](Self::parse), with the broken rule as a value, for
    /// callers that report the place in their own terms.
    ///
    /// # Errors
    /// The rule and its place.
    pub fn read(text: &str) -> std::result::Result<Self, SyntaxError> {
        if let Some(size) = quick::size(text) {
            return Ok(Self { text: text.into(), size });
        }
        let mut sizer = size::Sizer::default();
        let summary = reader::read(text, &mut sizer)?;
        let size = sizer.finish()?;
        let text = if summary.has_space { compact(text).into() } else { text.into() };
        Ok(Self { text, size })
    }

    /// Checks and keeps a document from bytes.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), also when the bytes are not UTF-8.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => Err(invalid_document(&SyntaxError {
                rule: Rule::NotUtf8,
                pointer: String::new(),
                offset: error.valid_up_to(),
            })),
        }
    }

    /// The document of a value that serde can serialise.
    ///
    /// # Errors
    /// `Invalid` when it cannot be serialised or breaks a rule.
    pub fn from_serialize(value: &impl serde::Serialize) -> Result<Self> {
        let text = serde_json::to_string(value).map_err(|source| {
            Error::new(ErrorKind::Invalid, "serialise a document", "serde refused the value")
                .caused_by(source)
        })?;
        Self::parse(&text)
    }

    /// Deserialises a typed value straight from the text.
    ///
    /// # Errors
    /// `Invalid` when the text does not fit the type.
    pub fn deserialize<'de, T: serde::Deserialize<'de>>(&'de self) -> Result<T> {
        serde_json::from_str(&self.text).map_err(|source| {
            Error::new(
                ErrorKind::Invalid,
                "deserialise a document",
                "the document does not fit the type",
            )
            .with("reason", &source)
            .caused_by(source)
        })
    }

    /// The JSON text, one line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its size in bytes by DynamoDB's formula: names and strings by their
    /// UTF-8 length, numbers by their digits, 3 bytes for each container and
    /// 1 for each of its elements.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The parsed form, made anew at each call.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // The text was checked when the document was made.
        Value::parse(&self.text).unwrap_or(Value::Null)
    }

    /// The value at `path`, parsed alone; `None` when there is none.
    #[must_use]
    pub fn get(&self, path: &FieldPath) -> Option<Value> {
        locate::find(&self.text, path).and_then(|text| Value::parse(text).ok())
    }

    /// The text of the value at `path`.
    #[must_use]
    pub fn get_text(&self, path: &FieldPath) -> Option<&str> {
        locate::find(&self.text, path)
    }

    /// Whether both are equal as JSON, numbers by exact value.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.text == other.text || canonical(&self.text) == canonical(&other.text)
    }

    /// The digest of the canonical form: equal documents have equal digests,
    /// whichever store they come from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        with_canonical(&self.text, |text| Digest(*blake3::hash(text.as_bytes()).as_bytes()))
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}

impl Eq for Document {}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.text)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Document {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let raw: &serde_json::value::RawValue =
            serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A 256-bit BLAKE3 digest of a canonical document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 32 bytes, as read back from where they were kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a broken document rule.
#[must_use]
pub fn invalid_document(error: &SyntaxError) -> Error {
    Error::new(ErrorKind::Invalid, "check a document", error.rule.to_string())
        .with("pointer", &error.pointer)
        .with("byte", error.offset)
}

/// Drops the white space between the tokens of well-formed JSON.
fn compact(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at += locate::string_end(&bytes[at..]),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&text[from..at - 1]);
                from = at;
            }
            _ => {}
        }
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
