//! What somebody typed, as values: durations, times, versions, ids.

use std::time::Duration;

use cli_output::failure::{usage, wrong_usage};
use repo_core::{EntityId, Error, Result, Timestamp, Version};

/// Reads the id of an entity.
pub(crate) fn id(text: &str) -> Result<EntityId> {
    EntityId::new(text).map_err(usage)
}

/// Reads a version.
pub(crate) fn version(number: u64) -> Result<Version> {
    Version::new(number).map_err(usage)
}

/// Reads a time: RFC 3339, with its offset.
pub(crate) fn time(text: &str) -> Result<Timestamp> {
    Timestamp::parse(text)
        .map_err(|error| usage(error).hint("for example 2026-11-29T03:10:00Z or …T04:10:00+01:00"))
}

/// Reads a duration of fixed length, which `flag` took; a day has 24 hours, a week 7
/// days.
pub(crate) fn duration(flag: &'static str, text: &str) -> Result<Duration> {
    let span: jiff::Span =
        text.parse().map_err(|source: jiff::Error| wrong(flag, text, &source))?;
    let length = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|source| wrong(flag, text, &source))?;
    Duration::try_from(length).map_err(|source| wrong(flag, text, &source))
}

fn wrong(flag: &'static str, text: &str, source: &impl std::fmt::Display) -> Error {
    let why = format!("{flag} is not a duration of fixed, positive length");
    wrong_usage("read a duration", why)
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
            assert_eq!(duration("--age", text).unwrap(), expected, "{text}");
        }
        for text in ["", "30", "1 month", "1y", "-3d", "soon"] {
            assert!(duration("--age", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_has_its_offset() {
        let utc = time("2026-11-29T03:10:00Z").unwrap();
        assert_eq!(time("2026-11-29T04:10:00+01:00").unwrap(), utc);
        for text in ["", "2026-11-29", "2026-11-29T03:10:00", "yesterday"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
