//! A last line of defence: the user part of a URL is a secret wherever it
//! would be printed.

/// What a hint writes where the operator's own words belong.
const PLACEHOLDERS: [&str; 2] = ["USER", "USER:PASSWORD"];

/// Replaces `user:password` of every `scheme://user:password@host` by `***`.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/'\"`?#".contains(c));
        let authority = &after[..end.unwrap_or(after.len())];
        match authority.rfind('@') {
            Some(host) if !PLACEHOLDERS.contains(&&authority[..host]) => {
                out.push_str("***");
                rest = &after[host..];
            }
            _ => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_parts_of_urls_are_hidden_and_nothing_else() {
        for (text, shown) in [
            ("a postgresql://u:p@h/d b", "a postgresql://***@h/d b"),
            ("'pg://u:p@h' x://y:z@k", "'pg://***@h' x://***@k"),
            ("pg://u:p@s@h", "pg://***@h"),
            ("http://host/path@x", "http://host/path@x"),
            ("mail a@b", "mail a@b"),
            ("pg://", "pg://"),
            ("like postgresql://USER@HOST/NAME", "like postgresql://USER@HOST/NAME"),
            ("pg://USER:PASSWORD@HOST", "pg://USER:PASSWORD@HOST"),
            ("pg://USER:p@HOST", "pg://***@HOST"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
