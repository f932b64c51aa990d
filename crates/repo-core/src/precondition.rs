//! What must hold for a write to happen, and the error when it does not.

use std::fmt;

use crate::{Error, ErrorKind, Key, Version};

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    Any,
    /// There is no live entity.
    Absent,
    /// There is a live entity.
    Exists,
    /// There is a live entity of exactly this version.
    Version(Version),
}

impl Precondition {
    /// Whether it holds for the version of the live entity, `None` for none.
    #[must_use]
    pub fn holds(self, live: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => live.is_none(),
            Self::Exists => live.is_some(),
            Self::Version(version) => live == Some(version),
        }
    }
}

impl fmt::Display for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Absent => f.write_str("no entity"),
            Self::Exists => f.write_str("an entity"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// One write of a commit whose precondition did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPrecondition {
    /// The key the write named.
    pub key: Key,
    /// What the write asked for.
    pub expected: Precondition,
    /// The version of the live entity, or `None` when there is none.
    pub actual: Option<Version>,
}

impl fmt::Display for FailedPrecondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found ", self.key, self.expected)?;
        match self.actual {
            Some(version) => write!(f, "version {version}"),
            None => f.write_str("no entity"),
        }
    }
}

impl Error {
    /// The error of a commit whose preconditions did not hold; with each
    /// whether its write only checks.
    ///
    /// All creates that met an entity: `AlreadyExists`. All updates or deletes
    /// of what is not there: `NotFound`. Anything else: `Conflict`. Without a
    /// single one: `Unexpected`, since a store has to name what failed.
    #[must_use]
    pub fn preconditions(operation: &'static str, failed: Vec<(FailedPrecondition, bool)>) -> Self {
        if failed.is_empty() {
            let why = "the store refused a precondition and did not say which";
            return Self::new(ErrorKind::Unexpected, operation, why);
        }
        let kind = precondition_kind(&failed);
        let failed: Vec<_> = failed.into_iter().map(|(failure, _)| failure).collect();
        let listed: Vec<String> = failed.iter().take(8).map(ToString::to_string).collect();
        let more = match failed.len().saturating_sub(8) {
            0 => String::new(),
            n => format!("; and {n} more"),
        };
        let message = format!("{}{more}", listed.join("; "));
        let mut error = Self::new(ErrorKind::Unexpected, operation, message);
        error = error.with_detail(failed).naming_preconditions();
        error.into_kind(kind)
    }

    /// Each precondition that failed, with expected and actual version.
    #[must_use]
    pub fn failed_preconditions(&self) -> &[FailedPrecondition] {
        self.detail::<Vec<FailedPrecondition>>().map_or(&[], Vec::as_slice)
    }
}

fn precondition_kind(failed: &[(FailedPrecondition, bool)]) -> ErrorKind {
    let all = |test: fn(&FailedPrecondition) -> bool| {
        failed.iter().all(|(failure, is_check)| !is_check && test(failure))
    };
    if all(|f| f.expected == Precondition::Absent) {
        ErrorKind::AlreadyExists
    } else if all(|f| f.expected != Precondition::Absent && f.actual.is_none()) {
        ErrorKind::NotFound
    } else {
        ErrorKind::Conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> FailedPrecondition {
        FailedPrecondition {
            key: Key::new("items".parse().unwrap(), "a".parse().unwrap()),
            expected: Precondition::Version(Version::new(2).unwrap()),
            actual: Some(Version::new(3).unwrap()),
        }
    }

    #[test]
    fn a_conflict_without_failed_preconditions_cannot_be_made() {
        let made = Error::new(ErrorKind::Conflict, "commit", "met");
        assert_eq!(made.kind(), ErrorKind::Unexpected);
        for kind in ErrorKind::ALL {
            let turned = Error::new(*kind, "commit", "met").into_kind(ErrorKind::Conflict);
            assert_eq!(turned.kind(), ErrorKind::Unexpected, "{kind}");
        }
        let unnamed = Error::preconditions("commit", Vec::new());
        assert_eq!(unnamed.kind(), ErrorKind::Unexpected);
    }

    #[test]
    fn a_conflict_keeps_its_list_under_every_kind() {
        let conflict = || Error::preconditions("commit", vec![(failure(), false)]);
        assert_eq!(conflict().kind(), ErrorKind::Conflict);
        for kind in ErrorKind::ALL {
            let back = conflict().into_kind(*kind).into_kind(ErrorKind::Conflict);
            assert_eq!(back.kind(), ErrorKind::Conflict, "{kind}");
            assert_eq!(back.failed_preconditions(), [failure()]);
        }
    }
}
