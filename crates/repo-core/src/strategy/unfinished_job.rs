//! A job of a store that has not finished, as the store's own record keeps it.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::{CollectionName, Error, ErrorKind, Result};

/// What the text of a clean-up begins with.
const CLEAN_UP: &str = "clean-up:";
/// What the text of a mark begins with.
const MARK: &str = "mark:";
/// What stands between a fingerprint and the holder.
const HOLDER: char = ':';
/// The field of the progress that only an upgrade in place has.
const IN_PLACE: &str = "in_place";
/// Most bytes of a fingerprint.
const MAX_FINGERPRINT_BYTES: usize = 128;

/// What kind of job a store is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobKind {
    /// Records are copied into the store.
    Migration,
    /// What a migration brought elsewhere is removed from the store.
    CleanUp,
    /// The documents of a collection are upgraded where they are.
    Upgrade,
    /// A run finds out whether two handles are on one store. Nothing is
    /// unfinished for it: a mark that a killed run left is overwritten by the
    /// next job.
    Mark,
}

/// Tells one job from another of its kind: 1 to 128 ASCII letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobFingerprint(String);

impl JobFingerprint {
    /// Checks and keeps a fingerprint.
    ///
    /// # Errors
    /// `Invalid` for anything but 1 to 128 ASCII letters and digits.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let fits = (1..=MAX_FINGERPRINT_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits && text != MARK.trim_end_matches(HOLDER) {
            return Ok(Self(text));
        }
        Err(refused("a fingerprint is 1 to 128 ASCII letters and digits, and not `mark`"))
    }

    /// The fingerprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which job it is, and which run holds it. Its `Display` is what a store keeps.
/// One that was read from a store may hold any text: other versions of the
/// program may have written it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JobId {
    /// Its kind.
    pub kind: JobKind,
    /// The same job resumes it; another one is refused.
    pub fingerprint: JobFingerprint,
    /// What is of the run alone that holds the job, where runs take turns.
    pub holder: Option<String>,
}

impl JobId {
    /// A job that no run holds.
    #[must_use]
    pub fn new(kind: JobKind, fingerprint: JobFingerprint) -> Self {
        Self { kind, fingerprint, holder: None }
    }

    /// The same job, held by one run.
    #[must_use]
    pub fn held_by(self, holder: impl Into<String>) -> Self {
        Self { holder: Some(holder.into()), ..self }
    }

    fn read(text: &str, in_place: bool) -> Self {
        let (kind, rest) = match (text.strip_prefix(CLEAN_UP), text.strip_prefix(MARK)) {
            (Some(rest), _) => (JobKind::CleanUp, rest),
            (_, Some(rest)) => (JobKind::Mark, rest),
            _ if in_place => (JobKind::Upgrade, text),
            _ => (JobKind::Migration, text),
        };
        let (fingerprint, holder) = match rest.split_once(HOLDER) {
            Some((fingerprint, holder)) => (fingerprint, Some(holder.to_owned())),
            None => (rest, None),
        };
        Self { kind, fingerprint: JobFingerprint(fingerprint.to_owned()), holder }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.kind {
            JobKind::Migration | JobKind::Upgrade => "",
            JobKind::CleanUp => CLEAN_UP,
            JobKind::Mark => MARK,
        };
        write!(f, "{prefix}{}", self.fingerprint)?;
        match &self.holder {
            Some(holder) => write!(f, "{HOLDER}{holder}"),
            None => Ok(()),
        }
    }
}

/// A job that has not finished, kept in the store that it changes.
///
/// The progress is opaque here. The run that holds a job, its lease and how far
/// it is have stood in one JSON text since the first layout, written by the
/// program that does the job and read by every version of it; taken apart and
/// written again by the core, that text would change its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredJob", into = "StoredJob")]
pub struct UnfinishedJob {
    id: JobId,
    progress: String,
}

impl UnfinishedJob {
    /// A job and how far it is: JSON text of the program that does it, without
    /// secrets.
    ///
    /// # Errors
    /// `Invalid` when the progress is that of an upgrade (it has a field
    /// `in_place`) and the job is none, or the other way round: it would be read
    /// back as another job.
    pub fn new(id: JobId, progress: impl Into<String>) -> Result<Self> {
        let job = Self { id, progress: progress.into() };
        let read_back = Self::from(StoredJob::from(job.clone()));
        if read_back == job {
            return Ok(job);
        }
        Err(refused("the progress is not that of this kind of job").with("job", &job.id))
    }

    /// Which job it is.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        self.id.kind
    }

    /// How far it is, as [`new`](Self::new) was given it.
    #[must_use]
    pub fn progress(&self) -> &str {
        &self.progress
    }
}

/// The two texts that every store keeps of a job, for strategies. They are the
/// same since the first layout: programs of every version read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredJob {
    /// Kind, fingerprint and holder.
    pub plan: String,
    /// How far it is.
    pub progress: String,
}

impl From<StoredJob> for UnfinishedJob {
    fn from(stored: StoredJob) -> Self {
        let id = JobId::read(&stored.plan, is_in_place(&stored.progress));
        Self { id, progress: stored.progress }
    }
}

impl From<UnfinishedJob> for StoredJob {
    fn from(job: UnfinishedJob) -> Self {
        Self { plan: job.id.to_string(), progress: job.progress }
    }
}

/// Whether this is the progress of an upgrade in place. Damaged text that names
/// the field counts as one: documents of two schema versions may stand beside
/// each other then, and no other job may drop that.
fn is_in_place(progress: &str) -> bool {
    #[derive(Deserialize)]
    struct Progress {
        in_place: Option<IgnoredAny>,
    }
    if !progress.contains(IN_PLACE) {
        return false;
    }
    serde_json::from_str(progress).map_or(true, |read: Progress| read.in_place.is_some())
}

/// Checks the condition of [`StoreUpdate::Job`](crate::strategy::StoreUpdate::Job):
/// that the stored job is the expected one. A caller that expects none may
/// overwrite a mark.
///
/// # Errors
/// `Locked` otherwise.
pub fn check_job(stored: Option<&UnfinishedJob>, expected: Option<&JobId>) -> Result<()> {
    let is_mark = stored.is_some_and(|job| job.kind() == JobKind::Mark);
    if stored.map(UnfinishedJob::id) == expected || (expected.is_none() && is_mark) {
        return Ok(());
    }
    let shown = |id: Option<&JobId>| id.map_or_else(|| "none".to_owned(), JobId::to_string);
    Err(Error::new(
        ErrorKind::Locked,
        "update the store's record",
        "the unfinished job kept in this store is another one",
    )
    .with("stored", shown(stored.map(UnfinishedJob::id)))
    .with("expected", shown(expected)))
}

/// Checks that tombstones may be purged: not while a migration into the store or
/// an upgrade is unfinished, for they may be what keeps deleted entities away. A
/// clean-up purges the tombstones that it makes.
///
/// # Errors
/// `Locked` otherwise.
pub fn check_purge(stored: Option<&UnfinishedJob>, collection: &CollectionName) -> Result<()> {
    match stored.map(UnfinishedJob::kind) {
        None | Some(JobKind::CleanUp | JobKind::Mark) => Ok(()),
        Some(JobKind::Migration | JobKind::Upgrade) => {
            Err(Error::new(ErrorKind::Locked, "purge", "a migration into this store is unfinished")
                .with("collection", collection)
                .hint("finish the migration first: run it again"))
        }
    }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "keep an unfinished job", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "5f2c1f0d9b3a47e68d1c0b9a8f7e6d5c4b3a29181706f5e4d3c2b1a09f8e7d6c";
    const TOKEN: &str = "00112233445566778899aabbccddeeff";

    fn fingerprint(text: &str) -> JobFingerprint {
        JobFingerprint::new(text).unwrap()
    }

    /// Each kind with the bytes that every store keeps of it.
    fn kinds() -> [(UnfinishedJob, String); 4] {
        let job = |id: JobId, progress: &str| UnfinishedJob::new(id, progress).unwrap();
        let held = |kind| JobId::new(kind, fingerprint(HASH)).held_by(TOKEN);
        [
            (
                job(held(JobKind::Migration), r#"{"format":1,"into_empty":true}"#),
                format!(
                    r#"{{"plan":"{HASH}:{TOKEN}","progress":"{{\"format\":1,\"into_empty\":true}}"}}"#
                ),
            ),
            (
                job(held(JobKind::Upgrade), r#"{"format":2,"in_place":{"from":1}}"#),
                format!(
                    r#"{{"plan":"{HASH}:{TOKEN}","progress":"{{\"format\":2,\"in_place\":{{\"from\":1}}}}"}}"#
                ),
            ),
            (
                job(JobId::new(JobKind::CleanUp, fingerprint(HASH)), r#"{"format":1}"#),
                format!(r#"{{"plan":"clean-up:{HASH}","progress":"{{\"format\":1}}"}}"#),
            ),
            (
                job(
                    JobId::new(JobKind::Mark, fingerprint(TOKEN)),
                    r#"{"looked_for_through":"json:/a"}"#,
                ),
                format!(
                    r#"{{"plan":"mark:{TOKEN}","progress":"{{\"looked_for_through\":\"json:/a\"}}"}}"#
                ),
            ),
        ]
    }

    #[test]
    fn each_kind_is_stored_in_the_bytes_of_the_first_layout() {
        for (job, bytes) in kinds() {
            assert_eq!(serde_json::to_string(&job).unwrap(), bytes);
            assert_eq!(serde_json::from_str::<UnfinishedJob>(&bytes).unwrap(), job);
        }
    }

    #[test]
    fn what_other_versions_wrote_keeps_its_bytes() {
        for plan in ["p", "", "a:", "a:b:c", ":", "mark:", "clean-up:a:b", "clean-up", "later:x"] {
            for progress in ["", "{}", "{\"in_place\":", "{\"collections\":[\"in_place\"]}"] {
                let stored = StoredJob { plan: plan.to_owned(), progress: progress.to_owned() };
                assert_eq!(StoredJob::from(UnfinishedJob::from(stored.clone())), stored);
            }
        }
    }

    #[test]
    fn an_upgrade_is_known_by_its_progress() {
        let kind = |progress: &str| {
            let stored = StoredJob { plan: "p".to_owned(), progress: progress.to_owned() };
            UnfinishedJob::from(stored).kind()
        };
        assert_eq!(kind(r#"{"in_place":{"from":1}}"#), JobKind::Upgrade);
        assert_eq!(kind(r#"{"collections":["in_place"]}"#), JobKind::Migration);
        assert_eq!(kind(r#"{"in_place":null}"#), JobKind::Migration);
        assert_eq!(kind(r#"{"in_place":{"fr"#), JobKind::Upgrade, "damaged text is not dropped");
        assert_eq!(kind("damaged"), JobKind::Migration);
    }

    #[test]
    fn a_job_that_would_be_read_back_as_another_is_refused() {
        let id = |kind| JobId::new(kind, fingerprint("p"));
        for (kind, progress) in
            [(JobKind::Migration, r#"{"in_place":{}}"#), (JobKind::Upgrade, "{}")]
        {
            let error = UnfinishedJob::new(id(kind), progress).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
        for text in ["", "a:b", "mark", "clean-up", "ä", &"a".repeat(129)] {
            assert!(JobFingerprint::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_migrations_and_upgrades_keep_tombstones_from_being_purged() {
        let collection = CollectionName::new("items").unwrap();
        for (job, _) in kinds() {
            let refused = matches!(job.kind(), JobKind::Migration | JobKind::Upgrade);
            assert_eq!(check_purge(Some(&job), &collection).is_err(), refused, "{:?}", job.kind());
        }
        assert!(check_purge(None, &collection).is_ok());
    }

    #[test]
    fn only_a_mark_is_overwritten_by_a_caller_that_expects_nothing() {
        for (job, _) in kinds() {
            assert!(check_job(Some(&job), Some(job.id())).is_ok());
            assert_eq!(check_job(Some(&job), None).is_ok(), job.kind() == JobKind::Mark);
            let other = job.id().clone().held_by("another");
            let error = check_job(Some(&job), Some(&other)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Locked);
            assert_eq!(error.context_value("stored"), Some(job.id().to_string().as_str()));
        }
    }
}
