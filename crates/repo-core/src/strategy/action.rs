//! What a hint asks for, by the name that the library gives it.

use std::fmt;

/// Something that a hint or a health check asks for. Its `Display` is the call in this
/// library. A program with commands of its own replaces that text by its command, so
/// an embedder never reads of a tool that it does not have.
///
/// ```
/// use repo_core::strategy::Action;
///
/// let hint = format!("make it with {}", Action::Prepare);
/// assert_eq!(hint, "make it with `prepare`");
/// let shown = Action::Prepare.replaced(&hint, "`store init`");
/// assert_eq!(shown, "make it with `store init`");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Making what collections need.
    Prepare,
    /// Bringing a store of an older layout to the newest one.
    UpgradeLayout,
    /// Switching on the history of a collection.
    KeepHistory,
    /// Taking the files of a JSON store as they are, and giving its journal up.
    KeepFile,
    /// Putting the journal of a JSON store over its files.
    KeepJournal,
    /// A quick look at whether the store is sound.
    Health,
    /// A look at every record.
    DeepHealth,
}

impl Action {
    /// Every action; one whose text holds another's comes first.
    pub const ALL: &'static [Self] = &[
        Self::Prepare,
        Self::UpgradeLayout,
        Self::KeepHistory,
        Self::KeepFile,
        Self::KeepJournal,
        Self::DeepHealth,
        Self::Health,
    ];

    /// A text with another name for this action.
    #[must_use]
    pub fn replaced(self, text: &str, name: &str) -> String {
        text.replace(self.as_str(), name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "`prepare`",
            Self::UpgradeLayout => "`upgrade_layout`",
            Self::KeepHistory => "`StoreUpdate::History`",
            Self::KeepFile => "`resolve` with `Keep::File`",
            Self::KeepJournal => "`resolve` with `Keep::Journal`",
            Self::Health => "`health`",
            Self::DeepHealth => "`health` with `HealthDepth::Deep`",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
