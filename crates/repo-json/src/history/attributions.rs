//! Who wrote versions, from what is in memory and from the files.

use std::sync::Arc;

use repo_core::{Attribution, EntityId, Result, Version};

use super::file::HistoryFile;
use super::kept::{History, Was};
use super::version_key::VersionKey;
use crate::documents::Documents;

/// What a history knows at one moment of who wrote some versions.
#[derive(Debug)]
pub(crate) struct AttributionsView {
    documents: Documents,
    /// The newest first.
    files: Vec<Arc<HistoryFile>>,
    /// With what is in memory of each.
    keys: Vec<(VersionKey, Option<Was>)>,
}

impl History {
    /// What is needed to read who wrote these versions.
    pub(crate) fn attributions<'v>(
        &self,
        documents: Documents,
        of: impl Iterator<Item = (&'v EntityId, Version)>,
    ) -> AttributionsView {
        let key = |(id, version): (&EntityId, Version)| {
            let key = VersionKey::new(id.as_str(), version.get()).attributing();
            let recent = self.recent.get(&key).map(|recent| recent.was);
            (key, recent)
        };
        let files = self.files.iter().rev().cloned().collect();
        AttributionsView { documents, files, keys: of.map(key).collect() }
    }
}

impl AttributionsView {
    /// Those of the versions that this is a view of, in their order.
    pub(crate) fn read(&self) -> Result<Vec<Option<Attribution>>> {
        self.keys.iter().map(|(key, recent)| self.read_one(key, *recent)).collect()
    }

    fn read_one(&self, key: &VersionKey, recent: Option<Was>) -> Result<Option<Attribution>> {
        match recent {
            Some(Was::Record(slot, _)) => {
                return self.documents.read(&slot)?.deserialize().map(Some);
            }
            Some(_) => return Ok(None),
            None => {}
        }
        for file in &self.files {
            let mut lines = file.lines_from(key)?;
            if let Some(line) = lines.next()?.filter(|line| line.key == *key) {
                return lines.attribution(&line);
            }
        }
        Ok(None)
    }
}
