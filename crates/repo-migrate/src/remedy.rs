//! What an operator can do when a job is refused or fails.

use std::fmt;

use repo_core::CollectionName;

/// What can be done about an error of this library. Programs word it with
/// their own commands and flags (see [`repo_core::Error::remedy_as`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Correct the records in the source, put them into quarantine, or leave
    /// their collection out.
    CorrectOrQuarantine,
    /// Repair the record, or put it into quarantine.
    RepairOrQuarantine,
    /// Name another quarantine file.
    OtherQuarantineFile,
    /// Choose an empty target, or another way to handle conflicts.
    ChooseOnConflict,
    /// Restore into an empty store.
    RestoreElsewhere,
    /// Finish the unfinished migration first, or drop it by a restart.
    FinishOrRestart {
        /// The collections that it was given; `None` for all.
        collections: Option<Vec<CollectionName>>,
    },
    /// Drop damaged progress by a restart.
    DropByRestart,
    /// Resume the upgrade of a collection.
    ResumeUpgrade {
        /// The collection.
        collection: CollectionName,
        /// The schema version that its documents are to have.
        to: u32,
    },
    /// Upgrade the collection first.
    UpgradeFirst {
        /// The collection.
        collection: CollectionName,
        /// The schema version that its documents are to have.
        to: u32,
    },
    /// Finish the unfinished migration into the store first.
    FinishMigration,
    /// Finish the unfinished clean-up of the store first.
    FinishCleanUp,
    /// See who is at work on the target.
    SeeHolder,
    /// Do not clean the source up, or name the store that it is a copy of.
    NoCleanUp,
    /// Make room on the disk, or name another folder for archives.
    RoomForArchives,
    /// Name a folder for archives that may be written.
    WritableArchives,
    /// Name the folder that holds the archives.
    NameArchives,
    /// Name another file for the state of the comparison, or remove it.
    OtherStateFile,
    /// Leave older versions and tags behind, or choose another target.
    LeaveHistory,
    /// Erase the records in the source as well.
    EraseInSource,
    /// Restore into an empty store, erase the records there, and migrate from it.
    EraseElsewhere,
}

impl repo_core::Remedy for Remedy {}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CorrectOrQuarantine => {
                "correct them in the source, put them into quarantine, or leave their collection \
                 out"
            }
            Self::RepairOrQuarantine => "repair it, or put it into quarantine",
            Self::OtherQuarantineFile => "name another quarantine file",
            Self::ChooseOnConflict => {
                "choose an empty target, or decide that the higher version or that the source wins"
            }
            Self::RestoreElsewhere => {
                "live records are never replaced: restore into an empty store beside it (another \
                 folder, file or database), compare, and then name that one in the configuration"
            }
            Self::FinishOrRestart { .. } => {
                "finish it first, from the same source and with the same collections; or drop it \
                 by a restart: what it copied stays, and is compared"
            }
            Self::DropByRestart => {
                "drop it by a restart of the migration into this store: what was copied stays, \
                 and is compared"
            }
            Self::ResumeUpgrade { collection, to } => {
                return write!(f, "resume the upgrade of {collection} to schema version {to}");
            }
            Self::UpgradeFirst { collection, to } => {
                return write!(f, "upgrade {collection} to schema version {to} first");
            }
            Self::FinishMigration => "finish it first",
            Self::FinishCleanUp => {
                "finish it first: the clean-up of this store after the migration into that target"
            }
            Self::SeeHolder => "ask for the status of the target: it says who is at work on it",
            Self::NoCleanUp => {
                "migrate without cleaning the source up, or name the store that it is a copy of"
            }
            Self::RoomForArchives => "free some space, or name a folder elsewhere for archives",
            Self::WritableArchives => "name a folder for archives that this user may write",
            Self::NameArchives => "name the folder that holds the archives",
            Self::OtherStateFile => "name another file for the state, or remove this one",
            Self::EraseInSource => "erase them in the source as well",
            Self::EraseElsewhere => {
                "restore into another, empty store, erase them there, and migrate from that one"
            }
            Self::LeaveHistory => {
                "choose another target, or leave older versions and tags behind: the records alone \
                 arrive then"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_remedy_names_a_command_or_a_flag() {
        let collection: CollectionName = "machines".parse().unwrap();
        let all = [
            Remedy::CorrectOrQuarantine,
            Remedy::RepairOrQuarantine,
            Remedy::OtherQuarantineFile,
            Remedy::ChooseOnConflict,
            Remedy::RestoreElsewhere,
            Remedy::FinishOrRestart { collections: None },
            Remedy::DropByRestart,
            Remedy::ResumeUpgrade { collection: collection.clone(), to: 2 },
            Remedy::UpgradeFirst { collection, to: 2 },
            Remedy::FinishMigration,
            Remedy::FinishCleanUp,
            Remedy::SeeHolder,
            Remedy::NoCleanUp,
            Remedy::RoomForArchives,
            Remedy::WritableArchives,
            Remedy::NameArchives,
            Remedy::OtherStateFile,
            Remedy::LeaveHistory,
            Remedy::EraseInSource,
            Remedy::EraseElsewhere,
        ];
        for remedy in all {
            let words = remedy.to_string();
            assert!(!words.contains("--") && !words.contains("repoctl"), "{words}");
        }
    }
}
