//! What one upgrade does with one document.

use std::fmt;
use std::sync::Arc;

use super::UpgradeStep;
use crate::{Document, Error, ErrorKind, Result, Value};

/// A function that makes of a document the one of the next version.
pub type UpgradeFunction = Arc<dyn Fn(&Document) -> Result<Document> + Send + Sync>;

/// What an upgrade does with a document.
#[derive(Clone)]
pub(super) enum Change {
    /// As the schema file declares.
    Steps(Arc<[UpgradeStep]>),
    /// As the program does.
    Function(UpgradeFunction),
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => f.debug_tuple("Steps").field(steps).finish(),
            Self::Function(_) => f.write_str("Function"),
        }
    }
}

/// Two functions are the same when they are one.
impl PartialEq for Change {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Steps(a), Self::Steps(b)) => a == b,
            (Self::Function(a), Self::Function(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

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
