//! The folder: where it is, and which files in it are meant.

use std::io;
use std::path::{Path, PathBuf};

use plain_json::errors;
use repo_core::{FilePattern, Result};

/// What `scheme` calls the folder, the same for every way to name it.
pub(crate) fn location(scheme: &str, folder: &Path) -> String {
    let real = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    let path = real.unwrap_or_else(|_| folder.to_owned());
    let text = path.display().to_string();
    format!("{scheme}{}", text.strip_suffix('/').unwrap_or(&text))
}

/// A file in the folder: its path, and its name within the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// The files that a pattern means, by name. What is no file is none.
///
/// # Errors
/// What the file system says, except that something is not there.
pub(crate) fn files(folder: &Path, pattern: &FilePattern) -> Result<Vec<Named>> {
    let within = folder.join(pattern.folder());
    if pattern.is_plain() {
        let path = within.join(pattern.name());
        let named = Named { name: pattern.to_string(), path };
        return Ok(if is_file(&named.path)? { vec![named] } else { Vec::new() });
    }
    let failed = |error| errors::io("look for files of another program", &within, error);
    let entries = match std::fs::read_dir(&within) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str().filter(|name| pattern.matches(name)) else { continue };
        let path = within.join(name);
        if is_file(&path)? {
            let prefix = if pattern.folder().is_empty() { "" } else { "/" };
            found.push(Named { name: format!("{}{prefix}{name}", pattern.folder()), path });
        }
    }
    found.sort();
    Ok(found)
}

fn is_file(path: &Path) -> Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(errors::io("look at a file", path, error)),
    }
}
