//! Names of places that cannot hold a wrong value.

use std::fmt;
use std::str::FromStr;

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

fn refuse(why: &str, text: &str) -> Error {
    let shown: String = text.chars().take(64).collect();
    Error::new(ErrorKind::Invalid, "name a source", why).with("name", format!("{shown:?}"))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// # Errors
            /// `Invalid`, with the rule.
            fn from_str(text: &str) -> Result<Self> {
                $check(text).map_err(|why| refuse(why, text))?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a bucket: 3 to 222 of `a-z`, `0-9`, `.`, `-` and `_`.
    BucketName, check_bucket
}

name! {
    /// A prefix in a bucket; it may be empty, which is the whole bucket. Between slashes are
    /// names; none is empty, `.` or `..`, and only the end may be a slash.
    Prefix, check_prefix
}

name! {
    /// The name of a table, as an operator names it: letters, digits and `_`, at most 63.
    TableName, check_table
}

name! {
    /// The id of a row: 1 to 255 characters, none a control character.
    RowId, check_row
}

fn check_bucket(text: &str) -> Result<(), &'static str> {
    let good = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if (3..=222).contains(&text.len()) && text.bytes().all(good) && !text.contains("..") {
        return Ok(());
    }
    Err("the name of a bucket has 3 to 222 of a-z, 0-9, '.', '-' and '_'")
}

fn check_prefix(text: &str) -> Result<(), &'static str> {
    if text.len() > 1_024 {
        return Err("a prefix has at most 1024 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("a prefix holds no control characters");
    }
    let names = text.strip_suffix('/').unwrap_or(text);
    let good = |name: &str| !matches!(name, "" | "." | "..");
    if text.is_empty() || names.split('/').all(good) {
        return Ok(());
    }
    Err("a prefix is names between slashes; none is empty, '.' or '..'")
}

fn check_table(text: &str) -> Result<(), &'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=63).contains(&text.len()) && text.bytes().all(good) {
        return Ok(());
    }
    Err("the name of a table has 1 to 63 letters, digits and '_'")
}

fn check_row(text: &str) -> Result<(), &'static str> {
    if (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err("the id of a row has 1 to 255 characters, none a control character")
}

impl Prefix {
    /// The whole bucket.
    #[must_use]
    pub fn whole() -> Self {
        Self(String::new())
    }

    /// Whether everything at `other` is at this prefix. Names are compared whole: `a/b`
    /// covers `a/b` and `a/b/c`, and not `a/bc`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mine = self.0.strip_suffix('/').unwrap_or(&self.0);
        match other.0.strip_prefix(mine) {
            // With its slash it is a folder, and the same without it could be a file beside.
            Some("") => self.0 == mine,
            Some(rest) => mine.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}
