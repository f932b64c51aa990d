//! One value of a row as JSON.

use std::borrow::Cow;

use repo_core::strategy::push_json_string;
use repo_core::{Decimal, DecimalError, Value};

use super::table::{Column, Reading, SqlKind};

/// One value as the database holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    /// A number, as exact text.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// JSON text.
    Json(Cow<'a, str>),
    /// What has no form in JSON: what it is, and its bytes.
    Unsayable(&'static str, Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// How many bytes its text has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Null | Self::Boolean(_) | Self::Unsayable(..) => 0,
            Self::Number(text) | Self::Text(text) | Self::Json(text) => text.len(),
        }
    }
}

/// What a value is in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// This JSON text.
    Json(&'a str),
    /// A string of this text.
    Text(&'a str),
}

impl Said<'_> {
    pub(super) fn push(self, out: &mut String) {
        match self {
            Self::Json(text) => out.push_str(text),
            Self::Text(text) => push_json_string(out, text),
        }
    }
}

type Saying<'a> = std::result::Result<Option<Said<'a>>, String>;

impl Column {
    /// The value as JSON text; `None` when the field is left out.
    ///
    /// # Errors
    /// Why it cannot be said so.
    pub(super) fn json<'a>(&self, cell: &'a Cell<'_>) -> Saying<'a> {
        match (self.reading, cell) {
            (_, Cell::Unsayable(what, _)) => Err(format!("it holds {what}, which JSON cannot say")),
            (_, Cell::Null) => Ok(self.nullable.then_some(Said::Json("null"))),
            (_, Cell::Json(text)) => structure(text),
            (Reading::Text, Cell::Boolean(truth)) => Ok(Some(Said::Text(word(*truth)))),
            (Reading::Text, Cell::Text(text) | Cell::Number(text)) => Ok(Some(Said::Text(text))),
            (Reading::Number, Cell::Boolean(truth)) => {
                Ok(Some(Said::Json(if *truth { "1" } else { "0" })))
            }
            (Reading::Number, Cell::Text(text)) => number(text.trim()),
            (Reading::Boolean, Cell::Text(text) | Cell::Number(text)) => truth(text),
            (Reading::Structure, Cell::Text(text)) => structure(text),
            (Reading::AsStored, Cell::Text(text)) if self.kind == SqlKind::Json => structure(text),
            (Reading::AsStored, Cell::Number(number)) if self.kind == SqlKind::Boolean => {
                truth(number)
            }
            (Reading::Several { structures: true }, Cell::Text(text)) => {
                Ok(Some(if looks_like_a_structure(text) && Value::parse(text).is_ok() {
                    Said::Json(text)
                } else {
                    Said::Text(text)
                }))
            }
            (Reading::Several { .. } | Reading::AsStored, Cell::Text(text)) => {
                Ok(Some(Said::Text(text)))
            }
            (_, Cell::Number(text)) => number(text),
            (_, Cell::Boolean(truth)) => Ok(Some(Said::Json(word(*truth)))),
        }
    }
}

fn word(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

fn number(text: &str) -> Saying<'_> {
    match Decimal::parse(text) {
        Ok(_) => Ok(Some(Said::Json(text))),
        Err(DecimalError::TooManyDigits) => {
            Err("the number has more than 38 significant digits".to_owned())
        }
        Err(DecimalError::OutOfRange) => {
            Err("the number lies outside ±9.99…E+125 or is nearer to zero than 1E-130".to_owned())
        }
        Err(DecimalError::Malformed) => Err("the schema says number, and it holds none".to_owned()),
    }
}

fn truth(text: &str) -> Saying<'_> {
    let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
    if is("1") || is("true") {
        Ok(Some(Said::Json("true")))
    } else if is("0") || is("false") {
        Ok(Some(Said::Json("false")))
    } else {
        Err("it holds neither 0, 1, true nor false".to_owned())
    }
}

/// Text that is JSON. Checked by itself: put into the document unchecked it
/// could end its own field and begin others.
fn structure(text: &str) -> Saying<'_> {
    match Value::parse(text) {
        Ok(_) => Ok(Some(Said::Json(text))),
        Err(error) => Err(format!("it should be JSON, and is not: {error}")),
    }
}

fn looks_like_a_structure(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// A time as SQL writes it, `2026-03-01 08:00:00.5+00`, as JSON files have it:
/// `2026-03-01T08:00:00.500000Z`. Without an offset it stays without one: which
/// was meant is not known. Other text stays as it is.
pub(crate) fn iso_time(text: &str) -> Cow<'_, str> {
    let shape = "dddd-dd-dd dd:dd:dd";
    let fits = text.len() >= shape.len()
        && shape.bytes().zip(text.bytes()).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            shape => shape == byte,
        });
    if !fits {
        return Cow::Borrowed(text);
    }
    let (moment, rest) = text.split_at(shape.len());
    let digits = rest
        .strip_prefix('.')
        .map_or("", |rest| &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()]);
    let zone = match &rest[if digits.is_empty() { 0 } else { digits.len() + 1 }..] {
        "+00" | "Z" => "Z",
        zone if is_offset(zone) => zone,
        _ => return Cow::Borrowed(text),
    };
    let fraction = if digits.is_empty() { String::new() } else { format!(".{digits:0<6}") };
    Cow::Owned(format!("{}{fraction}{zone}", moment.replacen(' ', "T", 1)))
}

/// Nothing, or an offset such as `+02:00`.
fn is_offset(zone: &str) -> bool {
    match zone.as_bytes() {
        [] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}
