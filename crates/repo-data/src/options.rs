//! What a service is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use repo_core::{Attribution, Clock, RetryPolicy, SystemClock};

use crate::hooks::Hooks;
use crate::sources::{AllowList, SourceLister};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const MIB: u64 = 1024 * 1024;

/// How a service behaves.
#[derive(Debug, Clone)]
pub struct DataOptions {
    /// How long what was deleted can be restored. 7 days.
    pub retention: Duration,
    /// How long an upload, or an entry without its bytes, may be left alone. A day.
    pub pending_expiry: Duration,
    /// The longest time that one request may take: bytes of a removed blob are looked for
    /// again after it. An hour.
    pub longest_request: Duration,
    /// The folder for uploads that arrive bit by bit; made if it is missing, readable by its
    /// owner alone, and used by one process. Without one such uploads are refused.
    pub spool: Option<PathBuf>,
    /// Most bytes in the spool. 10 GiB.
    pub spool_quota: u64,
    /// Most bytes of one blob. 64 GiB.
    pub max_blob_bytes: u64,
    /// Most bytes of a value or a text that is kept in its record: 64 KiB. Larger ones are
    /// kept in a blob, and come back as if they were not.
    pub spill_above: usize,
    /// Most bytes of a value: 16 MiB. It is in memory when it is written and read.
    pub max_value_bytes: usize,
    /// Which files are kept as text.
    pub inline: InlineText,
    /// How much an owner may keep.
    pub quotas: Quotas,
    /// Which outside sources may be registered. None.
    pub sources: AllowList,
    /// Who lists the files of an outside source when it is registered. Nobody.
    pub lister: Option<Arc<dyn SourceLister>>,
    /// Whether an empty store is made ready when it is opened.
    pub create: bool,
    /// How a commit that met another one is tried again.
    pub retry: RetryPolicy,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who writes, for the history of the store.
    pub attribution: Option<Attribution>,
    /// Where a test stops the service.
    pub hooks: Hooks,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            retention: 7 * DAY,
            pending_expiry: DAY,
            longest_request: Duration::from_secs(3_600),
            spool: None,
            spool_quota: 10 * 1024 * MIB,
            max_blob_bytes: 64 * 1024 * MIB,
            spill_above: 64 * 1024,
            max_value_bytes: 16 * 1024 * 1024,
            inline: InlineText::default(),
            quotas: Quotas::default(),
            sources: AllowList::default(),
            lister: None,
            create: true,
            retry: RetryPolicy::default(),
            clock: Arc::new(SystemClock),
            attribution: None,
            hooks: Hooks::default(),
        }
    }
}

/// Which files are kept as text rather than as a file: those with one of some suffixes, below
/// a size, that are UTF-8 without U+0000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineText {
    /// Fewer bytes than this: 10 MiB.
    pub below: usize,
    /// `.txt`, `.md`, `.csv`, `.json`, `.yaml`, `.yml`; compared without case.
    pub suffixes: Vec<String>,
}

impl Default for InlineText {
    fn default() -> Self {
        let suffixes = ["txt", "md", "csv", "json", "yaml", "yml"];
        Self {
            below: 10 * 1024 * 1024,
            suffixes: suffixes.iter().map(|suffix| format!(".{suffix}")).collect(),
        }
    }
}

impl InlineText {
    /// Whether a file of this name may be text.
    #[must_use]
    pub fn may_be_text(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.suffixes.iter().any(|suffix| name.ends_with(&suffix.to_lowercase()))
    }

    /// The text that a file is kept as; `None` for one that stays a file.
    ///
    /// ```
    /// let rule = repo_data::InlineText::default();
    /// assert_eq!(rule.text_of("notes.MD", b"# hello"), Some("# hello"));
    /// assert_eq!(rule.text_of("notes.md", b"\xff"), None);
    /// assert_eq!(rule.text_of("photo.png", b"text"), None);
    /// ```
    #[must_use]
    pub fn text_of<'a>(&self, name: &str, bytes: &'a [u8]) -> Option<&'a str> {
        if bytes.len() >= self.below || !self.may_be_text(name) {
            return None;
        }
        std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
    }
}

/// How much one owner may keep. It is compared in the commit that adds something, so what arrives
/// at the same moment does not exceed it. A dataset is restored whatever its entries add.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Most bytes; no limit without it. What is deleted and not yet gone counts.
    pub owner_bytes: Option<u64>,
    /// Most entries; no limit without it.
    pub owner_entries: Option<u64>,
}
