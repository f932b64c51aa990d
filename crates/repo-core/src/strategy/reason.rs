//! What serde says of a value that does not fit, in words for people.

/// The message of a serde error with the names of Rust types replaced: `expected
/// struct Limits` says nothing to who wrote a configuration.
///
/// ```
/// let error = serde_json::from_str::<Vec<u16>>("[99999999]").unwrap_err();
/// let reason = repo_core::strategy::plain_reason(&error);
/// assert!(reason.contains("expected a whole number from 0 to 65535"), "{reason}");
/// ```
#[must_use]
pub fn plain_reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let Some((before, after)) = message.split_once(EXPECTED) else { return message };
    // serde_json adds where, when it read text.
    let (expected, place) = match after.rfind(" at line ") {
        Some(at) => after.split_at(at),
        None => (after, ""),
    };
    format!("{before}{EXPECTED}{}{place}", plain(expected))
}

const EXPECTED: &str = ", expected ";

/// What serde calls a type, as it is called in JSON.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "map" | "a map" => "an object",
        "a sequence" | "sequence" => "a list",
        "unit" => "null",
        // The values that are known stand in the message of an unknown one.
        "string or map" | "map with a single key" | "path string" => "a string",
        _ if expected.starts_with("a nonzero ") => "a whole number above 0",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") || expected.contains(" enum ") => "a string",
        _ if expected.starts_with("tuple ") => "a list",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroUsize;
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "what stands in them is never read")]
    struct Limits {
        most: Option<NonZeroUsize>,
        kind: Option<Kind>,
        path: Option<PathBuf>,
        names: Option<Vec<String>>,
        more: Option<BTreeMap<String, u16>>,
        inner: Option<Box<Limits>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        OnlyOne,
    }

    #[test]
    fn the_place_in_a_text_stays() {
        let error = serde_json::from_str::<Limits>("{\n\"most\":\"x\"}").unwrap_err();
        let reason = plain_reason(&error);
        assert!(
            reason.ends_with("expected a whole number above 0 at line 2 column 10"),
            "{reason}"
        );
    }

    #[test]
    fn no_reason_names_a_type_of_rust() {
        for (text, words) in [
            ("5", "an object"),
            (r#"{"most":0}"#, "a whole number above 0"),
            (r#"{"most":"x"}"#, "a whole number above 0"),
            (r#"{"kind":5}"#, "a string"),
            (r#"{"kind":{}}"#, "a string"),
            (r#"{"kind":"x"}"#, "`only_one`"),
            (r#"{"path":5}"#, "a string"),
            (r#"{"names":"x"}"#, "a list"),
            (r#"{"names":[5]}"#, "a string"),
            (r#"{"more":[5]}"#, "an object"),
            (r#"{"more":{"a":70000}}"#, "from 0 to 65535"),
            (r#"{"more":{"a":"x"}}"#, "from 0 to 65535"),
            (r#"{"inner":"x"}"#, "an object"),
        ] {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let reason = plain_reason(&serde_json::from_value::<Limits>(value).unwrap_err());
            assert!(reason.contains(words), "{text}: {reason}");
            for name in ["struct", "enum", "usize", "u16", "Limits", "Kind", "map", "sequence"] {
                let expected = reason.split(EXPECTED).nth(1).unwrap_or_default();
                assert!(!expected.contains(name), "{text}: {reason}");
            }
        }
    }
}
