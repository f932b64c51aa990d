//! Reading `.meta`.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind as IoKind, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use plain_json::Signature;
use repo_core::strategy::{
    Action, Capture, RoleState, StoreId, StoredJob, SystemCollection, SystemItemMap,
};
use repo_core::{CollectionName, Error, ErrorKind, Result};

use super::{
    CollectionHead, MAGIC, Meta, MetaCollection, MetaFile, NO_FILE, NO_ROLE, PACKED_LAYOUT,
    ROLE_FOLLOWS,
};
use crate::codec::{SummedReader, Take};
use crate::errors;
use crate::feed_record::FeedRecord;
use crate::folder::{self};
use crate::history::{FileHead, HistoryHead};
use crate::journal::history_of;
use crate::packed::{IS_BUILT_IN, Packing};
use crate::snapshot::Form;
use crate::table::{Place, Slot, Table};

/// Bytes read at once.
const CHUNK: usize = 256 * 1_024;
/// Longest text besides the state of a migration.
const LONGEST_TEXT: u32 = 4_096;
/// Longest value of an item.
const LONGEST_VALUE: u32 = 65_536;
/// Bytes of a record before its id.
const RECORD_HEAD: usize = 57;
/// Bytes of the checksum at the end.
const CHECKSUM: u64 = 4;

/// Reads `.meta` and checks it; `None` when there is none.
///
/// # Errors
/// `Unsupported` for a newer layout, `Corrupt` for anything malformed.
pub(crate) fn read_meta(path: &Path) -> Result<Option<Meta>> {
    let Some(file) = folder::open_if_there(path)? else { return Ok(None) };
    let len = Signature::of_file(&file, path)?.len.saturating_sub(CHECKSUM);
    let summed = SummedReader::new((&file).take(len));
    let mut reader = Reader { inner: BufReader::with_capacity(CHUNK, summed), len, id: Vec::new() };
    let layout = check_layout(&mut reader, path)?;
    let read = read_body(&mut reader, layout);
    let at = reader.at();
    match read.and_then(|meta| check_sum(&mut reader, &file, meta)) {
        Ok(Some(meta)) => Ok(Some(meta)),
        Ok(None) => Err(damaged(path, at, "the checksum does not hold")),
        Err(e) if e.kind() == IoKind::UnexpectedEof => Err(damaged(path, at, "it ends too early")),
        Err(e) if e.kind() == IoKind::InvalidData => Err(damaged(path, at, "it is malformed")),
        Err(e) => Err(errors::io("read .meta", path, e)),
    }
}

/// The body of `.meta`, which ends before the checksum.
struct Reader<'f> {
    inner: BufReader<SummedReader<io::Take<&'f File>>>,
    /// Bytes of the body.
    len: u64,
    /// Room for an id.
    id: Vec<u8>,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Text of at most `limit` bytes with its length before it.
    fn text(&mut self, limit: u32) -> io::Result<String> {
        let len = self.u32()?;
        if len > limit || u64::from(len) > self.len {
            return Err(invalid());
        }
        let mut bytes = vec![0; len as usize];
        self.inner.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| invalid())
    }

    /// How far the body was read.
    fn at(&self) -> u64 {
        self.inner.get_ref().read_so_far().saturating_sub(self.inner.buffer().len() as u64)
    }
}

fn damaged(path: &Path, byte: u64, what: &str) -> Error {
    errors::corrupt("open the store", path, byte, &format!("the file .meta is damaged: {what}"))
        .hint(format!(
            "put the folder back from a backup; or run {}: the data files are then taken as they \
             are, without tombstones, and versions begin at 1 again",
            Action::KeepFile
        ))
}

/// The layout, one that this software knows.
fn check_layout(reader: &mut Reader<'_>, path: &Path) -> Result<u32> {
    let head = reader.array::<8>().and_then(|magic| Ok((magic, reader.u32()?)));
    match head {
        Ok((magic, PACKED_LAYOUT)) if magic == *MAGIC && !IS_BUILT_IN => {
            Err(errors::without_compression("open the store").with("file", path.display()))
        }
        Ok((magic, layout @ 1..=PACKED_LAYOUT)) if magic == *MAGIC => Ok(layout),
        Ok((magic, newer)) if magic == *MAGIC && newer > PACKED_LAYOUT => Err(Error::new(
            ErrorKind::Unsupported,
            "open the store",
            "the store was written in a newer layout",
        )
        .with("file", path.display())
        .with("layout", newer)
        .with("known", PACKED_LAYOUT)
        .hint("use the version of this software that wrote it, or a later one")),
        Ok(_) => Err(damaged(path, 0, "it does not begin as it should")),
        Err(e) if e.kind() == IoKind::UnexpectedEof => Err(damaged(path, 0, "it ends too early")),
        Err(e) => Err(errors::io("read .meta", path, e)),
    }
}

fn read_body(reader: &mut Reader<'_>, layout: u32) -> io::Result<Meta> {
    let packing = Packing::of_setting(layout == PACKED_LAYOUT);
    let generation = reader.u64()?;
    let id = if layout == 1 { None } else { Some(StoreId::from_bytes(reader.array()?)) };
    let role = match reader.u64()? {
        NO_ROLE => RoleState::default(),
        ROLE_FOLLOWS => read_role(reader)?,
        _ => return Err(invalid()),
    };
    let job = match reader.array::<1>()? {
        [0] => None,
        _ => {
            let (plan, progress) = (reader.text(u32::MAX)?, reader.text(u32::MAX)?);
            Some(StoredJob { plan, progress }.into())
        }
    };
    let (feed, items, histories) = match layout {
        ..3 => (None, SystemItemMap::default(), Vec::new()),
        _ => (Some(read_feed(reader)?), read_items(reader)?, read_histories(reader)?),
    };
    let collections: Vec<MetaCollection> =
        (0..reader.u32()?).map(|_| read_collection(reader)).collect::<io::Result<_>>()?;
    let files: Vec<MetaFile> =
        (0..reader.u32()?).map(|_| read_file(reader, packing)).collect::<io::Result<_>>()?;
    let known = |file: usize| file < files.len();
    let is_there = |name: &CollectionName| collections.iter().any(|c| c.head.name == *name);
    if !collections.iter().all(|c| c.head.file.is_none_or(known))
        || !histories.iter().all(|history| is_there(&history.name))
    {
        return Err(invalid());
    }
    Ok(Meta {
        generation,
        id,
        packing,
        role,
        job,
        feed,
        items,
        histories,
        collections,
        files,
        crc: 0,
    })
}

fn read_role(reader: &mut Reader<'_>) -> io::Result<RoleState> {
    serde_json::from_str(&reader.text(LONGEST_VALUE)?).map_err(|_| invalid())
}

fn read_feed(reader: &mut Reader<'_>) -> io::Result<FeedRecord> {
    let (base, head, trimmed) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let mut capture = Capture::default();
    capture.generation = reader.u64()?;
    for _ in 0..reader.u32()? {
        capture.holders.insert(reader.text(LONGEST_TEXT)?.parse().map_err(|_| invalid())?);
    }
    Ok(FeedRecord { capture, base, head, trimmed })
}

fn read_items(reader: &mut Reader<'_>) -> io::Result<SystemItemMap> {
    let mut items = SystemItemMap::default();
    for _ in 0..reader.u64()? {
        let collection =
            SystemCollection::named(&reader.text(LONGEST_TEXT)?).ok_or_else(invalid)?;
        let (key, value) = (reader.text(LONGEST_TEXT)?, reader.text(LONGEST_VALUE)?);
        items.set(collection, &key, Some(&value));
    }
    Ok(items)
}

fn read_histories(reader: &mut Reader<'_>) -> io::Result<Vec<HistoryHead>> {
    (0..reader.u32()?).map(|_| read_history(reader)).collect()
}

fn read_history(reader: &mut Reader<'_>) -> io::Result<HistoryHead> {
    let name = CollectionName::new(&reader.text(LONGEST_TEXT)?).map_err(|_| invalid())?;
    let since = reader.u64()?.cast_signed();
    let [has_age] = reader.array::<1>()?;
    let kept = history_of(since, has_age != 0, reader.u64()?, reader.u32()?).ok_or_else(invalid)?;
    let file = |reader: &mut Reader<'_>| {
        Ok(FileHead {
            generation: reader.u64()?,
            len: reader.u64()?,
            lines: reader.u64()?,
            longest: reader.u64()?,
            crc: reader.u32()?,
        })
    };
    let files = (0..reader.u32()?).map(|_| file(reader)).collect::<io::Result<_>>()?;
    Ok(HistoryHead { name, kept, files })
}

/// `None` when the checksum at the end does not hold, or is not the end.
fn check_sum(reader: &mut Reader<'_>, file: &File, meta: Meta) -> io::Result<Option<Meta>> {
    let at_end = reader.inner.read(&mut [0])? == 0;
    let crc = reader.inner.get_ref().crc();
    let mut stored = [0; CHECKSUM as usize];
    file.read_exact_at(&mut stored, reader.len)?;
    let sound = at_end && u32::from_le_bytes(stored) == crc;
    Ok(sound.then_some(Meta { crc, ..meta }))
}

fn invalid() -> io::Error {
    io::Error::from(IoKind::InvalidData)
}

fn read_collection(reader: &mut Reader<'_>) -> io::Result<MetaCollection> {
    let name = CollectionName::new(&reader.text(LONGEST_TEXT)?).map_err(|_| invalid())?;
    let schema_version = reader.u32()?;
    let floor = reader.u64()?;
    let shape = reader.u64()?;
    let file = match reader.u32()? {
        NO_FILE => None,
        file => Some(file as usize),
    };
    let records = reader.u64()?;
    let possible = reader.len / RECORD_HEAD as u64;
    let mut table = Table::default();
    table.reserve(usize::try_from(records.min(possible)).unwrap_or(0));
    for _ in 0..records {
        read_record(reader, &mut table)?;
    }
    let head = CollectionHead { name, schema_version, floor, shape, file };
    Ok(MetaCollection { head, table })
}

fn read_record(reader: &mut Reader<'_>, table: &mut Table) -> io::Result<()> {
    let head: [u8; RECORD_HEAD] = reader.array()?;
    let mut take = Take::new(&head);
    let (slot, digest, id_len) = parse_record(&mut take).ok_or_else(invalid)?;
    if id_len > LONGEST_TEXT {
        return Err(invalid());
    }
    reader.id.resize(id_len as usize, 0);
    reader.inner.read_exact(&mut reader.id)?;
    let id = std::str::from_utf8(&reader.id).map_err(|_| invalid())?;
    if !table.is_behind_all(id) {
        return Err(invalid());
    }
    table.push(id, slot, digest);
    Ok(())
}

/// The fields of a record, and the length of the id behind them.
fn parse_record(take: &mut Take<'_>) -> Option<(Slot, [u8; 16], u32)> {
    let slot = Slot {
        version: take.u64()?,
        created_at: take.i64()?,
        updated_at: take.i64()?,
        offset: take.u64()?,
        len: take.u32()?,
        place: match take.u8()? {
            0 => Place::Tombstone,
            1 => Place::Data,
            _ => return None,
        },
    };
    Some((slot, take.array()?, take.u32()?))
}

fn read_file(reader: &mut Reader<'_>, packing: Packing) -> io::Result<MetaFile> {
    let name = reader.text(LONGEST_TEXT)?;
    if packing == Packing::Zstd && packing.plain_name(&name).is_none() {
        return Err(invalid());
    }
    let form = Form::from_code(u8::from_le_bytes(reader.array()?)).ok_or_else(invalid)?;
    let len = reader.u64()?;
    let mtime_secs = reader.u64()?.cast_signed();
    let mtime_nanos = reader.u32()?;
    let inode = reader.u64()?;
    let signature = Signature { len, mtime_secs, mtime_nanos, inode };
    Ok(MetaFile { name, packing, form, signature, digest: reader.array()? })
}
