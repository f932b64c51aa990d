//! Escaped text of a JSON string as it reads.

use std::borrow::Cow;

use crate::Value;

/// Unescapes the inside of a JSON string that was checked before.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    match Value::parse(&format!("\"{raw}\"")) {
        Ok(Value::String(text)) => Cow::Owned(text),
        _ => Cow::Borrowed(raw),
    }
}
