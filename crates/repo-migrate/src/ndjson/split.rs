//! Taking the metadata out of a line's text without touching the rest.

use std::borrow::Cow;

use repo_core::strategy::RESERVED_KEYS;
use repo_core::{Document, Value};

/// The parts of a line in the form that [`crate::ndjson::write`] gives it.
pub(crate) struct OwnForm<'a> {
    pub(crate) document: Document,
    pub(crate) version: u64,
    pub(crate) created_at: &'a str,
    pub(crate) updated_at: &'a str,
}

/// Takes a line apart whose metadata stands at its very end, as we write it.
/// `None` for any other text, which then takes the longer way.
///
/// The mark cannot be part of a string: a quote within one is escaped. Should
/// it belong to an inner object, what is left is no whole JSON text, and the
/// longer way names the place.
pub(crate) fn own_form(text: &str) -> Option<OwnForm<'_>> {
    const MARK: &str = ",\"_version\":";
    let at = text.rfind(MARK)?;
    let rest = &text[at + MARK.len()..];
    let (version, rest) = rest.split_once(",\"_created_at\":\"")?;
    let (created_at, rest) = rest.split_once("\",\"_updated_at\":\"")?;
    let updated_at = rest.strip_suffix("\"}")?;
    let plain_time =
        |time: &str| time.len() < 40 && !time.bytes().any(|b| b == b'"' || b == b'\\' || b < 0x20);
    let plain_number = !version.starts_with('0') && version.bytes().all(|b| b.is_ascii_digit());
    if !plain_number || !plain_time(created_at) || !plain_time(updated_at) {
        return None;
    }
    let document = format!("{}}}", &text[..at]);
    Some(OwnForm {
        document: Document::read(&document).ok()?,
        version: version.parse().ok()?,
        created_at,
        updated_at,
    })
}

/// The text of a JSON object that was checked before, without the reserved
/// keys at its top.
pub(crate) fn without_metadata(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    out.push('{');
    for member in members(text) {
        if RESERVED_KEYS.contains(&&*key_of(member)) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(member);
    }
    out.push('}');
    out
}

/// The members at the top of a checked object, each as `"key": value`.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let inside = text.trim_ascii().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let mut rest = inside.unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        let end = member_end(rest.as_bytes());
        let member = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(member)
    })
}

/// The offset of the comma after the first member, or the end.
fn member_end(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at += string_length(&bytes[at..]) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The length of the string that starts here, both quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The key of a member, its escapes resolved.
fn key_of(member: &str) -> Cow<'_, str> {
    let quoted = &member[..string_length(member.as_bytes())];
    match Value::parse(quoted) {
        Ok(Value::String(key)) => Cow::Owned(key),
        _ => Cow::Borrowed(quoted),
    }
}
