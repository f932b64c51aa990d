//! What an entry is called that is no document as a whole: its id can often be made out
//! all the same, and people look for that, not for a place in a file.

use std::path::Path;

use plain_json::JsonReader;
use repo_core::{EntityId, SourceId, Value};

use crate::plan::Route;

/// The id in the text of an entry; `None` where it cannot be made out, is no id, or stands
/// there more than once.
pub(crate) fn id_in(route: &Route, key: Option<&str>, raw: &[u8]) -> Option<String> {
    let text = match &route.id {
        SourceId::Key | SourceId::SharedKey => key?.to_owned(),
        SourceId::OwnField => id_of_field(raw, route.schema.id_name())?,
        SourceId::Field(name) => id_of_field(raw, name)?,
    };
    EntityId::new(&text).ok().map(|id| id.to_string())
}

/// A value as the text of an id: a string, or a whole number.
pub(crate) fn id_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) if number.is_integer() => Some(number.to_string()),
        _ => None,
    }
}

/// Goes over the fields of an object. What stands in the others need not be right.
fn id_of_field(raw: &[u8], name: &str) -> Option<String> {
    let mut reader = JsonReader::new(raw, Path::new(""), usize::MAX);
    let mut found = None;
    let mut more = reader.enter_object().ok()?;
    while more {
        let (key, _) = reader.key().ok()?;
        if key != name {
            reader.skip_value().ok()?;
        } else if found.is_none() {
            let value = reader.keep(JsonReader::skip_value).ok()?;
            let value = Value::parse(std::str::from_utf8(value).ok()?).ok()?;
            found = Some(id_text(value)?);
        } else {
            return None;
        }
        more = reader.next_member().ok()?;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_made_out_beside_what_is_wrong() {
        for (text, id) in [
            (r#"{"a": {"x": 1, "x": 2}, "id": "r-2"}"#, Some("r-2")),
            (r#" {"id" : 12345678901234567890123 , "n": 1e999}"#, Some("12345678901234567890123")),
            (r#"{"id": "gr\u00f6\u00dfe", "a": tru}"#, Some("größe")),
            (r#"{"inner": {"id": "not this"}, "n": 1e999}"#, None),
            (r#"{"id": "one", "id": "two"}"#, None),
            (r#"{"id": 1.5}"#, None),
            (r#"{"id": null}"#, None),
            (r#"{"id": "\ud800"}"#, None),
            (r#"{"id" "a"}"#, None),
            (r#"["id", "a"]"#, None),
            ("", None),
        ] {
            assert_eq!(id_of_field(text.as_bytes(), "id").as_deref(), id, "{text}");
        }
    }
}
