//! Where a download goes, and where it waits until it is whole.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use cli_output::failure::wrong_usage;
use repo_core::{Error, ErrorKind, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

const GET: &str = "get";
/// Longest name of a file, in bytes, so that the name it waits under fits as well.
const LONGEST: usize = 200;

/// A file that is fetched.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where it will be.
    pub(crate) path: PathBuf,
    /// Where it waits. The name says of which content it is.
    pub(crate) part: PathBuf,
    overwrite: bool,
}

impl Place {
    /// A place for content with this digest; `digest` is short.
    ///
    /// # Errors
    /// `AlreadyExists` for a file that is there and must not be overwritten; `ConfigInvalid` for
    /// what is no place of a file.
    pub(crate) fn new(path: &Path, digest: &str, overwrite: bool) -> Result<Self> {
        let name = path.file_name().and_then(std::ffi::OsStr::to_str).ok_or_else(|| {
            wrong_usage(GET, "this is no name of a file").with("file", path.display())
        })?;
        if path.is_dir() {
            return Err(wrong_usage(GET, "there is a folder in the place of the file")
                .with("file", path.display())
                .hint("name the file with --output"));
        }
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(there(path));
        }
        let mut end = name.len().min(LONGEST);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let part = path.with_file_name(format!(".{}.{digest}.part", &name[..end]));
        Ok(Self { path: path.to_owned(), part, overwrite })
    }

    /// Bytes that wait there. Something that is no file is not ours.
    ///
    /// # Errors
    /// `Foreign` for what is no file; those of the file system.
    pub(crate) fn waiting(&self) -> Result<u64> {
        match self.part.symlink_metadata() {
            Ok(about) if about.is_file() => Ok(about.len()),
            Ok(_) => Err(Error::new(ErrorKind::Foreign, GET, "there is no file in this place")
                .with("file", self.part.display())
                .hint("remove it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The file that waits, to write behind what it has, or anew.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn open(&self, anew: bool) -> Result<std::fs::File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(anew);
        options.open(&self.part).map_err(|error| self.failed(error))
    }

    /// Puts the whole file in its place.
    ///
    /// # Errors
    /// `AlreadyExists` if one came there meanwhile and must not be overwritten.
    pub(crate) fn settle(&self) -> Result<()> {
        if self.overwrite {
            return std::fs::rename(&self.part, &self.path).map_err(|error| self.failed(error));
        }
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(CWD, &self.part, CWD, &self.path, flags) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(there(&self.path)),
            // A file system that cannot: a second name is made, which never replaces one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link(),
            Err(error) => Err(self.failed(error.into())),
        }
    }

    fn link(&self) -> Result<()> {
        match std::fs::hard_link(&self.part, &self.path) {
            Ok(()) => std::fs::remove_file(&self.part).map_err(|error| self.failed(error)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there(&self.path)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Removes what waits.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn discard(&self) -> Result<()> {
        match std::fs::remove_file(&self.part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// The error of the file system.
    pub(crate) fn failed(&self, source: io::Error) -> Error {
        let kind = match source.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, GET, "the file cannot be written")
            .with("file", self.part.display())
            .with("reason", &source)
            .caused_by(source)
    }
}

fn there(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, GET, "the file is there already")
        .with("file", path.display())
        .hint("name another one with --output, or replace it with --overwrite")
}

/// The name of an entry as the name of a file in the present folder.
pub(crate) fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|step| !step.is_empty()).unwrap_or_default();
    let mut safe: String = last.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let mut end = safe.len().min(LONGEST);
    while !safe.is_char_boundary(end) {
        end -= 1;
    }
    safe.truncate(end);
    // No name of the server's choice hides a file, or is an option of the next command.
    if safe.starts_with(['.', '-']) || safe.is_empty() { format!("_{safe}") } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_server_stay_in_the_folder() {
        for (name, file) in [
            ("a.bin", "a.bin"),
            ("./w/big.bin", "big.bin"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.txt", "y.txt"),
            (".bashrc", "_.bashrc"),
            ("..", "_.."),
            ("-rf", "_-rf"),
            ("a\nb", "a_b"),
            ("", "_"),
        ] {
            assert_eq!(file_name(name), file, "{name:?}");
        }
        assert!(file_name(&"é".repeat(999)).len() <= LONGEST);
    }

    #[test]
    fn a_file_is_never_replaced_unless_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let place = Place::new(&path, "0123", false).unwrap();
        std::fs::write(&place.part, "new").unwrap();
        // It comes there after it was looked for.
        std::fs::write(&path, "old").unwrap();
        assert_eq!(place.settle().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(place.link().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert!(Place::new(&path, "0123", false).is_err());
        Place::new(&path, "0123", true).unwrap().settle().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }
}
