//! The one error type of the whole engine.
//!
//! A caller decides by [`ErrorKind`]; a person reads the message, its context
//! and its hint. Driver errors stay reachable through `source`.

use std::any::Any;
use std::fmt;

use crate::Remedy;

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
    /// The changes after this position of the feed are gone. Read everything once,
    /// and follow from the head.
    FeedExpired,
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
        Self::FeedExpired,
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
            Self::FeedExpired => "FeedExpired",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    /// Whether failed preconditions are among the details.
    names_preconditions: bool,
    details: Vec<Box<dyn Any + Send + Sync>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `operation`, in words for a person. A
    /// [`Conflict`](ErrorKind::Conflict) names its preconditions, so one made
    /// here, where there are none, is [`Unexpected`](ErrorKind::Unexpected).
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind: with_list(kind, false),
            operation,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            remedy: None,
            names_preconditions: false,
            details: Vec::new(),
            source: None,
        }))
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
        self.0.kind = with_list(kind, self.0.names_preconditions);
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed when it is made again, unchanged: nothing
    /// was applied, and what stood in the way may pass
    /// ([`Unavailable`](ErrorKind::Unavailable)). After a
    /// [`Conflict`](ErrorKind::Conflict) or an
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) the caller has to read first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
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

    /// Adds what a program reads, by its type; one of a type stands for all.
    pub(crate) fn with_detail<T: Any + Send + Sync>(mut self, detail: T) -> Self {
        self.0.details.retain(|other| !other.is::<T>());
        self.0.details.push(Box::new(detail));
        self
    }

    pub(crate) fn detail<T: Any>(&self) -> Option<&T> {
        self.0.details.iter().find_map(|detail| detail.downcast_ref())
    }

    /// From here on it may be a [`Conflict`](ErrorKind::Conflict): its details
    /// name the preconditions that failed.
    pub(crate) fn naming_preconditions(mut self) -> Self {
        self.0.names_preconditions = true;
        self
    }
}

/// The kind that an error with this list can have: a caller that gets a conflict
/// tries again after reading what is named, so one without names would be tried
/// again for nothing.
fn with_list(kind: ErrorKind, named: bool) -> ErrorKind {
    match kind {
        ErrorKind::Conflict if !named => ErrorKind::Unexpected,
        kind => kind,
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
