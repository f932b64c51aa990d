//! A data file of the store, open: known by its digest, or read anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plain_json::Signature;
use repo_core::strategy::Action;
use repo_core::{CollectionName, Error, Result};

use crate::env::Env;
use crate::meta::MetaFile;
use crate::packed::{Packing, Text};
use crate::snapshot::{FileDigest, Form, scan_file};
use crate::table::Table;
use crate::{errors, folder};

/// An open data file.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    pub(crate) name: String,
    /// Where it is now: a checkpoint that was broken off leaves it beside its
    /// place.
    pub(crate) path: PathBuf,
    pub(crate) packing: Packing,
    pub(crate) form: Form,
    pub(crate) file: Arc<File>,
    /// What stands in it; places of documents are places in this.
    pub(crate) text: Text,
    pub(crate) signature: Signature,
    pub(crate) digest: FileDigest,
}

impl DataFile {
    pub(crate) fn to_meta(&self) -> MetaFile {
        MetaFile {
            name: self.name.clone(),
            packing: self.packing,
            form: self.form,
            signature: self.signature,
            digest: self.digest,
        }
    }

    /// Bytes of its text.
    pub(crate) fn text_len(&self) -> u64 {
        self.text.len().unwrap_or(self.signature.len)
    }
}

/// The collections of a data file.
pub(crate) type Tables = BTreeMap<CollectionName, Table>;

/// Opens a data file if it is the one that `.meta` describes.
pub(crate) fn open_known(path: &Path, file: &MetaFile) -> Result<Option<DataFile>> {
    open_compared(path, file, true)
}

/// The same. `trusted`: an unchanged signature says that the file is
/// unchanged; otherwise the digest is always compared.
pub(crate) fn open_compared(
    path: &Path,
    file: &MetaFile,
    trusted: bool,
) -> Result<Option<DataFile>> {
    let Some(handle) = folder::open_if_there(path)? else { return Ok(None) };
    let signature = Signature::of_file(&handle, path)?;
    if !(trusted && signature == file.signature) && digest_of(&handle, path)? != file.digest {
        return Ok(None);
    }
    let handle = Arc::new(handle);
    let text = Text::open(&handle, signature.len, file.packing)
        .map_err(|error| errors::unpacking(path, error))?;
    Ok(Some(DataFile {
        name: file.name.clone(),
        path: path.to_owned(),
        packing: file.packing,
        form: file.form,
        file: handle,
        text,
        signature,
        digest: file.digest,
    }))
}

/// The digest of a whole file.
pub(crate) fn digest_of(mut file: &File, path: &Path) -> Result<FileDigest> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let failed = |e| errors::io("read a data file", path, e);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut digest = blake3::Hasher::new();
    let mut buffer = vec![0; 256 * 1_024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(*digest.finalize().as_bytes()),
            Ok(len) => digest.update(&buffer[..len]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(e)),
        };
    }
}

pub(crate) fn digest_of_path(path: &Path) -> Result<Option<FileDigest>> {
    folder::open_if_there(path)?.map(|file| digest_of(&file, path)).transpose()
}

/// Reads a data file whose content is not known.
pub(crate) fn scan(
    env: &Env,
    name: &str,
    packing: Packing,
    of: Option<&CollectionName>,
    digests: bool,
) -> Result<Option<(DataFile, Tables)>> {
    let found = scan_with(env, (name, packing), of, digests, false)?;
    Ok(found.map(|found| (found.data, found.tables)))
}

/// What a data file turned out to hold.
pub(crate) struct FoundFile {
    pub(crate) data: DataFile,
    pub(crate) tables: Tables,
    /// Collections in it that were not selected.
    pub(crate) left_out: BTreeSet<CollectionName>,
}

/// The same; it may set entities that break a rule aside.
pub(crate) fn scan_with(
    env: &Env,
    (name, packing): (&str, Packing),
    of: Option<&CollectionName>,
    digests: bool,
    set_aside: bool,
) -> Result<Option<FoundFile>> {
    let path = env.folder.data(name);
    let Some(file) = folder::open_if_there(&path)? else { return Ok(None) };
    let file = Arc::new(file);
    let before = Signature::of_file(&file, &path)?;
    let scanned =
        env.with_rules(digests, set_aside, |rules| scan_file(&file, &path, packing, of, rules));
    if Signature::of_path(&path)? != Some(before) {
        // Half of a file may well be malformed.
        return Err(errors::busy(&path));
    }
    let scanned = scanned?;
    let data = DataFile {
        name: name.to_owned(),
        path,
        packing,
        form: scanned.form,
        file,
        text: scanned.text,
        signature: scanned.signature,
        digest: scanned.digest,
    };
    let (tables, left_out) = (scanned.collections, scanned.left_out);
    Ok(Some(FoundFile { data, tables, left_out }))
}

/// A data file does not hold what `.meta` says of it. With another size or
/// time than it had at opening another program is just rewriting it in place;
/// else it is damaged.
pub(crate) fn not_as_stored(data: &DataFile, byte: u64) -> Error {
    let known = &data.signature;
    let is_rewritten = Signature::of_file(&data.file, &data.path).is_ok_and(|now| {
        (now.len, now.mtime_secs, now.mtime_nanos)
            != (known.len, known.mtime_secs, known.mtime_nanos)
    });
    if is_rewritten {
        return errors::busy(&data.path);
    }
    errors::corrupt(
        "read a data file",
        &data.path,
        byte,
        // Lists of records show the message alone.
        &format!(
            "{} is damaged: its size and time are those it was written with, its content is not",
            data.path.display()
        ),
    )
    .hint(format!(
        "put the folder back from a backup, and check the disk; or run {} to take the file as it is",
        Action::KeepFile
    ))
}
