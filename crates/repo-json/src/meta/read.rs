//! Reading `.meta`.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind as IoKind};
use std::path::Path;

use repo_core::{CollectionName, Error, ErrorKind, MigrationState, Result};

use super::{CollectionHead, LAYOUT_VERSION, MAGIC, Meta, MetaCollection, MetaFile, NO_FILE};
use crate::codec::SummedReader;
use crate::errors;
use crate::folder::{self, Signature};
use crate::snapshot::Form;
use crate::table::{Place, Slot, Table};

/// Bytes read at once.
const CHUNK: usize = 256 * 1_024;
/// Longest text besides the state of a migration.
const LONGEST_TEXT: u32 = 4_096;
/// Fewest bytes of a record.
const SMALLEST_RECORD: u64 = 58;

type Reader = SummedReader<BufReader<File>>;

/// Reads `.meta` and checks it; `None` when there is none.
///
/// # Errors
/// `Unsupported` for a newer layout, `Corrupt` for anything malformed.
pub(crate) fn read_meta(path: &Path) -> Result<Option<Meta>> {
    let Some(file) = folder::open_if_there(path)? else { return Ok(None) };
    let len = Signature::of_file(&file, path)?.len;
    let mut reader = SummedReader::new(BufReader::with_capacity(CHUNK, file));
    check_layout(&mut reader, path)?;
    let read = read_body(&mut reader, len);
    let at = reader.read_so_far();
    match read {
        Ok(Some(meta)) => Ok(Some(meta)),
        Ok(None) => Err(damaged(path, at, "the checksum does not hold")),
        Err(e) if e.kind() == IoKind::UnexpectedEof => Err(damaged(path, at, "it ends too early")),
        Err(e) if e.kind() == IoKind::InvalidData => Err(damaged(path, at, "it is malformed")),
        Err(e) => Err(errors::io("read .meta", path, e)),
    }
}

fn damaged(path: &Path, byte: u64, what: &str) -> Error {
    errors::corrupt("open the store", path, byte, &format!("the file .meta is damaged: {what}"))
        .hint(
            "put the folder back from a backup; or run `repoctl resolve --keep file`: the data \
             files are then taken as they are, without tombstones, and versions begin at 1 again",
        )
}

fn check_layout(reader: &mut Reader, path: &Path) -> Result<()> {
    let head = reader.array::<8>().and_then(|magic| Ok((magic, reader.u32()?)));
    match head {
        Ok((magic, LAYOUT_VERSION)) if magic == *MAGIC => Ok(()),
        Ok((magic, newer)) if magic == *MAGIC && newer > LAYOUT_VERSION => Err(Error::new(
            ErrorKind::Unsupported,
            "open the store",
            "the store was written in a newer layout",
        )
        .with("file", path.display())
        .with("layout", newer)
        .with("known", LAYOUT_VERSION)
        .hint("use the version of this software that wrote it, or a later one")),
        Ok(_) => Err(damaged(path, 0, "it does not begin as it should")),
        Err(e) if e.kind() == IoKind::UnexpectedEof => Err(damaged(path, 0, "it ends too early")),
        Err(e) => Err(errors::io("read .meta", path, e)),
    }
}

/// `None` when the checksum at the end does not hold.
fn read_body(reader: &mut Reader, len: u64) -> io::Result<Option<Meta>> {
    let generation = reader.u64()?;
    let epoch = reader.u64()?;
    let migration = match reader.array::<1>()? {
        [0] => None,
        _ => {
            Some(MigrationState { plan: reader.text(u32::MAX)?, progress: reader.text(u32::MAX)? })
        }
    };
    let collections: Vec<MetaCollection> =
        (0..reader.u32()?).map(|_| read_collection(reader, len)).collect::<io::Result<_>>()?;
    let files: Vec<MetaFile> =
        (0..reader.u32()?).map(|_| read_file(reader)).collect::<io::Result<_>>()?;
    let crc = reader.crc();
    let sound = reader.u32()? == crc;
    let known = |file: usize| file < files.len();
    let linked = collections.iter().all(|c| c.head.file.is_none_or(known));
    Ok((sound && linked).then_some(Meta { generation, epoch, migration, collections, files, crc }))
}

fn invalid() -> io::Error {
    io::Error::from(IoKind::InvalidData)
}

fn read_collection(reader: &mut Reader, len: u64) -> io::Result<MetaCollection> {
    let name = CollectionName::new(&reader.text(LONGEST_TEXT)?).map_err(|_| invalid())?;
    let schema_version = reader.u32()?;
    let floor = reader.u64()?;
    let shape = reader.u64()?;
    let file = match reader.u32()? {
        NO_FILE => None,
        file => Some(file as usize),
    };
    let records = reader.u64()?;
    let mut table = Table::default();
    table.reserve(usize::try_from(records.min(len / SMALLEST_RECORD)).unwrap_or(0));
    for _ in 0..records {
        read_record(reader, &mut table)?;
    }
    let head = CollectionHead { name, schema_version, floor, shape, file };
    Ok(MetaCollection { head, table })
}

fn read_record(reader: &mut Reader, table: &mut Table) -> io::Result<()> {
    let [version, created_at, updated_at, offset] =
        [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
    let len = reader.u32()?;
    let place = match reader.array::<1>()? {
        [0] => Place::Tombstone,
        [1] => Place::Data,
        _ => return Err(invalid()),
    };
    let digest = reader.array()?;
    let id = reader.text(LONGEST_TEXT)?;
    if !table.is_behind_all(&id) {
        return Err(invalid());
    }
    let (created_at, updated_at) = (created_at.cast_signed(), updated_at.cast_signed());
    table.push(&id, Slot { version, created_at, updated_at, offset, len, place }, digest);
    Ok(())
}

fn read_file(reader: &mut Reader) -> io::Result<MetaFile> {
    let name = reader.text(LONGEST_TEXT)?;
    let form = Form::from_code(u8::from_le_bytes(reader.array()?)).ok_or_else(invalid)?;
    let len = reader.u64()?;
    let mtime_secs = reader.u64()?.cast_signed();
    let mtime_nanos = reader.u32()?;
    let inode = reader.u64()?;
    let signature = Signature { len, mtime_secs, mtime_nanos, inode };
    Ok(MetaFile { name, form, signature, digest: reader.array()? })
}
