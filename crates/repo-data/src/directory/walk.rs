//! Reading a local directory by its ignore rules.

use std::io;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, Walk, WalkBuilder};
use repo_core::{Error, ErrorKind, Result};

use super::io::io_error;
use super::path::{EntryPath, checked_name, refuse};

/// What is left out of every directory, unless [`WalkOptions::default_patterns`] is off.
pub const DEFAULT_PATTERNS: [&str; 5] =
    [".git", "__pycache__", "*.pyc", ".DS_Store", "node_modules"];

/// What is left out of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkOptions {
    /// The name of the files with ignore rules, in the directory and in each below it;
    /// nothing for none. It is `.gitignore` unless set.
    pub ignore_file: Option<String>,
    /// More rules, as lines of an ignore file at the top.
    pub patterns: Vec<String>,
    /// Whether [`DEFAULT_PATTERNS`] are left out; they are, unless set.
    pub default_patterns: bool,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            ignore_file: Some(".gitignore".to_owned()),
            patterns: Vec::new(),
            default_patterns: true,
        }
    }
}

/// Something in a directory that no rule leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A directory; it comes before what is in it.
    Directory(EntryPath),
    /// A regular file.
    File {
        /// Where.
        path: EntryPath,
        /// Bytes, when it was looked at.
        size: u64,
    },
    /// What is never uploaded.
    LeftOut {
        /// Where.
        path: EntryPath,
        /// Why.
        why: LeftOut,
    },
}

/// Why something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// A symbolic link: it may lead anywhere.
    Link,
    /// A pipe, a socket or a device.
    Special,
}

/// Everything below a directory in the order of its names, except what the rules leave out.
/// Rules are those of git. Links are not followed, but for `root` itself.
///
/// It reads the directory as it goes, and blocks while it does: call it where that is
/// allowed. What cannot be read, or has a name that is no [`EntryPath`], is an error in its
/// place; the rest follows.
///
/// # Errors
/// `NotFound` for no such directory, `Invalid` for a file in its place, for a pattern that
/// is none and for an ignore file that is not a name.
pub fn walk(root: &Path, options: &WalkOptions) -> Result<impl Iterator<Item = Result<Found>>> {
    let metadata = std::fs::metadata(root).map_err(|error| io_error("walk", root, error))?;
    if !metadata.is_dir() {
        return Err(Error::new(ErrorKind::Invalid, "walk", "this is not a directory")
            .with("file", format!("{:?}", root.to_string_lossy())));
    }
    let rules = rules(root, options)?;
    let mut builder = WalkBuilder::new(root);
    // Nothing outside of the directory decides what is in it: no configuration of git, no
    // rules of a parent, and no repository that has to be there.
    builder.standard_filters(false).require_git(false).follow_links(false);
    match options.ignore_file.as_deref() {
        None => {}
        Some(".gitignore") => {
            builder.git_ignore(true);
        }
        Some(name) => {
            builder.add_custom_ignore_filename(checked_name(name)?);
        }
    }
    builder.sort_by_file_name(std::ffi::OsStr::cmp);
    builder.filter_entry(move |entry| {
        let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        entry.depth() == 0 || !rules.matched(entry.path(), is_directory).is_ignore()
    });
    Ok(Walker { root: root.to_owned(), inner: builder.build() })
}

fn rules(root: &Path, options: &WalkOptions) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new(root);
    let defaults = DEFAULT_PATTERNS.iter().copied().filter(|_| options.default_patterns);
    for pattern in defaults.chain(options.patterns.iter().map(String::as_str)) {
        builder.add_line(None, pattern).map_err(|error| not_a_pattern(pattern, &error))?;
    }
    builder.build().map_err(|error| not_a_pattern("", &error))
}

fn not_a_pattern(pattern: &str, error: &ignore::Error) -> Error {
    Error::new(ErrorKind::Invalid, "walk", "this is no pattern of an ignore file")
        .with("pattern", format!("{pattern:?}"))
        .with("reason", error)
}

struct Walker {
    root: PathBuf,
    inner: Walk,
}

impl Iterator for Walker {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.inner.next()? {
                Ok(entry) if entry.depth() == 0 => {}
                Ok(entry) => return Some(self.found(&entry)),
                Err(error) => return Some(Err(self.unreadable(error))),
            }
        }
    }
}

impl Walker {
    fn found(&self, entry: &DirEntry) -> Result<Found> {
        let path = self.entry_path(entry.path())?;
        let Some(kind) = entry.file_type() else {
            return Ok(Found::LeftOut { path, why: LeftOut::Special });
        };
        if kind.is_dir() {
            Ok(Found::Directory(path))
        } else if kind.is_file() {
            let metadata = entry.metadata().map_err(|error| self.unreadable(error))?;
            Ok(Found::File { path, size: metadata.len() })
        } else if kind.is_symlink() {
            Ok(Found::LeftOut { path, why: LeftOut::Link })
        } else {
            Ok(Found::LeftOut { path, why: LeftOut::Special })
        }
    }

    fn entry_path(&self, path: &Path) -> Result<EntryPath> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        match below.to_str() {
            Some(text) => text.parse(),
            None => Err(refuse("a name is UTF-8", &below.to_string_lossy())),
        }
    }

    fn unreadable(&self, error: ignore::Error) -> Error {
        let path = path_of(&error).unwrap_or(&self.root).to_owned();
        let text = error.to_string();
        match error.into_io_error() {
            Some(error) => io_error("walk", &path, error),
            None => io_error("walk", &path, io::Error::other(text)),
        }
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn names(folder: &Path, options: &WalkOptions) -> Vec<String> {
        let named = |found| match found {
            Found::Directory(path) => format!("{path}/"),
            Found::File { path, .. } => path.to_string(),
            Found::LeftOut { path, why } => format!("{path} {why:?}"),
        };
        walk(folder, options).unwrap().map(|found| named(found.unwrap())).collect()
    }

    #[test]
    fn rules_leave_out_what_git_would() {
        let files = [
            (".gitignore", "*.log\n!keep.log\n/build/\n"),
            ("a.log", ""),
            ("keep.log", ""),
            ("build/x", ""),
            ("src/build/x", ""),
            ("src/.gitignore", "secret\n"),
            ("src/secret", ""),
            ("src/main.pyc", ""),
            (".git/config", ""),
            ("node_modules/m/index.js", ""),
            ("temp/x", ""),
            (".env", ""),
        ];
        let folder = folder(&files);
        let patterns = vec!["temp/*".to_owned(), ".env".to_owned()];
        let options = WalkOptions { patterns, ..WalkOptions::default() };
        let expected = [
            ".gitignore",
            "keep.log",
            "src/",
            "src/.gitignore",
            "src/build/",
            "src/build/x",
            "temp/",
        ];
        assert_eq!(names(folder.path(), &options), expected);
        let all = WalkOptions { ignore_file: None, patterns: vec![], default_patterns: false };
        assert!(names(folder.path(), &all).contains(&".git/config".to_owned()));
    }

    #[test]
    fn an_ignore_file_may_have_another_name() {
        let folder =
            folder(&[(".uploadignore", "x\n"), (".gitignore", "y\n"), ("x", ""), ("y", "")]);
        let ignore_file = Some(".uploadignore".to_owned());
        let options = WalkOptions { ignore_file, ..WalkOptions::default() };
        assert_eq!(names(folder.path(), &options), [".gitignore", ".uploadignore", "y"]);
        let ignore_file = Some("../other".to_owned());
        let options = WalkOptions { ignore_file, ..WalkOptions::default() };
        assert_eq!(walk(folder.path(), &options).err().unwrap().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn rules_of_a_parent_do_not_count() {
        let outer = folder(&[(".gitignore", "*\n"), (".git/HEAD", ""), ("inner/x", "")]);
        assert_eq!(names(&outer.path().join("inner"), &WalkOptions::default()), ["x"]);
    }

    #[test]
    fn links_and_pipes_are_left_out_and_named() {
        let outside = folder(&[("secret", "s")]);
        let folder = folder(&[("d/x", "")]);
        symlink(outside.path(), folder.path().join("away")).unwrap();
        symlink("/etc/passwd", folder.path().join("passwd")).unwrap();
        symlink("..", folder.path().join("d/loop")).unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let expected = ["away Link", "d/", "d/loop Link", "d/x", "passwd Link", "pipe Special"];
        assert_eq!(names(folder.path(), &WalkOptions::default()), expected);
    }

    #[test]
    fn a_hostile_name_is_an_error_in_its_place() {
        let folder = folder(&[("a", ""), ("b\nc", ""), ("d\\e", ""), ("z", "")]);
        let bytes = std::ffi::OsStr::from_bytes(b"f\xff");
        fs::write(folder.path().join(bytes), "").unwrap();
        let found: Vec<_> = walk(folder.path(), &WalkOptions::default()).unwrap().collect();
        let errors: Vec<_> = found.iter().filter_map(|found| found.as_ref().err()).collect();
        assert_eq!((found.len(), errors.len()), (5, 3));
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Invalid));
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let folder = folder(&[("file", "")]);
        let kind = |path: &str| {
            walk(&folder.path().join(path), &WalkOptions::default()).err().unwrap().kind()
        };
        assert_eq!((kind("file"), kind("none")), (ErrorKind::Invalid, ErrorKind::NotFound));
        let options = WalkOptions { patterns: vec!["[z-a]".to_owned()], ..WalkOptions::default() };
        assert_eq!(walk(folder.path(), &options).err().unwrap().kind(), ErrorKind::Invalid);
    }
}
