//! The one error type of the whole engine.
//!
//! A caller decides by [`ErrorKind`]; a person reads the message, its context
//! and its hint. Driver errors stay reachable through `source`.

use std::fmt;

use crate::{Key, Precondition, Remedy, Unreadable, Version};

/// The result of every operation of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure happened, and so what the caller may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The entity, collection, file or store is not there.
    NotFound,
    /// A create met an entity that is already there. Nothing was written.
    AlreadyExists,
    /// A precondition failed, and each is named in
    /// [`Error::failed_preconditions`], which is never empty. Nothing was
    /// written. Only [`Error::preconditions`] makes it.
    Conflict,
    /// The caller's input breaks a rule of the contract. Nothing was written.
    Invalid,
    /// The store or this build cannot do what was asked.
    Unsupported,
    /// A limit of the store is exceeded; known before anything was sent.
    LimitExceeded,
    /// Not applied; the same call may succeed when tried again.
    Unavailable,
    /// The call may have been applied. Read before writing again.
    OutcomeUnknown,
    /// Stored bytes are damaged. Nothing is guessed and nothing is dropped.
    Corrupt,
    /// The configuration or the command line is wrong.
    ConfigInvalid,
    /// The operating system or the server refused access.
    PermissionDenied,
    /// Another process or run holds what this call needs alone.
    Locked,
    /// Something in the place is not ours, or was changed by another program.
    /// It stays as it is.
    Foreign,
    /// The driver or the server reported what this engine does not know. Its own
    /// words are in the message.
    Unexpected,
    /// This handle was closed. The store itself may be well: open it anew.
    Closed,
}

impl ErrorKind {
    /// Every kind, for tables and tests that must not forget one.
    pub const ALL: &'static [Self] = &[
        Self::NotFound,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Invalid,
        Self::Unsupported,
        Self::LimitExceeded,
        Self::Unavailable,
        Self::OutcomeUnknown,
        Self::Corrupt,
        Self::ConfigInvalid,
        Self::PermissionDenied,
        Self::Locked,
        Self::Foreign,
        Self::Unexpected,
        Self::Closed,
    ];

    /// The name as it is written in reports, for example `NotFound`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::Unsupported => "Unsupported",
            Self::LimitExceeded => "LimitExceeded",
            Self::Unavailable => "Unavailable",
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::Corrupt => "Corrupt",
            Self::ConfigInvalid => "ConfigInvalid",
            Self::PermissionDenied => "PermissionDenied",
            Self::Locked => "Locked",
            Self::Foreign => "Foreign",
            Self::Unexpected => "Unexpected",
            Self::Closed => "Closed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

/// An error with its kind, the operation that failed, and its context.
///
/// ```
/// use repo_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "get", "no such entity")
///     .with("id", "machine-1")
///     .hint("create it first");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "get: no such entity (id: machine-1)");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    remedy: Option<Box<dyn Remedy>>,
    failed: Vec<FailedPrecondition>,
    unreadable: Option<Box<Unreadable>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `operation`, in words for a person. A
    /// [`Conflict`](ErrorKind::Conflict) names its preconditions, so one made
    /// here, where there are none, is [`Unexpected`](ErrorKind::Unexpected).
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind: with_list(kind, &[]),
            operation,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            remedy: None,
            failed: Vec::new(),
            unreadable: None,
            source: None,
        }))
    }

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
        error.0.failed = failed;
        error.into_kind(kind)
    }

    /// Adds a named value to the context.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// Says what the person can do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self.0.remedy = None;
        self
    }

    /// Says what can be done now, as a type that a program words for its own
    /// users. For every other one the hint is its `Display`.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Remedy) -> Self {
        self.0.hint = Some(remedy.to_string());
        self.0.remedy = Some(Box::new(remedy));
        self
    }

    /// What can be done now, where it was given as a `T`.
    #[must_use]
    pub fn remedy_as<T: Remedy>(&self) -> Option<&T> {
        let remedy: &dyn std::any::Any = self.0.remedy.as_deref()?;
        remedy.downcast_ref()
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error under another kind. Without failed preconditions it
    /// cannot become a [`Conflict`](ErrorKind::Conflict), and is
    /// [`Unexpected`](ErrorKind::Unexpected) then.
    #[must_use]
    pub fn into_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = with_list(kind, &self.0.failed);
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, for example `commit`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What happened, without operation and context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Named values: which file, key, offset, rule.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// The value of one context entry.
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<&str> {
        self.0.context.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// What the person can do now, where that is known.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Each precondition that failed, with expected and actual version.
    #[must_use]
    pub fn failed_preconditions(&self) -> &[FailedPrecondition] {
        &self.0.failed
    }

    /// Says that this is about one stored record, which cannot be read.
    #[must_use]
    pub fn about_unreadable(mut self, record: Unreadable) -> Self {
        self.0.unreadable = Some(Box::new(record));
        self
    }

    /// Takes back [`about_unreadable`](Self::about_unreadable): the operation
    /// as a whole has failed.
    #[must_use]
    pub fn about_all(mut self) -> Self {
        self.0.unreadable = None;
        self
    }

    /// The one stored record that cannot be read, if this is about one: then
    /// the scan goes on after it.
    #[must_use]
    pub fn unreadable(&self) -> Option<&Unreadable> {
        self.0.unreadable.as_deref()
    }
}

/// The kind that an error with this list can have: who is told of a conflict
/// tries again after reading what is named, so one without names would be tried
/// again for nothing.
fn with_list(kind: ErrorKind, failed: &[FailedPrecondition]) -> ErrorKind {
    match kind {
        ErrorKind::Conflict if failed.is_empty() => ErrorKind::Unexpected,
        kind => kind,
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.message)?;
        if !self.0.context.is_empty() {
            let pairs: Vec<String> =
                self.0.context.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            write!(f, " ({})", pairs.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("context", &self.0.context)
            .field("hint", &self.0.hint)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
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
