//! Places at which a test stops a commit, as a crash would. Without one nothing happens.

/// What has just become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The second store has a reserved marker; the first one has nothing.
    Reserved,
    /// The first store has its writes and the intent.
    Recorded,
    /// The second store has its writes, and the marker says so.
    Applied,
    /// The intent is gone; the marker is still there.
    IntentRemoved,
    /// The marker says that the second store will not have its writes.
    Voided,
    /// The writes of the first store are taken back, and the intent is gone with them.
    Compensated,
    /// The intent says that an operator has to decide.
    HandedOver,
    /// An operator tries again: the marker is reserved once more, the intent does not know.
    Reopened,
    /// An operator gives up: the marker is gone, the intent is still there.
    Unmarked,
}

impl Step {
    /// Every step.
    pub const ALL: &'static [Self] = &[
        Self::Reserved,
        Self::Recorded,
        Self::Applied,
        Self::IntentRemoved,
        Self::Voided,
        Self::Compensated,
        Self::HandedOver,
        Self::Reopened,
        Self::Unmarked,
    ];

    /// The step of a name, as `{:?}` gives it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| format!("{step:?}") == name)
    }
}

/// What happens at the steps; for tests. After the first yes a handle does nothing any more.
pub type Hooks = repo_core::strategy::Hooks<Step>;
