//! Which side wins.

/// What is right where both say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The data files as they are now; all commits in the journal are given
    /// up.
    File,
    /// The commits in the journal, up to a damaged frame; elsewhere the files.
    Journal,
}
