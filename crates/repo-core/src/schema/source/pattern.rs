//! Names of files within a folder, with `*` for any characters.

use std::fmt;

use super::refusal::refuse;
use crate::{Error, Result};

/// A path within a folder whose last name may hold `*`: `aws-db.json`, `*-db.json`,
/// `conf/*prov_templates.json`.
///
/// ```
/// use repo_core::FilePattern;
///
/// let pattern = FilePattern::parse("conf/*-db.json")?;
/// assert_eq!((pattern.folder(), pattern.name()), ("conf", "*-db.json"));
/// assert!(pattern.matches("aws-db.json") && !pattern.matches("aws-db.json.bkp"));
/// assert!(FilePattern::parse("../etc/x.json").is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePattern {
    folder: String,
    name: String,
}

impl FilePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `ConfigInvalid` for a path that leads out of the folder, and for `*` in the name
    /// of a folder.
    pub fn parse(text: &str) -> Result<Self> {
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        let wrong = |why: &str| Err(Self::refuse(why, text));
        if text.split('/').any(|step| step.is_empty() || step == "." || step == "..") {
            return wrong("a file is named by a path within the folder");
        }
        if text.contains(['\\', '\0']) {
            return wrong("a path has its steps divided by /");
        }
        if folder.contains('*') {
            return wrong("only the name of the file may hold *");
        }
        Ok(Self { folder: folder.to_owned(), name: name.to_owned() })
    }

    fn refuse(why: &str, text: &str) -> Error {
        refuse(why).with("file", format!("{text:?}"))
    }

    /// The folder within the folder; empty for the folder itself.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The name, which may hold `*`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it names one file only.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.name.contains('*')
    }

    /// Whether a file of this name is meant. A name that begins with a dot is meant only
    /// where the pattern begins with one.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if name.starts_with('.') && !self.name.starts_with('.') {
            return false;
        }
        let mut parts = self.name.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for FilePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.folder.is_empty() {
            write!(f, "{}/", self.folder)?;
        }
        f.write_str(&self.name)
    }
}
