//! Whether the data files of a store are compressed, and how they are called.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Stands behind the name of a compressed file.
const SUFFIX: &str = ".zst";

/// How the data files of a store are kept: all of them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Packing {
    /// As plain JSON.
    #[default]
    Plain,
    /// Compressed.
    Zstd,
}

impl Packing {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Zstd];

    /// As a setting says it.
    pub(crate) fn of_setting(enable_compression: bool) -> Self {
        if enable_compression { Self::Zstd } else { Self::Plain }
    }

    /// What the file is called that the configuration, or its collection, names so.
    pub(crate) fn file_name(self, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Zstd => format!("{name}{SUFFIX}"),
        }
    }

    /// What the configuration calls the file of this name; `None` for a file that is not
    /// called like a compressed one and should be.
    pub(crate) fn plain_name(self, file: &str) -> Option<&str> {
        match self {
            Self::Plain => Some(file),
            Self::Zstd => file.strip_suffix(SUFFIX),
        }
    }

    /// In words.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Plain => "not compressed",
            Self::Zstd => "compressed",
        }
    }
}

/// How a zstd stream begins.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Whether a file is compressed, whatever it is called.
pub(crate) fn is_packed(file: &File) -> io::Result<bool> {
    let mut head = [0; MAGIC.len()];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(head == MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
