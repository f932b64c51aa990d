//! Names of files, as a header says them.

use axum::http::HeaderValue;

/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// The last step of what a client called a file, on whatever system.
///
/// ```
/// use repo_server::bytes::base_name;
///
/// assert_eq!(base_name("./files/w/a.txt"), "a.txt");
/// assert_eq!(base_name(r"C:\data\a.txt"), "a.txt");
/// assert_eq!(base_name("../.."), "file");
/// ```
#[must_use]
pub fn base_name(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).find(|step| !step.is_empty()).unwrap_or_default();
    if matches!(name, "" | "." | "..") { "file" } else { name }
}

/// `Content-Disposition` with one quoted name and nothing after it: clients take everything
/// behind `filename=` for the name.
#[must_use]
pub fn disposition(path: &str) -> HeaderValue {
    let mut name = String::new();
    for character in base_name(path).chars() {
        if name.len() >= MAX_NAME_BYTES {
            break;
        }
        let plain = matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | '%' | ';');
        name.push(if plain { character } else { '_' });
    }
    HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_gets_out_of_its_quotes() {
        let shown = |path: &str| disposition(path).to_str().unwrap().to_owned();
        assert_eq!(shown("a/b c.txt"), "attachment; filename=\"b c.txt\"");
        assert_eq!(
            shown("x\"; y=\"z\r\nset-cookie: a"),
            "attachment; filename=\"x__ y=_z__set-cookie: a\""
        );
        assert_eq!(shown("é.txt"), "attachment; filename=\"_.txt\"");
        assert!(shown(&"x".repeat(9_999)).len() < 300);
    }
}
