//! Paths of entries in a directory.

use std::fmt;
use std::str::FromStr;

use repo_core::{Error, ErrorKind, Result};

/// Longest name, in bytes: what file systems take.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 4_000;
/// Most names in a path.
pub const MAX_NAMES: usize = 100;

/// The path of an entry below its directory: names joined by `/`. No name is empty, `.` or
/// `..`, or holds a backslash or a control character, so that a path stays below its
/// directory on every system.
///
/// ```
/// use repo_data::directory::EntryPath;
///
/// let path: EntryPath = "src/main.py".parse()?;
/// assert_eq!(path.name(), "main.py");
/// for hostile in ["../etc/passwd", "/etc/passwd", "a//b", "a\\b", "a/./b", ""] {
///     assert!(hostile.parse::<EntryPath>().is_err());
/// }
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath(String);

impl EntryPath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path without the last name; nothing of a single name.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The names, one or more.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The path of something in this directory.
    ///
    /// # Errors
    /// `Invalid` for what is no name, and for a path that becomes too long.
    pub fn child(&self, name: &str) -> Result<Self> {
        format!("{self}/{}", checked_name(name)?).parse()
    }
}

/// Checks one name.
pub(super) fn checked_name(name: &str) -> Result<&str> {
    let broken = if name.is_empty() || name == "." || name == ".." {
        "a name is not empty, '.' or '..'"
    } else if name.len() > MAX_NAME_BYTES {
        "a name has at most 255 bytes"
    } else if name.contains(['/', '\\']) {
        "a name holds no slash and no backslash"
    } else if name.chars().any(char::is_control) {
        "a name holds no control characters"
    } else {
        return Ok(name);
    };
    Err(refuse(broken, name))
}

pub(super) fn refuse(why: &str, text: &str) -> Error {
    let shown: String = text.chars().take(128).collect();
    Error::new(ErrorKind::Invalid, "name an entry", why).with("name", format!("{shown:?}"))
}

impl FromStr for EntryPath {
    type Err = Error;

    /// # Errors
    /// `Invalid` for what is no path, with the rule.
    fn from_str(text: &str) -> Result<Self> {
        if text.len() > MAX_PATH_BYTES {
            return Err(refuse("a path has at most 4000 bytes", text));
        }
        if text.split('/').count() > MAX_NAMES {
            return Err(refuse("a path has at most 100 names", text));
        }
        text.split('/').try_for_each(|name| checked_name(name).map(|_| ()))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let deep = vec!["x"; MAX_NAMES + 1].join("/");
        let hostile = [
            "", "/", "a/", "/a", "..", "a/../b", "a\0b", "a\nb", "C:\\x", "a\u{85}b", &long, &deep,
        ];
        for text in hostile {
            let error = text.parse::<EntryPath>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
            assert!(!error.to_string().contains(['\0', '\n']));
        }
        for text in ["a", "...", ".git", "a b", "ä/漢", "-rf", "a..b"] {
            assert_eq!(text.parse::<EntryPath>().unwrap().as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn a_path_stays_below_its_directory(text in "[a./\\\\]{0,12}") {
            if let Ok(path) = text.parse::<EntryPath>() {
                let root = std::path::Path::new("/root/of/all");
                let joined = root.join(path.as_str());
                let names: Vec<_> = joined.components().collect();
                prop_assert!(joined.starts_with(root));
                prop_assert!(!names.contains(&std::path::Component::ParentDir));
                prop_assert_eq!(path.names().collect::<Vec<_>>().join("/"), text);
            }
        }
    }
}
