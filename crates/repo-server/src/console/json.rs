//! JSON as people read it: on lines, with its types in colour. Numbers stay as they are stored.

use maud::{Markup, PreEscaped, Render as _};
use repo_core::Value;

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Mark,
    Key,
    Text,
    Number,
    Word,
}

/// A JSON text on lines, two spaces a level.
pub(super) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    pieces(text, |_, piece| out.push_str(piece));
    out
}

/// The same with its types in colour.
pub(super) fn coloured(text: &str) -> Markup {
    let mut out = String::with_capacity(text.len() * 3);
    pieces(text, |kind, piece| {
        let class = match kind {
            Kind::Space | Kind::Mark => None,
            Kind::Key => Some("k"),
            Kind::Text => Some("s"),
            Kind::Number => Some("d"),
            Kind::Word => Some("w"),
        };
        match class {
            None => piece.render_to(&mut out),
            Some(class) => {
                out.push_str("<span class=\"");
                out.push_str(class);
                out.push_str("\">");
                piece.render_to(&mut out);
                out.push_str("</span>");
            }
        }
    });
    PreEscaped(out)
}

/// Walks over a JSON text, which was checked before.
fn pieces(text: &str, mut take: impl FnMut(Kind, &str)) {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let end = end_of(bytes, at);
        let piece = text.get(at..end).unwrap_or_default();
        let next = bytes.get(end).copied();
        at = end;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'{' | b'[' if next == Some(if byte == b'{' { b'}' } else { b']' }) => {
                take(Kind::Mark, if byte == b'{' { "{}" } else { "[]" });
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                take(Kind::Mark, piece);
                line(depth, &mut take);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(depth, &mut take);
                take(Kind::Mark, piece);
            }
            b',' => {
                take(Kind::Mark, piece);
                line(depth, &mut take);
            }
            b':' => take(Kind::Mark, ": "),
            b'"' => take(if next == Some(b':') { Kind::Key } else { Kind::Text }, piece),
            b'-' | b'0'..=b'9' => take(Kind::Number, piece),
            _ => take(Kind::Word, piece),
        }
    }
}

fn line(depth: usize, take: &mut impl FnMut(Kind, &str)) {
    take(Kind::Space, "\n");
    for _ in 0..depth {
        take(Kind::Space, "  ");
    }
}

/// Where the piece that begins here ends.
fn end_of(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = match rest.first() {
        Some(b'"') => {
            let mut escaped = false;
            let end = rest.iter().skip(1).position(|&byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        }
        Some(b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') => 1,
        _ => {
            let ends = |byte: &u8| b"{}[],:\" \n\r\t".contains(byte);
            rest.iter().position(ends).unwrap_or(rest.len())
        }
    };
    at + length.max(1)
}

/// A value in one line, for a table.
pub(super) fn in_a_cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_laid_out_and_nothing_of_it_changes() {
        let text = r#"{"a":[1.50,{}],"b\"}":"x<y\\","c":null,"d":[]}"#;
        let expected = "{\n  \"a\": [\n    1.50,\n    {}\n  ],\n  \"b\\\"}\": \"x<y\\\\\",\n  \
                        \"c\": null,\n  \"d\": []\n}";
        assert_eq!(pretty(text), expected);
        assert_eq!(pretty(expected), expected);
        let shown = coloured(text).0;
        assert!(shown.contains("<span class=\"d\">1.50</span>"), "{shown}");
        assert!(shown.contains("x&lt;y") && !shown.contains("x<y"), "{shown}");
        for broken in ["", "\"", "{\"a", "\"\\", "}}}"] {
            pretty(broken);
        }
    }
}
