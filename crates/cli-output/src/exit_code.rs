//! Exit codes: one table from error kind to code, and how a command ends.
//!
//! `docs/reference/exit-codes.md` holds the same table for people; a test
//! compares both.

use repo_core::ErrorKind;

/// Done, and verified where that was asked for.
pub const DONE: u8 = 0;
/// Failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Partly done: something was left out, and is listed.
pub const PARTLY: u8 = 3;
/// The two stores differ.
pub const DIFFER: u8 = 4;
/// Another process or run holds what the command needs alone.
pub const LOCKED: u8 = 5;

/// The exit code of each kind of error.
pub const TABLE: &[(ErrorKind, u8)] = &[
    (ErrorKind::NotFound, FAILED),
    (ErrorKind::AlreadyExists, FAILED),
    (ErrorKind::Conflict, FAILED),
    (ErrorKind::Invalid, FAILED),
    (ErrorKind::Unsupported, USAGE),
    (ErrorKind::LimitExceeded, FAILED),
    (ErrorKind::Unavailable, FAILED),
    (ErrorKind::OutcomeUnknown, FAILED),
    (ErrorKind::Corrupt, FAILED),
    (ErrorKind::ConfigInvalid, USAGE),
    (ErrorKind::PermissionDenied, FAILED),
    (ErrorKind::Locked, LOCKED),
    (ErrorKind::Foreign, FAILED),
    (ErrorKind::Unexpected, FAILED),
    (ErrorKind::Closed, FAILED),
    (ErrorKind::FeedExpired, FAILED),
];

/// The exit code of an error. A kind that is not in the table is a failure.
#[must_use]
pub fn of(kind: ErrorKind) -> u8 {
    TABLE.iter().find(|(known, _)| *known == kind).map_or(FAILED, |(_, code)| *code)
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was done.
    Done,
    /// The command did its work and found the store or the configuration
    /// wanting; it has said so.
    Unsound(u8),
    /// Something was left out, and is listed.
    Partly,
    /// The stores differ, and the differences are listed.
    Differ,
    /// A signal ended it between two batches.
    Interrupted(Signal),
}

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `SIGINT`, from Ctrl-C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
}

impl Signal {
    /// 128 plus the number of the signal, as shells report it.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl Ending {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => DONE,
            Self::Unsound(code) => code,
            Self::Partly => PARTLY,
            Self::Differ => DIFFER,
            Self::Interrupted(signal) => signal.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_and_the_documentation_has_the_same() {
        let page = include_str!("../../../docs/reference/exit-codes.md");
        let mut rows: Vec<(String, u8)> = page
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('|').map(str::trim).skip(1);
                let kind = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
                Some((kind.to_owned(), cells.next()?.parse().ok()?))
            })
            .collect();
        let mut expected: Vec<(String, u8)> =
            ErrorKind::ALL.iter().map(|kind| (kind.to_string(), code_in_table(*kind))).collect();
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected);
    }

    fn code_in_table(kind: ErrorKind) -> u8 {
        let (_, code) = TABLE.iter().find(|(known, _)| *known == kind).unwrap();
        assert_eq!(of(kind), *code);
        *code
    }
}
