//! JSON Pointers with `*` for every member or element of a place.

use std::fmt;

use super::refusal::refuse;
use crate::Result;

/// Where entries are: a JSON Pointer (RFC 6901) in which a step `*` stands for every
/// member of an object or element of a list. The last step is one.
///
/// ```
/// use repo_core::{EntryPointer, EntryStep};
///
/// let pointer = EntryPointer::parse("/requests/*")?;
/// assert_eq!(pointer.steps(), [EntryStep::Key("requests".to_owned()), EntryStep::Each]);
/// assert_eq!(pointer, EntryPointer::parse("requests/*")?);
/// assert!(EntryPointer::parse("/requests").is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryPointer(Vec<EntryStep>);

/// A step of an [`EntryPointer`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryStep {
    /// The member of an object under this key.
    Key(String),
    /// Every member of an object, or every element of a list.
    Each,
}

impl EntryPointer {
    /// Reads a pointer; the first `/` may be left out.
    ///
    /// # Errors
    /// `ConfigInvalid` when its last step is another one than `*`, or a step is empty.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Err(refuse(why).with("entries", format!("{text:?}")));
        let mut steps = Vec::new();
        for step in text.strip_prefix('/').unwrap_or(text).split('/') {
            steps.push(match step {
                "*" => EntryStep::Each,
                "" => return wrong("a step of the pointer is empty"),
                key => EntryStep::Key(key.replace("~1", "/").replace("~0", "~")),
            });
        }
        if steps.last() != Some(&EntryStep::Each) {
            return wrong("the last step of the pointer is *, for every entry there");
        }
        Ok(Self(steps))
    }

    /// The steps, one or more.
    #[must_use]
    pub fn steps(&self) -> &[EntryStep] {
        &self.0
    }
}

impl fmt::Display for EntryPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                EntryStep::Each => f.write_str("/*")?,
                EntryStep::Key(key) => {
                    write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))?;
                }
            }
        }
        Ok(())
    }
}
