//! What the operating system refuses for a limit of its own, which every store
//! meets alike.

use std::io;

use crate::ErrorKind;

/// The same on every Unix.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

#[cfg(target_os = "linux")]
const NO_LOCKS: i32 = 37;
#[cfg(not(target_os = "linux"))]
const NO_LOCKS: i32 = 77;

/// A limit of the system: what to say of it, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemLimit {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// What happened.
    pub message: &'static str,
    /// What the person can do now.
    pub hint: &'static str,
}

/// File descriptors are used up.
const FILES: SystemLimit = SystemLimit {
    kind: ErrorKind::LimitExceeded,
    message: "too many files are open in this process or on this system",
    hint: "raise the limit (`ulimit -n`), or lower what is open at once: pool_size, \
           max_overflow, --parallel-workers",
};

/// A file system, most often a remote one, that gives no locks.
const LOCKS: SystemLimit = SystemLimit {
    kind: ErrorKind::Unsupported,
    message: "the file system gives no locks, without which two processes would write at once",
    hint: "put the store on a local file system, or let the remote one give locks (NFS: its \
           lock service)",
};

impl SystemLimit {
    /// The limit behind an error of the system, if it is one.
    #[must_use]
    pub fn of(source: &io::Error) -> Option<Self> {
        match source.raw_os_error() {
            Some(code) if TOO_MANY_FILES.contains(&code) => Some(FILES),
            Some(NO_LOCKS) => Some(LOCKS),
            _ => None,
        }
    }

    /// The limit of open files.
    #[must_use]
    pub fn open_files() -> Self {
        FILES
    }

    /// A file system without locks.
    #[must_use]
    pub fn no_locks() -> Self {
        LOCKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_system_are_told_from_other_errors() {
        let of = |code| SystemLimit::of(&io::Error::from_raw_os_error(code));
        assert_eq!(of(24), Some(FILES));
        assert_eq!(of(23), Some(FILES));
        assert_eq!(of(NO_LOCKS), Some(LOCKS));
        assert_eq!(of(2), None);
        assert_eq!(SystemLimit::of(&io::Error::other("24")), None);
    }
}
