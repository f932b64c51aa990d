//! Dotted paths, and what they lead to in a document.

use std::fmt;
use std::ops::ControlFlow;

use repo_core::{Error, ErrorKind, Result, Value};

use super::limits::MAX_PATH_STEPS;

/// A dotted path in a selector: `value.temperature`, `readings.0.unit`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SelectorPath(Vec<Box<str>>);

impl SelectorPath {
    /// Reads a dotted path.
    ///
    /// # Errors
    /// `Invalid` for an empty name in it, for a name that begins with `$`, and for more than
    /// [`MAX_PATH_STEPS`] names.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::Invalid, "read a selector", why));
        let steps: Vec<Box<str>> = text.split('.').map(Into::into).collect();
        if steps.iter().any(|step| step.is_empty()) {
            return refuse("a path is one or more names joined by dots");
        }
        if steps.iter().any(|step| step.starts_with('$')) {
            return refuse("no name in a path begins with '$'");
        }
        if steps.len() > MAX_PATH_STEPS {
            return refuse("a path has at most 16 names");
        }
        Ok(Self(steps))
    }

    /// The names, one or more.
    #[must_use]
    pub fn steps(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether the value at one path is a part of that at the other, or the same.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine == theirs)
    }

    /// Whether this is `other` or below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether `test` holds for something that the path leads to: a value, or nothing
    /// (`None`) where the path ends too early.
    pub(super) fn any(
        &self,
        document: &Value,
        mut test: impl FnMut(Option<&Value>) -> bool,
    ) -> bool {
        let mut visit = |found: Option<&Value>| {
            if test(found) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        walk(document, &self.0, &mut visit).is_break()
    }
}

impl fmt::Display for SelectorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

type Visit<'a> = dyn FnMut(Option<&Value>) -> ControlFlow<()> + 'a;

/// Goes down from a value that is no element of an implicit array.
fn walk(value: &Value, steps: &[Box<str>], visit: &mut Visit<'_>) -> ControlFlow<()> {
    match (value, steps) {
        (Value::Array(items), _) => walk_array(value, items, steps, visit),
        (_, []) => visit(Some(value)),
        (Value::Object(members), [step, rest @ ..]) => match members.get(&**step) {
            Some(member) => walk(member, rest, visit),
            None => visit(None),
        },
        _ => visit(None),
    }
}

/// An array at the end of a path: each element, and the array. One on the way: the objects
/// in it, and the element that the next name is the number of. Other elements lead nowhere,
/// not even to nothing: `{"a": [1]}` has no `a.b` that could equal null.
fn walk_array(
    array: &Value,
    items: &[Value],
    steps: &[Box<str>],
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    let [step, rest @ ..] = steps else {
        items.iter().try_for_each(|item| visit(Some(item)))?;
        return visit(Some(array));
    };
    let number = index(step);
    for (at, item) in items.iter().enumerate() {
        if matches!(item, Value::Object(_)) {
            walk(item, steps, visit)?;
        }
        if number == Some(at) {
            match (item, rest) {
                // Named by its number, so it is one value, and no array to look into.
                (_, []) => visit(Some(item))?,
                (Value::Object(_) | Value::Array(_), _) => walk(item, rest, visit)?,
                _ => {}
            }
        }
    }
    ControlFlow::Continue(())
}

/// The number of an element, in its one spelling.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0');
    (plain && step.bytes().all(|byte| byte.is_ascii_digit())).then(|| step.parse().ok())?
}
