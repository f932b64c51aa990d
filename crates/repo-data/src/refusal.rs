//! Why a call was refused, as a type that a server turns into an answer.

use std::fmt;

use repo_core::{Error, ErrorKind, Remedy};

/// What stands in the way of a call although it is well formed: the state of what it is
/// about. A server answers most of these with 409. Nothing was changed.
///
/// An error tells its refusal by [`Refusal::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes of an entry have not arrived, or not all of them.
    NotUploaded,
    /// The id is taken by something with other content.
    OtherContent,
    /// What was to be changed is deleted, or is being deleted.
    Deleted,
    /// Its time is over: the sweeper has it.
    Expired,
    /// It is too late for a restore: bytes may be gone.
    TooLate,
    /// A hold forbids to delete it.
    Held,
    /// The base of a revision is not the current revision any more.
    StaleBase,
    /// The entry is not in the state that the call needs.
    WrongState,
    /// A directory that has children is not deleted.
    HasChildren,
    /// A digest is not the one that was announced. The bytes were not kept.
    WrongDigest,
    /// What was spooled is not on this machine any more.
    SpoolLost,
    /// A quota is used up.
    Quota,
    /// A value is in a blob, where no filter can look.
    SpilledValue,
    /// An outside source that is not on the allow-list.
    SourceNotAllowed,
    /// It is deleted with its dataset, and restored with it.
    RestoreDataset,
}

impl Refusal {
    /// The refusal that an error carries.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.remedy_as::<Self>().copied()
    }

    /// The error of this refusal.
    pub(crate) fn error(self, operation: &'static str, message: impl Into<String>) -> Error {
        Error::new(self.kind(), operation, message).remedy(self)
    }

    fn kind(self) -> ErrorKind {
        match self {
            Self::OtherContent => ErrorKind::AlreadyExists,
            Self::Quota => ErrorKind::LimitExceeded,
            Self::SourceNotAllowed => ErrorKind::PermissionDenied,
            Self::SpilledValue => ErrorKind::Unsupported,
            _ => ErrorKind::Invalid,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUploaded => "finish the upload, then activate the entry",
            Self::OtherContent => "take another id, or change what is there",
            Self::Deleted => "restore it first",
            Self::Expired => "begin anew",
            Self::TooLate => "create it anew",
            Self::Held => "release the holds first",
            Self::StaleBase => "read the current revision, and make the new one from it",
            Self::WrongState => "read it, and look at its state",
            Self::HasChildren => "delete what is in it first",
            Self::WrongDigest => "send the bytes again",
            Self::SpoolLost => "begin the upload anew",
            Self::Quota => "delete something, or ask for a higher quota",
            Self::SpilledValue => "filter by another field",
            Self::SourceNotAllowed => "ask whoever runs the service to allow the source",
            Self::RestoreDataset => "restore the dataset",
        })
    }
}

impl Remedy for Refusal {}
