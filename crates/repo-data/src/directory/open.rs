//! Opening a file that was found, and nothing that was put in its place since.

use std::fs::File;
use std::path::Path;

use repo_core::{Error, ErrorKind, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::io::io_error;
use super::path::EntryPath;

/// Opens a regular file below a directory for reading. A link anywhere on the way is not
/// followed, even one that was made after the directory was [walked](super::walk).
///
/// # Errors
/// `Foreign` for a link, a pipe or a device in the place of the file; `NotFound`,
/// `PermissionDenied`.
pub fn open_file(root: &Path, path: &EntryPath) -> Result<File> {
    let failed = |error: Errno| match error {
        Errno::LOOP | Errno::NOTDIR => foreign(path),
        error => io_error("open", &root.join(path.as_str()), error.into()),
    };
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = openat(CWD, root, directory, Mode::empty()).map_err(failed)?;
    if let Some(parent) = path.parent() {
        for name in parent.names() {
            at = openat(&at, name, directory | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
        }
    }
    // Without waiting, so that a pipe does not hold the caller.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(&at, path.name(), flags, Mode::empty()).map_err(failed)?);
    let metadata =
        file.metadata().map_err(|error| io_error("open", &root.join(path.as_str()), error))?;
    if metadata.is_file() { Ok(file) } else { Err(foreign(path)) }
}

fn foreign(path: &EntryPath) -> Error {
    Error::new(ErrorKind::Foreign, "open", "there is no regular file in this place any more")
        .with("file", path)
        .hint("read the directory again")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_below_the_directory_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::create_dir(folder.path().join("away")).unwrap();
        fs::write(root.join("d/e/x"), "inside").unwrap();
        fs::write(folder.path().join("away/x"), "outside").unwrap();
        symlink(folder.path().join("away"), root.join("link")).unwrap();
        symlink(root.join("d/e/x"), root.join("d/y")).unwrap();
        let pipe = root.join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();

        let open = |path: &str| open_file(&root, &path.parse().unwrap());
        let mut text = String::new();
        open("d/e/x").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        for path in ["link/x", "d/y", "pipe", "d/e", "d/e/x/y"] {
            assert_eq!(open(path).unwrap_err().kind(), ErrorKind::Foreign, "{path}");
        }
        assert_eq!(open("d/none").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
