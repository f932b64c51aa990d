//! Copies of data files, made before a checkpoint replaces them.

use std::fs;
use std::path::Path;

use repo_core::{Result, Timestamp};

use crate::env::Env;
use crate::errors;
use crate::folder::{self, Folder};
use crate::journal::CheckpointFile;

/// Copies the data files that are about to be replaced, and removes the oldest
/// copies above `backup_count`.
pub(crate) fn keep_copies(env: &Env, generation: u64, replaced: &[CheckpointFile]) -> Result<()> {
    if !env.settings.backup_enabled {
        return Ok(());
    }
    let files: Vec<&CheckpointFile> = replaced.iter().filter(|file| file.old.is_some()).collect();
    if files.is_empty() {
        return Ok(());
    }
    let target = env.settings.backup_folder();
    let folder = Folder::new(&target);
    folder.make()?;
    let suffix = format!("{}.{generation:010}", stamp(env.options.clock.now()));
    for file in files {
        let copy = target.join(format!("{}.{suffix}", file.name));
        copy_file(&env.folder.data(&file.name), &copy)?;
        prune(&target, &file.name, env.settings.backup_count.get())?;
    }
    folder.sync()
}

/// `20260301T080000.123456Z`: sorts by time and is a plain file name.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// The old file stays as it is once its name is taken by the new one, so a
/// second name for it is a copy; across file systems its bytes are copied.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    folder::remove_if_there(to)?;
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let failed = |e| errors::io("copy a data file", to, e);
    let mut source = fs::File::open(from).map_err(failed)?;
    let mut target = folder::create(to)?;
    std::io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(failed)
}

/// Keeps the newest `count` copies of a data file.
fn prune(target: &Path, name: &str, count: usize) -> Result<()> {
    let failed = |e| errors::io("read the folder of copies", target, e);
    let prefix = format!("{name}.");
    let mut copies = Vec::new();
    for entry in fs::read_dir(target).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_copy = entry.file_name().to_str().is_some_and(|found| is_copy_of(found, &prefix));
        if is_copy {
            copies.push(entry.path());
        }
    }
    copies.sort_unstable();
    let surplus = copies.len().saturating_sub(count);
    copies.iter().take(surplus).try_for_each(|path| folder::remove_if_there(path))
}

/// `NAME.20260301T080000.123456Z.0000000012`, and nothing that merely begins
/// so.
fn is_copy_of(found: &str, prefix: &str) -> bool {
    let Some(rest) = found.strip_prefix(prefix) else { return false };
    let parts: Vec<&str> = rest.split('.').collect();
    let digits = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match parts.as_slice() {
        [seconds, micros, generation] => {
            seconds.len() == 15
                && seconds.as_bytes()[8] == b'T'
                && micros.strip_suffix('Z').is_some_and(|micros| digits(micros, 6))
                && digits(generation, 10)
        }
        _ => false,
    }
}
