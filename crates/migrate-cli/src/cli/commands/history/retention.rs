//! What is kept: as flags, and in words.

use std::num::NonZeroU32;

use clap::Args;
use repo_core::Result;
use repo_history::Retention;

use crate::cli::typed::duration;

/// What is kept, by age and by number.
#[derive(Debug, Args)]
pub(super) struct RetentionArgs {
    /// Versions that were replaced longer ago than this may go: 90d, 12h, "2 weeks"
    #[arg(long, value_name = "DURATION")]
    keep_age: Option<String>,
    /// Older versions to keep of each entity
    #[arg(long, value_name = "N")]
    keep_versions: Option<NonZeroU32>,
}

impl RetentionArgs {
    pub(super) fn retention(&self) -> Result<Retention> {
        let age = self.keep_age.as_deref().map(|text| duration("--keep-age", text)).transpose()?;
        // A part of a second is kept, too.
        let max_age_seconds = age.map(|age| age.as_secs() + u64::from(age.subsec_nanos() > 0));
        Ok(Retention { max_age_seconds, max_versions: self.keep_versions })
    }
}

/// A retention in words.
pub(super) fn in_words(retention: Retention) -> String {
    let age = retention.max_age_seconds.map(|seconds| match seconds {
        86_400 => "1 day".to_owned(),
        seconds if seconds > 0 && seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        seconds => format!("{seconds} s"),
    });
    let versions = retention.max_versions.map(|most| match most.get() {
        1 => "1 older version".to_owned(),
        most => format!("{most} older versions"),
    });
    match (age, versions) {
        (None, None) => "everything".to_owned(),
        (Some(age), None) => age,
        (None, Some(versions)) => versions,
        (Some(age), Some(versions)) => format!("{age}, at most {versions}"),
    }
}
