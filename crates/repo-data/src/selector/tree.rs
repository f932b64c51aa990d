//! What a selector is once it is read.

use repo_core::Value;

use super::path::SelectorPath;
use super::pattern::SelectorPattern;

/// A selector. See the [module](crate::selector).
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// All of these; of none: every document.
    All(Vec<Selector>),
    /// One of these, or more.
    Any(Vec<Selector>),
    /// Not this.
    Not(Box<Selector>),
    /// What a path leads to passes a test.
    Field(SelectorPath, Test),
}

/// A test of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It equals this; nothing equals null.
    Equal(Value),
    /// It is of the type of this value and compares so with it.
    Compare(Bound, Value),
    /// It equals one of these, which are in the order of BSON.
    OneOf(Vec<Value>),
    /// It is there.
    Exists,
    /// It is a string in which the pattern is found.
    Pattern(SelectorPattern),
}

/// On which side of a value, and whether with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `$gt`
    Above,
    /// `$gte`
    From,
    /// `$lt`
    Below,
    /// `$lte`
    UpTo,
}

impl Selector {
    /// Every path in it, in the order of the text.
    pub fn paths(&self) -> impl Iterator<Item = &SelectorPath> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            loop {
                match open.pop()? {
                    Self::All(parts) | Self::Any(parts) => open.extend(parts.iter().rev()),
                    Self::Not(part) => open.push(part),
                    Self::Field(path, _) => return Some(path),
                }
            }
        })
    }
}
