//! The one JSON reader behind documents and filters.
//!
//! A general parser does not fit: it loses digits of numbers, keeps the last
//! of two equal keys, and cannot say where in the document a rule is broken.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::decimal::{Decimal, DecimalError};
use super::plain::plain_len;

/// Deepest nesting; the document itself is level 1 (DynamoDB: 32 with the
/// attribute that holds it).
pub const MAX_DEPTH: usize = 31;

/// Longest key (DynamoDB: the name of an attribute is shorter than 64 KiB).
pub const MAX_KEY_BYTES: usize = 65_535;

/// A member of a document takes about so many bytes, or more.
const BYTES_FOR_EACH_KEY: usize = 16;
/// Room for keys that is made before any is read.
const MOST_KEYS_AT_FIRST: usize = 48;

/// Receives what the reader finds, in the order of the text.
pub(crate) trait Sink {
    fn null(&mut self) {}
    fn bool(&mut self, _value: bool) {}
    fn number(&mut self, _number: Decimal) {}
    fn string(&mut self, _text: Cow<'_, str>) {}
    fn begin_array(&mut self) {}
    fn end_array(&mut self) {}
    fn begin_object(&mut self) {}
    fn key(&mut self, _key: &str) {}
    fn end_object(&mut self) {}
}

/// A rule that the text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Not well-formed JSON.
    Syntax,
    /// The text ends too early.
    Truncated,
    /// Text after the end of the value.
    TrailingText,
    /// The same key twice in one object.
    DuplicateKey,
    /// An empty key (DynamoDB has no empty attribute names).
    EmptyKey,
    /// A key of more than 65,535 bytes (DynamoDB has no longer attribute names).
    LongKey,
    /// U+0000 in a key or string (PostgreSQL's `jsonb` has none).
    NulCharacter,
    /// A surrogate escape without its partner.
    LoneSurrogate,
    /// Deeper than 31 levels.
    TooDeep,
    /// A number with more than 38 significant digits.
    TooManyDigits,
    /// A number outside ±9.99…E+125 or nearer to zero than 1E-130.
    NumberOutOfRange,
    /// The document is not an object.
    NotAnObject,
    /// A key at the top that the engine uses itself.
    ReservedKey,
    /// Not UTF-8.
    NotUtf8,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not well-formed JSON",
            Self::Truncated => "the JSON text ends too early",
            Self::TrailingText => "text after the end of the JSON value",
            Self::DuplicateKey => "a key stands twice in one object",
            Self::EmptyKey => "a key is empty",
            Self::LongKey => "a key is longer than 65,535 bytes",
            Self::NulCharacter => "the character U+0000 is not allowed",
            Self::LoneSurrogate => "a surrogate escape without its partner",
            Self::TooDeep => "nested deeper than 31 levels",
            Self::TooManyDigits => "a number has more than 38 significant digits",
            Self::NumberOutOfRange => {
                "a number lies outside ±9.99…E+125 or is nearer to zero than 1E-130"
            }
            Self::NotAnObject => "a document is a JSON object",
            Self::ReservedKey => {
                "the top-level keys _version, _created_at, _updated_at and _deleted are reserved"
            }
            Self::NotUtf8 => "the text is not UTF-8",
        })
    }
}

/// Where and how text breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The rule.
    pub rule: Rule,
    /// JSON Pointer (RFC 6901) to the place; empty for the whole.
    pub pointer: String,
    /// Offset in the text, in bytes.
    pub offset: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at \"{}\", byte {})", self.rule, self.pointer, self.offset)
    }
}

impl std::error::Error for SyntaxError {}

/// What one pass over a text found besides the sink's events.
pub(crate) struct Summary {
    /// Whether white space stands between the tokens.
    pub(crate) has_space: bool,
}

/// Reads exactly one JSON value.
pub(crate) fn read(text: &str, sink: &mut impl Sink) -> Result<Summary, SyntaxError> {
    // Room for the keys of most documents at once, and for few of a short one.
    let keys = Vec::with_capacity((text.len() / BYTES_FOR_EACH_KEY).min(MOST_KEYS_AT_FIRST));
    let mut reader = Reader { text, at: 0, has_space: false, keys };
    reader.skip_space();
    reader.value(sink, 1)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error(Rule::TrailingText));
    }
    Ok(Summary { has_space: reader.has_space })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    has_space: bool,
    /// The keys of all open objects, the innermost last.
    keys: Vec<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, rule: Rule) -> SyntaxError {
        self.error_at(rule, self.at)
    }

    #[allow(clippy::unused_self, reason = "reads as a sibling of `error`")]
    fn error_at(&self, rule: Rule, offset: usize) -> SyntaxError {
        SyntaxError { rule, pointer: String::new(), offset }
    }

    /// The error for the byte that stands here and should not.
    fn unexpected(&self) -> SyntaxError {
        self.error(if self.peek().is_none() { Rule::Truncated } else { Rule::Syntax })
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
            self.has_space = true;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn value(&mut self, sink: &mut impl Sink, depth: usize) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'{') => self.object(sink, depth),
            Some(b'[') => self.array(sink, depth),
            Some(b'"') => {
                let text = self.string()?;
                sink.string(text);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                sink.number(number);
                Ok(())
            }
            Some(b't') => self.word("true").map(|()| sink.bool(true)),
            Some(b'f') => self.word("false").map(|()| sink.bool(false)),
            Some(b'n') => self.word("null").map(|()| sink.null()),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), SyntaxError> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        let truncated = word.as_bytes().starts_with(rest);
        Err(self.error(if truncated { Rule::Truncated } else { Rule::Syntax }))
    }

    fn number(&mut self) -> Result<Decimal, SyntaxError> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Decimal::parse(&self.text[start..self.at]).map_err(|error| {
            let rule = match error {
                DecimalError::TooManyDigits => Rule::TooManyDigits,
                DecimalError::OutOfRange => Rule::NumberOutOfRange,
                DecimalError::Malformed => Rule::Syntax,
            };
            self.error_at(rule, start)
        })
    }

    fn array(&mut self, sink: &mut impl Sink, depth: usize) -> Result<(), SyntaxError> {
        self.check_depth(depth)?;
        self.at += 1;
        sink.begin_array();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            sink.end_array();
            return Ok(());
        }
        for index in 0_usize.. {
            self.value(sink, depth + 1).map_err(|error| within(error, &index.to_string()))?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected()),
            }
            self.skip_space();
        }
        self.at += 1;
        sink.end_array();
        Ok(())
    }

    fn object(&mut self, sink: &mut impl Sink, depth: usize) -> Result<(), SyntaxError> {
        self.check_depth(depth)?;
        self.at += 1;
        sink.begin_object();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            sink.end_object();
            return Ok(());
        }
        let mut seen = Seen { first: self.keys.len(), ..Seen::default() };
        loop {
            self.member(sink, depth, &mut seen)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected()),
            }
            self.skip_space();
        }
        self.at += 1;
        self.keys.truncate(seen.first);
        sink.end_object();
        Ok(())
    }

    fn member(
        &mut self,
        sink: &mut impl Sink,
        depth: usize,
        seen: &mut Seen<'a>,
    ) -> Result<(), SyntaxError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let key = self.string()?;
        if key.is_empty() {
            return Err(self.error_at(Rule::EmptyKey, start));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(self.error_at(Rule::LongKey, start));
        }
        sink.key(&key);
        self.skip_space();
        self.expect(b':').map_err(|error| within(error, &key))?;
        self.skip_space();
        if seen.contains(&self.keys, &key) {
            return Err(within(self.error_at(Rule::DuplicateKey, start), &key));
        }
        self.value(sink, depth + 1).map_err(|error| within(error, &key))?;
        seen.insert(&mut self.keys, key);
        Ok(())
    }

    fn check_depth(&self, depth: usize) -> Result<(), SyntaxError> {
        if depth > MAX_DEPTH { Err(self.error(Rule::TooDeep)) } else { Ok(()) }
    }

    /// Reads a string; borrows it when it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.unexpected()),
            }
            let plain = self.at;
            self.skip_plain();
            text.push_str(&self.text[plain..self.at]);
        }
    }

    /// Skips to the next quote, backslash, control character or the end.
    fn skip_plain(&mut self) {
        self.at += plain_len(&self.text.as_bytes()[self.at..]);
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let Some(byte) = self.peek() else { return Err(self.unexpected()) };
        let plain = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, SyntaxError> {
        let lone = |reader: &Self| reader.error_at(Rule::LoneSurrogate, start);
        self.at += 1;
        let unit = self.hex4()?;
        let code = match unit {
            0 => return Err(self.error_at(Rule::NulCharacter, start)),
            0xD800..=0xDBFF => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(lone(self));
                }
                self.at += 2;
                let low = self.hex4()?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return Err(lone(self));
                }
                0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| lone(self))
    }

    fn hex4(&mut self) -> Result<u32, SyntaxError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.unexpected()) };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// Puts a step in front of the pointer of an error that comes from within.
fn within(mut error: SyntaxError, step: &str) -> SyntaxError {
    let escaped = step.replace('~', "~0").replace('/', "~1");
    error.pointer = format!("/{escaped}{}", error.pointer);
    error
}

/// The keys of one object: a part of the reader's list while they are few, a
/// set beyond.
#[derive(Default)]
struct Seen<'a> {
    /// Where the object's keys begin in the list.
    first: usize,
    /// A bit for each key seen, several keys to a bit: most keys are known to
    /// be new without a look at the others.
    bits: u64,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    const FEW: usize = 24;

    fn bit(key: &str) -> u64 {
        let mark = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
        let bytes = key.as_bytes();
        let middle = mark(bytes.get(bytes.len() / 2));
        let mixed = key.len() * 7 + mark(bytes.first()) * 5 + mark(bytes.last()) * 3 + middle;
        1 << (mixed % 64)
    }

    fn contains(&self, keys: &[Cow<'a, str>], key: &str) -> bool {
        self.bits & Self::bit(key) != 0
            && (keys.iter().skip(self.first).any(|seen| seen == key) || self.many.contains(key))
    }

    fn insert(&mut self, keys: &mut Vec<Cow<'a, str>>, key: Cow<'a, str>) {
        self.bits |= Self::bit(&key);
        if keys.len() - self.first < Self::FEW {
            if keys.capacity() == 0 {
                keys.reserve(Self::FEW);
            }
            keys.push(key);
        } else {
            self.many.insert(key);
        }
    }
}
