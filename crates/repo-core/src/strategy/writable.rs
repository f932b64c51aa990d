//! Whether a place may be written to, asked before anything is done there.

use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// Checks that `path`, or the nearest folder above it that exists, may be
/// written to. Asks the operating system, and takes the absence of every write
/// bit as a no as well: the superuser may write there all the same, and whoever
/// took the bits away did not mean it.
///
/// Strategies that keep files call this when they are opened for writing, so
/// that a target is refused before a backup is made for it.
///
/// # Errors
/// `PermissionDenied`, naming the path that refuses.
pub fn check_writable(operation: &'static str, path: &Path) -> Result<()> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some((there, metadata)) = absolute
        .ancestors()
        .find_map(|place| std::fs::metadata(place).ok().map(|metadata| (place, metadata)))
    else {
        return Ok(());
    };
    let is_parent = there != absolute;
    let allowed = rustix::fs::access(there, rustix::fs::Access::WRITE_OK);
    let why = if is_parent && !metadata.is_dir() {
        "a file stands where a folder is needed"
    } else if metadata.permissions().readonly() {
        "it is read-only: nobody has the right to write to it"
    } else if allowed.is_err() {
        "this user may not write to it"
    } else {
        return Ok(());
    };
    let error = Error::new(ErrorKind::PermissionDenied, operation, why)
        .with("path", there.display())
        .hint("choose another place, or give this user the right to write there");
    Err(match allowed {
        Err(source) => error.caused_by(source),
        Ok(()) => error,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_read_only_folder_is_refused_also_for_what_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        check_writable("open", &folder.join("a/b/c.db")).unwrap();
        set_mode(&folder, 0o555);
        for path in [folder.clone(), folder.join("c.db"), folder.join("a/b/c.db")] {
            let error = check_writable("open", &path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert_eq!(error.context_value("path"), folder.to_str());
        }
        set_mode(&folder, 0o755);
    }

    #[test]
    fn a_file_in_the_way_of_a_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        check_writable("open", &file).unwrap();
        assert!(check_writable("open", &file.join("below")).is_err());
        set_mode(&file, 0o444);
        assert!(check_writable("open", &file).is_err());
    }
}
