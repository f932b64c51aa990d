//! What records of a collection were before, while its history is kept.
//!
//! A commit writes nothing for it: what it replaces stays where it is, in the data file
//! or in the journal, and its place is remembered until the next checkpoint
//! ([`History`]). That writes it into a file of the folder `.history`, ordered by id,
//! the newest version of each first, so that a version is found by a search over the
//! bytes of the file ([`file`]). Who wrote a version, where somebody said so, is a change
//! of the journal and then a line of its own, behind that of the version. Of two files that have a version the newer one
//! counts. A checkpoint merges files, so that each is larger than all newer ones
//! together and there are few ([`write`]).

mod attributions;
mod check;
mod file;
mod files;
mod kept;
mod line;
mod read;
mod version_key;
mod write;

pub(crate) use check::{check_file, stands_there};
pub(crate) use file::{FileHead, HistoryFile};
pub(crate) use files::{refuse_links, remove_unlisted, set_aside};
pub(crate) use kept::{History, HistoryHead};
pub(crate) use read::Below;
pub(crate) use write::{FilesOf, write_files};
