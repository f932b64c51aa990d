//! Which files are kept as text in their record.

use repo_core::{Error, ErrorKind, Result};

/// Files of this many bytes, and larger ones, are kept as blobs.
pub const MAX_INLINE_BYTES: u64 = 10 * 1024 * 1024;
/// The suffixes of files that are text, in lower case.
pub const INLINE_SUFFIXES: [&str; 6] = ["txt", "md", "csv", "json", "yaml", "yml"];

/// The text of a file that is kept as text: its name has one of [`INLINE_SUFFIXES`] in any
/// case, it is smaller than [`MAX_INLINE_BYTES`], it is UTF-8, and it has no U+0000, which no
/// record can hold. Every other file is a blob.
///
/// ```
/// use repo_data::directory::{InlineText, NotInline};
///
/// assert_eq!(InlineText::of("notes.MD", b"# Notes")?.as_str(), "# Notes");
/// assert_eq!(InlineText::of("a.csv", b"\xff").unwrap_err(), NotInline::NotUtf8);
/// assert_eq!(InlineText::of("image.png", b"text").unwrap_err(), NotInline::Suffix);
/// # Ok::<(), NotInline>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InlineText<'a>(&'a str);

/// Why a file is a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotInline {
    /// The name has no suffix of text.
    Suffix,
    /// It is too large.
    Size,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// There is a U+0000 in it.
    Nul,
}

impl std::fmt::Display for NotInline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Suffix => "the name has no suffix of a text file",
            Self::Size => "the file has 10 MiB or more",
            Self::NotUtf8 => "the bytes are not UTF-8",
            Self::Nul => "the text holds the character U+0000",
        })
    }
}

impl std::error::Error for NotInline {}

impl From<NotInline> for Error {
    fn from(why: NotInline) -> Self {
        Self::new(ErrorKind::Invalid, "keep a file as text", why.to_string())
    }
}

impl<'a> InlineText<'a> {
    /// Whether a file may be text, before its bytes are read.
    ///
    /// # Errors
    /// Why it is a blob.
    pub fn may_be(name: &str, size: u64) -> Result<(), NotInline> {
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
        if !suffix.is_some_and(|suffix| INLINE_SUFFIXES.contains(&suffix.as_str())) {
            return Err(NotInline::Suffix);
        }
        if size >= MAX_INLINE_BYTES { Err(NotInline::Size) } else { Ok(()) }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// Why it is a blob.
    pub fn of(name: &str, bytes: &'a [u8]) -> Result<Self, NotInline> {
        Self::may_be(name, bytes.len() as u64)?;
        let text = std::str::from_utf8(bytes).map_err(|_| NotInline::NotUtf8)?;
        if text.contains('\0') { Err(NotInline::Nul) } else { Ok(Self(text)) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_has_edges() {
        for suffix in INLINE_SUFFIXES {
            assert!(InlineText::may_be(&format!("x.{suffix}"), MAX_INLINE_BYTES - 1).is_ok());
        }
        assert_eq!(InlineText::may_be("x.txt", MAX_INLINE_BYTES), Err(NotInline::Size));
        for name in ["txt", "x.", "x.txt.gz", "x.json5", ""] {
            assert_eq!(InlineText::may_be(name, 0), Err(NotInline::Suffix), "{name}");
        }
        assert_eq!(InlineText::of("x.txt", b"").unwrap().as_str(), "");
        assert_eq!(InlineText::of("x.txt", b"a\0"), Err(NotInline::Nul));
    }
}
