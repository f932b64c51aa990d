//! `repoctl purge`: removes tombstones that nobody needs any more.

use std::time::Duration;

use clap::Args;
use repo_core::{Clock as _, Error, Result, SystemClock};
use serde_json::json;

use crate::cli::context::{Access, Context, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::{Outcome, wrong_usage};

/// What can be typed after `purge`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// Remove what was deleted longer ago than this: 30d, 12h, "1 week"
    #[arg(long, value_name = "DURATION")]
    older_than: String,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let limit = SystemClock.now().saturating_sub(duration(&self.older_than)?);
        let opened = context.open(Access::Write).await?;
        let work = async {
            let purged = opened.store.purge(&name, limit).await?;
            let answer = json!({
                "collection": name,
                "older_than": limit,
                "removed": purged.removed,
                "floor": purged.floor,
            });
            context.output.result(&answer, || {
                format!(
                    "{} tombstones of {name} from before {limit} are removed; new ids start above \
                     version {}",
                    purged.removed, purged.floor
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

/// Reads a duration of fixed length; a day has 24 hours, a week 7 days.
fn duration(text: &str) -> Result<Duration> {
    let span: jiff::Span = text.parse().map_err(|source: jiff::Error| wrong(text, &source))?;
    let length = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|source| wrong(text, &source))?;
    Duration::try_from(length).map_err(|source| wrong(text, &source))
}

fn wrong(text: &str, source: &impl std::fmt::Display) -> Error {
    wrong_usage("purge", "--older-than is not a duration of fixed, positive length")
        .with("given", text)
        .with("reason", source)
        .hint("for example 30d, 12h, or \"2 weeks\"; months and years have no fixed length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_of_fixed_length() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (text, expected) in [
            ("30d", hours(720)),
            ("12h", hours(12)),
            ("2 weeks", hours(336)),
            ("1d 30m", hours(24) + Duration::from_secs(1800)),
            ("PT1H", hours(1)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(duration(text).unwrap(), expected, "{text}");
        }
        for text in ["", "30", "1 month", "1y", "-3d", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
