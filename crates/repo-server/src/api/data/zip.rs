//! A directory as the members of a zip, read from top to bottom.
//!
//! In memory are one page of names for each directory on the way down, and a number for each
//! member that was given.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_blob::{ByteRange, ByteStream};
use repo_core::{EntityId, ErrorKind, Result};
use repo_data::directory::{EntryPath, MAX_NAME_BYTES, ZipContent, ZipMember, zip_stream};
use repo_data::model::{Content, Entry, EntryKind, EntryStatus, Owner};
use repo_data::{EntryFilter, PageRequest};

use crate::state::App;

/// Names that are read at once.
const PAGE: usize = 100;

/// One zip of a directory with what the reader may read of it; everything without one.
///
/// # Errors
/// Those of the first page; later ones end the stream.
pub(super) async fn zip_of(
    app: &Arc<App>,
    directory: &EntityId,
    reader: Option<Owner>,
) -> Result<ByteStream<'static>> {
    let mut walk = Walk { app: Arc::clone(app), reader, levels: Vec::new(), given: HashSet::new() };
    let mut root = Level::new(directory.clone(), None);
    walk.read_page(&mut root).await?;
    walk.levels.push(root);
    let members = stream::try_unfold(walk, |mut walk| async move {
        Ok(walk.next().await?.map(|member| (member, walk)))
    });
    Ok(zip_stream(members.boxed()))
}

/// Where the walk is.
struct Walk {
    app: Arc<App>,
    reader: Option<Owner>,
    levels: Vec<Level>,
    /// Digests of the paths that were given: none is given twice.
    given: HashSet<u64>,
}

/// A directory on the way down.
struct Level {
    id: EntityId,
    /// Nothing for the directory that was asked for.
    path: Option<EntryPath>,
    names: VecDeque<EntityId>,
    /// Where the next page begins.
    cursor: Option<String>,
    begun: bool,
    empty: bool,
}

impl Level {
    fn new(id: EntityId, path: Option<EntryPath>) -> Self {
        Self { id, path, names: VecDeque::new(), cursor: None, begun: false, empty: true }
    }
}

impl Walk {
    async fn next(&mut self) -> Result<Option<ZipMember>> {
        while let Some(mut level) = self.levels.pop() {
            if let Some(id) = level.names.pop_front() {
                let path = level.path.clone();
                self.levels.push(level);
                if let Some(member) = self.member(&id, path.as_ref()).await? {
                    return Ok(Some(member));
                }
            } else if !level.begun || level.cursor.is_some() {
                self.read_page(&mut level).await?;
                self.levels.push(level);
            } else if let Some(path) = level.path.filter(|_| level.empty) {
                return Ok(Some(ZipMember { path, content: ZipContent::Directory }));
            }
        }
        Ok(None)
    }

    async fn read_page(&self, level: &mut Level) -> Result<()> {
        let filter = EntryFilter {
            reader: self.reader.clone(),
            parent: Some(level.id.clone()),
            status: Some(EntryStatus::Active),
            ..EntryFilter::default()
        };
        let page = PageRequest { limit: Some(PAGE), cursor: level.cursor.take() };
        let page = self.app.data.list_entries(&filter, &page).await?;
        level.empty &= page.items.is_empty();
        level.names.extend(page.items.into_iter().map(|found| found.value.id));
        level.cursor = page.next;
        level.begun = true;
        Ok(())
    }

    /// An entry as a member; nothing for a directory, which is gone into, for what is outside,
    /// and for what was deleted since its name was read.
    async fn member(
        &mut self,
        id: &EntityId,
        within: Option<&EntryPath>,
    ) -> Result<Option<ZipMember>> {
        let entry = match self.app.data.entry(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found?.value,
        };
        let may = self.reader.as_ref().is_none_or(|reader| entry.may_be_read_by(reader));
        if entry.status != EntryStatus::Active || !may || entry.kind == EntryKind::Outside {
            return Ok(None);
        }
        let path = self.path_of(&entry, within)?;
        if entry.kind == EntryKind::Directory {
            self.levels.push(Level::new(entry.id, Some(path)));
            return Ok(None);
        }
        Ok(self.bytes_of(entry.content).await?.map(|bytes| {
            let content = ZipContent::File(bytes);
            ZipMember { path, content }
        }))
    }

    async fn bytes_of(&self, content: Content) -> Result<Option<ByteStream<'static>>> {
        Ok(match content {
            Content::Inline(text) => Some(stream::iter([Ok(Bytes::from(text))]).boxed()),
            Content::Stored(blob) | Content::Spilled(blob) => {
                Some(self.app.data.open_blob(&blob.key, ByteRange::WHOLE).await?.bytes)
            }
            Content::Nothing | Content::Awaited { .. } | Content::Outside { .. } => None,
        })
    }

    /// The place of an entry. Of two with one name the second has its id behind the name.
    fn path_of(&mut self, entry: &Entry, within: Option<&EntryPath>) -> Result<EntryPath> {
        let below = |name: &str| match within {
            Some(directory) => directory.child(name),
            None => name.parse(),
        };
        let name = safe_name(&entry.name);
        let path = below(&name)?;
        if self.given.insert(digest(&path)) {
            return Ok(path);
        }
        let mut end = name.len().min(MAX_NAME_BYTES - entry.id.as_str().len().min(200) - 1);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let path = below(&safe_name(&format!("{} {}", &name[..end], entry.id)))?;
        self.given.insert(digest(&path));
        Ok(path)
    }
}

fn digest(path: &EntryPath) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// The name of an entry as the name of a file on every system.
fn safe_name(name: &str) -> String {
    let mut safe: String = name
        .chars()
        .map(|c| if c.is_control() || matches!(c, '/' | '\\') { '_' } else { c })
        .collect();
    let mut end = safe.len().min(MAX_NAME_BYTES);
    while !safe.is_char_boundary(end) {
        end -= 1;
    }
    safe.truncate(end);
    if matches!(safe.as_str(), "" | "." | "..") { "_".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_an_entry_is_a_name_in_a_zip() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\0b", "x\ny", &"é".repeat(400), "plain"] {
            let safe = safe_name(name);
            assert_eq!(safe.parse::<EntryPath>().unwrap().as_str(), safe, "{name:?}");
        }
        assert_eq!(safe_name("../etc"), ".._etc");
    }
}
