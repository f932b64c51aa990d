//! Zips that come from anybody.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use repo_core::{Error, ErrorKind, Result};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::io::io_error;
use super::path::EntryPath;
use super::tree::NodeKind;

/// How much a zip may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipLimits {
    /// Most files and directories; 100,000 unless set.
    pub members: usize,
    /// Most bytes of all files together, unpacked; 10 GiB unless set.
    pub total_bytes: u64,
    /// Most bytes that are read to find the list of members, which is kept in memory; 32 MiB
    /// unless set.
    pub list_bytes: u64,
}

impl Default for ZipLimits {
    fn default() -> Self {
        Self { members: 100_000, total_bytes: 10 << 30, list_bytes: 32 << 20 }
    }
}

/// A file or directory in a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    /// Where.
    pub path: EntryPath,
    /// What, and for a file how many bytes the zip says it has.
    pub kind: NodeKind,
}

/// What is in a zip, in the order of its list, without unpacking anything. It blocks while it
/// reads.
///
/// Refused is a zip in which a path leaves its directory, a path is there twice, a file has
/// something in it, two members share bytes (as in bombs), a member is a link or encrypted,
/// or a member is compressed otherwise than by deflate.
///
/// # Errors
/// `Invalid` for what is no such zip, with the member; `LimitExceeded` above the limits.
pub fn list_zip(reader: impl Read + Seek, limits: &ZipLimits) -> Result<Vec<ZipEntry>> {
    open(reader, limits).map(|(_, entries)| entries)
}

/// Unpacks a zip into a new folder, and says what is there. It is checked as by [`list_zip`]
/// first, and what comes out is counted: a member that is not as long as the zip says is
/// refused. Files are 0600 and folders 0700, whatever the zip says. It blocks.
///
/// # Errors
/// As [`list_zip`]; `AlreadyExists` if the folder is there. After an error it is not.
pub fn unpack_zip(
    reader: impl Read + Seek,
    folder: &Path,
    limits: &ZipLimits,
) -> Result<Vec<ZipEntry>> {
    let (mut archive, entries) = open(reader, limits)?;
    new_folder(folder)?;
    let unpacked = unpack_all(&mut archive, &entries, folder);
    if let Err(error) = unpacked {
        // Best effort: what stays is inside of a folder that was made here.
        let _ = std::fs::remove_dir_all(folder);
        return Err(error);
    }
    Ok(entries)
}

type Archive<R> = ZipArchive<Metered<R>>;

fn open<R: Read + Seek>(reader: R, limits: &ZipLimits) -> Result<(Archive<R>, Vec<ZipEntry>)> {
    // The list is read whole when a zip is opened, so what may be read is bounded before.
    let allowance = Allowance::new(limits.list_bytes);
    let metered = Metered { inner: reader, allowance: allowance.clone() };
    let mut archive = ZipArchive::new(metered).map_err(|error| match allowance.is_spent() {
        true => {
            too_much("the list of the zip's members is too long").with("limit", limits.list_bytes)
        }
        false => no_zip(error),
    })?;
    if archive.has_duplicate_names() {
        return Err(invalid("a path is in the zip twice"));
    }
    if archive.len() > limits.members {
        return Err(too_much("the zip has too many members").with("limit", limits.members));
    }
    // The header of each member is read with its name, and none of the bytes: the list has a
    // bound already, and what comes out is counted.
    allowance.set(u64::MAX);
    let entries = entries(&mut archive, limits)?;
    if archive.has_overlapping_entries().map_err(no_zip)? {
        return Err(invalid("members of the zip share their bytes"));
    }
    Ok((archive, entries))
}

fn entries<R: Read + Seek>(archive: &mut Archive<R>, limits: &ZipLimits) -> Result<Vec<ZipEntry>> {
    let mut checked = Checked::default();
    for at in 0..archive.len() {
        let member = archive.by_index_data(at).map_err(no_zip)?;
        let name = member.name().map_err(no_zip)?;
        let named = |error: Error| error.with("member", format!("{:?}", shortened(&name)));
        let path = name.strip_suffix('/').unwrap_or(&name).parse::<EntryPath>();
        let path = path.map_err(|error| named(invalid(error.message())))?;
        if member.is_symlink() || !(member.is_dir() || member.is_file()) {
            return Err(named(invalid("a member of the zip is a link")));
        }
        if member.encrypted() {
            return Err(named(invalid("a member of the zip is encrypted")));
        }
        let methods = [CompressionMethod::Stored, CompressionMethod::Deflated];
        if !methods.contains(&member.compression()) {
            return Err(named(invalid("a member is compressed in a way that is not read here")));
        }
        let is_directory = name.ends_with('/');
        if is_directory && member.size() > 0 {
            return Err(named(invalid("a directory in the zip has bytes")));
        }
        let kind = match is_directory {
            true => NodeKind::Directory,
            false => NodeKind::File { size: member.size() },
        };
        checked.add(path, kind, limits).map_err(named)?;
    }
    Ok(checked.entries)
}

/// Members that fit together.
#[derive(Default)]
struct Checked {
    entries: Vec<ZipEntry>,
    /// Every path that is named or has something in it, and whether it is a directory.
    taken: HashMap<EntryPath, Taken>,
    total: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Taken {
    File,
    Directory,
    /// Only something in it was named so far.
    Implied,
}

impl Checked {
    fn add(&mut self, path: EntryPath, kind: NodeKind, limits: &ZipLimits) -> Result<()> {
        if let NodeKind::File { size } = kind {
            self.total = self.total.saturating_add(size);
        }
        if self.total > limits.total_bytes {
            let error = too_much("the files of the zip are too large together");
            return Err(error.with("limit", limits.total_bytes));
        }
        let own = match kind {
            NodeKind::Directory => Taken::Directory,
            NodeKind::File { .. } => Taken::File,
        };
        match (self.taken.insert(path.clone(), own), own) {
            (None, _) | (Some(Taken::Implied), Taken::Directory) => {}
            (Some(_), _) => return Err(invalid("a path is in the zip twice")),
        }
        let mut outer = path.parent();
        while let Some(directory) = outer {
            match self.taken.get(&directory) {
                Some(Taken::File) => return Err(invalid("a file in the zip has files in it")),
                Some(_) => break,
                None => {
                    self.taken.insert(directory.clone(), Taken::Implied);
                }
            }
            outer = directory.parent();
        }
        self.entries.push(ZipEntry { path, kind });
        Ok(())
    }
}

fn unpack_all<R: Read + Seek>(
    archive: &mut Archive<R>,
    entries: &[ZipEntry],
    folder: &Path,
) -> Result<()> {
    for (at, entry) in entries.iter().enumerate() {
        let target = folder.join(entry.path.as_str());
        let failed = |error: io::Error| io_error("unpack", &target, error);
        let NodeKind::File { size } = entry.kind else {
            folders(&target).map_err(failed)?;
            continue;
        };
        if let Some(parent) = target.parent() {
            folders(parent).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&target)
            .map_err(failed)?;
        let mut member = archive.by_index(at).map_err(no_zip)?;
        // One byte more shows that it is longer.
        let copied = copy(&mut member.by_ref().take(size.saturating_add(1)), &mut file)
            .map_err(|error| error.with("member", &entry.path))?;
        if copied != size {
            return Err(invalid("a member is not as long as the zip says")
                .with("member", &entry.path)
                .with("size", size));
        }
    }
    Ok(())
}

/// Errors of reading are those of the zip, errors of writing those of the disk.
fn copy(from: &mut impl Read, to: &mut File) -> Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut copied = 0;
    loop {
        let count = from.read(&mut buffer).map_err(|error| no_zip(error.into()))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(copied);
        };
        io::Write::write_all(to, bytes)
            .map_err(|error| io_error("unpack", Path::new(""), error))?;
        copied += count as u64;
    }
}

fn new_folder(folder: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(folder).map_err(|error| io_error("unpack", folder, error))
}

fn folders(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

fn shortened(name: &str) -> String {
    name.chars().take(128).collect()
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read a zip", why)
}

fn too_much(why: &str) -> Error {
    Error::new(ErrorKind::LimitExceeded, "read a zip", why)
}

fn no_zip(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            invalid("the zip ends too early")
        }
        ZipError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::PermissionDenied, "read a zip", error.to_string())
        }
        error => invalid("this is no zip that can be read").with("reason", &error).caused_by(error),
    }
}

/// How many bytes may be read still.
#[derive(Clone)]
struct Allowance(Arc<AtomicU64>);

impl Allowance {
    fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A reader that ends with an error once its allowance is spent.
struct Metered<R> {
    inner: R,
    allowance: Allowance,
}

#[derive(Debug)]
struct Spent;

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("more is read than is allowed")
    }
}

impl std::error::Error for Spent {}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.0.load(Ordering::Relaxed);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other(Spent));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.allowance.set(left.saturating_sub(count as u64));
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
