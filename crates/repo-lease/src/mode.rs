//! Alone, or together with others.

use std::fmt;

/// How a lease is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaseMode {
    /// By one holder.
    Exclusive,
    /// By up to [`MAX_SHARED_HOLDERS`](crate::MAX_SHARED_HOLDERS) holders, none of them
    /// exclusive: who reads what nobody may change meanwhile.
    Shared,
}

impl LeaseMode {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for LeaseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
