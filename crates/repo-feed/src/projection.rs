//! Which fields of a document somebody wants.

use std::collections::BTreeMap;

use repo_core::{Document, Error, ErrorKind, FieldPath, Result};

/// Some fields of documents, by dotted paths: `status`, `price.amount`. A path goes
/// through objects only, as in a filter.
///
/// ```
/// use repo_core::Document;
/// use repo_feed::Projection;
///
/// # fn main() -> repo_core::Result<()> {
/// let fields = Projection::parse(["status", "price.amount"])?;
/// let machine = r#"{"id":"m-1","status":"running","price":{"amount":1.50,"per":"hour"}}"#;
/// let projected = fields.project(&Document::parse(machine)?);
/// assert_eq!(projected, r#"{"price":{"amount":1.50},"status":"running"}"#);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection(Vec<FieldPath>);

/// What was found at a path, or on the way to it.
enum Found<'d> {
    Value(&'d str),
    Object(BTreeMap<&'d str, Found<'d>>),
}

impl Projection {
    /// Reads dotted paths.
    ///
    /// # Errors
    /// `Invalid` without any, and for one that is no path.
    pub fn parse<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let paths = paths.into_iter().map(|path| FieldPath::parse(path.as_ref()));
        let mut paths: Vec<FieldPath> = paths.collect::<Result<_>>()?;
        if paths.is_empty() {
            let why = "no field is named";
            return Err(Error::new(ErrorKind::Invalid, "choose fields", why));
        }
        // A whole object comes before, and takes in, what is within it.
        paths.sort_by(|one, other| one.steps().cmp(other.steps()));
        let mut wanted: Vec<FieldPath> = Vec::with_capacity(paths.len());
        for path in paths {
            if wanted.last().is_none_or(|last| !path.steps().starts_with(last.steps())) {
                wanted.push(path);
            }
        }
        Ok(Self(wanted))
    }

    /// These fields of a document as JSON text, in their objects, values as they are
    /// stored. A field that the document does not have is left out.
    #[must_use]
    pub fn project(&self, document: &Document) -> String {
        let mut whole = BTreeMap::new();
        for path in &self.0 {
            if let Some(text) = document.get_text(path) {
                put(&mut whole, path.steps(), text);
            }
        }
        let mut out = String::new();
        push(&Found::Object(whole), &mut out);
        out
    }
}

fn put<'d>(into: &mut BTreeMap<&'d str, Found<'d>>, steps: &'d [String], text: &'d str) {
    match steps {
        [] => {}
        [last] => drop(into.insert(last, Found::Value(text))),
        [first, rest @ ..] => {
            let within = into.entry(first).or_insert_with(|| Found::Object(BTreeMap::new()));
            if let Found::Object(within) = within {
                put(within, rest, text);
            }
        }
    }
}

fn push(found: &Found<'_>, out: &mut String) {
    match found {
        Found::Value(text) => out.push_str(text),
        Found::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(*name).to_string());
                out.push(':');
                push(value, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_keeps_values_as_they_are() {
        let text = r#"{"id":"a","n":10.00,"o":{"p":{"q":[1,null]},"r":"\u00e4\""},"s":1}"#;
        let document = Document::parse(text).unwrap();
        let project = |paths: &[&str]| Projection::parse(paths).unwrap().project(&document);
        assert_eq!(project(&["n"]), r#"{"n":10.00}"#);
        assert_eq!(project(&["o.p.q", "o.p"]), r#"{"o":{"p":{"q":[1,null]}}}"#);
        let nested = serde_json::json!({ "o": { "p": { "q": [1, null] }, "r": "ä\"" }, "s": 1 });
        let projected = project(&["s", "o.r", "o.p.q", "s"]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&projected).unwrap(), nested);
        assert_eq!(project(&["missing", "o.missing", "n.x"]), "{}");
    }

    #[test]
    fn a_projection_names_fields() {
        for bad in [&[][..], &[""], &["a..b"], &["_version"]] {
            assert_eq!(Projection::parse(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }
}
