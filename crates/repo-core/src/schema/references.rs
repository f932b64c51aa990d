//! What of a document refers to other entities.

use super::{CollectionSchema, FieldKind};
use crate::{Document, FieldPath, Value};

impl CollectionSchema {
    /// The ids that a field of a document refers to: the one of a string, or those of the
    /// strings in an array. Null, what is missing and what is of another type refer to nothing;
    /// nor does an array in a field that [holds one reference](Self::refers_once).
    ///
    /// ```
    /// use repo_core::{CollectionSchema, Document, FieldPath};
    ///
    /// let schema = CollectionSchema::builder("jobs", "id").reference("hosts", "hosts").build()?;
    /// let job = Document::parse(r#"{"id": "j", "hosts": ["a", 7, "b"]}"#)?;
    /// assert_eq!(schema.referred_ids(&FieldPath::parse("hosts")?, &job), ["a", "b"]);
    /// # Ok::<(), repo_core::Error>(())
    /// ```
    #[must_use]
    pub fn referred_ids(&self, field: &FieldPath, document: &Document) -> Vec<String> {
        match document.get(field) {
            Some(Value::String(id)) => vec![id],
            Some(Value::Array(items)) if !self.refers_once(field) => {
                items.into_iter().filter_map(text).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a field holds one reference at most: it is declared to be a string.
    #[must_use]
    pub fn refers_once(&self, field: &FieldPath) -> bool {
        let [name] = field.steps() else { return false };
        let is_text = |kind: FieldKind| kind == FieldKind::Text;
        self.fields.iter().any(|declared| declared.name == *name && is_text(declared.kind))
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(kind: Option<FieldKind>, field: &str, document: &str) -> Vec<String> {
        let mut builder = CollectionSchema::builder("jobs", "id").reference(field, "hosts");
        if let Some(kind) = kind {
            builder = builder.field(field, kind, true);
        }
        let field = FieldPath::parse(field).unwrap();
        builder.build().unwrap().referred_ids(&field, &Document::parse(document).unwrap())
    }

    #[test]
    fn strings_refer_and_nothing_else_does() {
        let (array, text) = (Some(FieldKind::Array), Some(FieldKind::Text));
        for kind in [None, array, text] {
            assert_eq!(ids(kind, "host", r#"{"host":"a\u0062"}"#), ["ab"]);
            for nothing in [r#"{}"#, r#"{"host":null}"#, r#"{"host":7}"#, r#"{"host":{"id":"a"}}"#]
            {
                assert!(ids(kind, "host", nothing).is_empty(), "{nothing}");
            }
        }
        let several = r#"{"host":["a",null,["c"],"b","a"]}"#;
        assert_eq!(ids(None, "host", several), ["a", "b", "a"]);
        assert_eq!(ids(array, "host", several), ["a", "b", "a"]);
        assert!(ids(text, "host", several).is_empty(), "the schema says that it is one");
        assert_eq!(ids(None, "at.host", r#"{"at":{"host":["a"]}}"#), ["a"]);
    }
}
