//! What one upgrade does with one document.

use super::Change;
use crate::{Document, Error, ErrorKind, Result, Value};

impl Change {
    pub(super) fn apply(&self, document: &Document) -> Result<Document> {
        let steps = match self {
            Self::Function(function) => return function(document),
            Self::Steps(steps) => steps,
        };
        let Value::Object(mut fields) = document.to_value() else {
            return Err(Error::new(ErrorKind::Invalid, "upgrade a document", "it is no object"));
        };
        for step in steps.iter() {
            step.apply(&mut fields)?;
        }
        // A field may now stand too deep, or have a value that makes it too
        // long: the rules are those of every document.
        Document::parse(&Value::Object(fields).to_string())
    }
}
