//! One declared step, on one document.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Decimal, Error, ErrorKind, FieldPath, Result, Value};

type Fields = BTreeMap<String, Value>;

/// A change of a field. Paths go through objects only, as in filters: a field
/// behind anything else is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeStep {
    /// Moves a value to another place; nothing when it is missing. Objects on
    /// the way are made.
    Rename {
        /// Where it is.
        from: FieldPath,
        /// Where it goes; nothing may be there.
        to: FieldPath,
    },
    /// Sets a value where the field is missing; null counts as a value.
    Default {
        /// The field.
        field: FieldPath,
        /// What it gets.
        value: Value,
    },
    /// Takes a value away, if it is there.
    Remove {
        /// The field.
        field: FieldPath,
    },
    /// Changes the type of a value. Missing stays missing, and null stays null.
    Convert {
        /// The field.
        field: FieldPath,
        /// The type that it gets.
        to: ConvertTo,
    },
}

/// The type that a value is converted to. Nothing is guessed and nothing is
/// rounded: what has no exact counterpart is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvertTo {
    /// Text: of a number its canonical form, `true` and `false`.
    String,
    /// A number: of text that is a JSON number and nothing else.
    Number,
    /// A number without a fraction, from a number or such text: `1e2` is 100.
    Integer,
    /// `true` or `false`: of that text, or of the numbers 1 and 0.
    Boolean,
}

impl ConvertTo {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::String, Self::Number, Self::Integer, Self::Boolean];

    /// Its name in a schema file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
        }
    }

    /// The counterpart of a value, if it has one.
    fn convert(self, value: &Value) -> Option<Value> {
        let number = || match value {
            Value::Number(number) => Some(*number),
            Value::String(text) => Decimal::parse(text).ok(),
            _ => None,
        };
        match (self, value) {
            (_, Value::Null) => Some(Value::Null),
            (Self::String, Value::String(_)) | (Self::Boolean, Value::Bool(_)) => {
                Some(value.clone())
            }
            (Self::String, Value::Number(number)) => Some(Value::String(number.to_string())),
            (Self::String, Value::Bool(value)) => Some(Value::String(value.to_string())),
            (Self::Number, _) => number().map(Value::Number),
            (Self::Integer, _) => number().filter(|it| it.is_integer()).map(Value::Number),
            (Self::Boolean, Value::String(text)) => text.parse().ok().map(Value::Bool),
            (Self::Boolean, Value::Number(number)) => [false, true]
                .into_iter()
                .find(|bit| Decimal::from(i64::from(*bit)) == *number)
                .map(Value::Bool),
            _ => None,
        }
    }
}

impl UpgradeStep {
    /// Changes the fields of a document.
    ///
    /// # Errors
    /// `Invalid`, with the rule and the field's pointer, when it cannot be
    /// done.
    pub(super) fn apply(&self, root: &mut Fields) -> Result<()> {
        match self {
            Self::Rename { from, to } => self.rename(root, from, to),
            Self::Default { field, value } => {
                if find(root, field).is_none() {
                    self.place(root, field, value.clone())?;
                }
                Ok(())
            }
            Self::Remove { field } => {
                take(root, field);
                Ok(())
            }
            Self::Convert { field, to } => match find(root, field) {
                None => Ok(()),
                Some(value) => match to.convert(value) {
                    Some(converted) => {
                        *value = converted;
                        Ok(())
                    }
                    None => {
                        let found = value.type_name();
                        let why = format!("this {found} has no exact {}", to.name());
                        Err(self.refuse(&why, field))
                    }
                },
            },
        }
    }

    fn rename(&self, root: &mut Fields, from: &FieldPath, to: &FieldPath) -> Result<()> {
        if find(root, from).is_none() {
            return Ok(());
        }
        if find(root, to).is_some() {
            return Err(self.refuse("the new place holds a value already", to));
        }
        match take(root, from) {
            Some(value) => self.place(root, to, value),
            None => Ok(()),
        }
    }

    /// Puts a value where nothing is.
    fn place(&self, root: &mut Fields, path: &FieldPath, value: Value) -> Result<()> {
        let [through @ .., last] = path.steps() else { return Ok(()) };
        let mut fields = root;
        for step in through {
            let next = fields.entry(step.clone()).or_insert_with(|| Value::Object(Fields::new()));
            match next {
                Value::Object(inside) => fields = inside,
                _ => return Err(self.refuse("the way to the field leads through no object", path)),
            }
        }
        fields.insert(last.clone(), value);
        Ok(())
    }

    fn refuse(&self, why: &str, field: &FieldPath) -> Error {
        Error::new(ErrorKind::Invalid, "upgrade a document", why)
            .with("rule", self)
            .with("pointer", field.to_pointer())
    }
}

/// The object in which the field of a path stands, or would stand.
fn holder<'a>(root: &'a mut Fields, path: &FieldPath) -> Option<&'a mut Fields> {
    let [through @ .., _] = path.steps() else { return None };
    through.iter().try_fold(root, |fields, step| match fields.get_mut(step) {
        Some(Value::Object(inside)) => Some(inside),
        _ => None,
    })
}

fn find<'a>(root: &'a mut Fields, path: &FieldPath) -> Option<&'a mut Value> {
    holder(root, path)?.get_mut(path.steps().last()?)
}

fn take(root: &mut Fields, path: &FieldPath) -> Option<Value> {
    holder(root, path)?.remove(path.steps().last()?)
}

/// As people read it: `rename a to b`.
impl fmt::Display for UpgradeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Self::Default { field, value } => write!(f, "default {field} to {value}"),
            Self::Remove { field } => write!(f, "remove {field}"),
            Self::Convert { field, to } => write!(f, "convert {field} to {}", to.name()),
        }
    }
}
