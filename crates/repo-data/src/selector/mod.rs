//! Mongo selectors: read, matched with Mongo's meaning, and pushed down as a [`Filter`].
//!
//! A store filters by [`repo_core::Filter`], which knows neither Mongo's arrays nor that null
//! equals missing. So a selector is used twice: [`Selector::push_down`] gives a filter that
//! lets every match through, and maybe more; [`Selector::decide`] says of each document that
//! comes back whether it is meant.
//!
//! | operator | matches a value that |
//! |---|---|
//! | `$eq`, a bare value | is equal; `null` also where there is nothing |
//! | `$ne`, `$nin` | is not what `$eq`, `$in` match |
//! | `$gt $gte $lt $lte` | is of the same type and compares so |
//! | `$in` | equals one of these |
//! | `$exists` | is there, or is not |
//! | `$regex`, `$options` | is a string in which the pattern is found |
//! | `$not` | fails these operators |
//! | `$and $or $nor` | fulfils all, one, none of these selectors |
//!
//! A condition on an array holds where it holds for the array or for one of its elements. A
//! dotted path goes into objects, into the objects in an array, and by a number to one
//! element. Numbers are compared exactly. All else is refused with `Invalid`, in words.
//!
//! Two things differ from Mongo, because documents here have no order of keys: objects are
//! equal in whatever order their keys are, and are compared in the order of their keys.
//! Patterns are those of the `regex` crate: no look-around and no back-reference, so that
//! none takes long.
//!
//! ```
//! use repo_core::{Document, Value};
//! use repo_data::selector::{Fields, Selector};
//!
//! let selector = Selector::parse(r#"{"data_type": "json", "value.temperature": {"$gt": 20}}"#)?;
//! let hot = r#"{"data_type": "json", "value": [{"temperature": 3}, {"temperature": 23.5}]}"#;
//! assert!(selector.matches(&Value::parse(hot).unwrap()));
//! assert!(selector.push_down(&Fields::default()).matches(&Document::parse(hot)?));
//!
//! let error = Selector::parse(r#"{"a": {"$where": "1"}}"#).unwrap_err();
//! assert_eq!(error.to_string(), "read a selector: unknown operator (at: /a/$where)");
//! # Ok::<(), repo_core::Error>(())
//! ```
//!
//! [`Filter`]: repo_core::Filter

mod fields;
mod limits;
mod matching;
mod order;
mod parse;
mod path;
mod pattern;
mod push_down;
mod tree;

pub use fields::Fields;
pub use limits::{
    MAX_CONDITIONS, MAX_PATH_STEPS, MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_SELECTOR_BYTES, MAX_VALUES,
};
pub use path::SelectorPath;
pub use pattern::SelectorPattern;
pub use tree::{Bound, Selector, Test};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
