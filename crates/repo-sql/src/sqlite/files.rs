//! The files of a database: their names, and making the first one.

use std::path::{Path, PathBuf};

use repo_core::{Error, Result};

use crate::errors;

/// The path of a file that SQLite keeps beside the database.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The file as a URI that promises that nothing changes it. Every byte that
/// could mean something in a URI is escaped.
pub(super) fn unchanging(file: &Path) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

/// Makes the empty file, readable by its owner only, with its folder,
/// and makes the names of both durable: SQLite does so only for the
/// files that it makes itself. Whether it was made.
pub(super) fn create_file(file: &Path) -> Result<bool> {
    let failed = |source: std::io::Error| -> Error { errors::io("prepare", file, source) };
    let missing = file.ancestors().skip(1).take_while(|folder| !folder.exists()).count();
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => {
            let changed = file.ancestors().skip(1).take(missing + 1);
            changed
                .filter(|folder| !folder.as_os_str().is_empty())
                .try_for_each(sync_folder)
                .map_err(failed)?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Makes the names in a folder durable, where a folder can be opened for that.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
