//! What can be done about an error, in the words of this command line.

use repo_core::strategy::Action;
use repo_core::{CollectionName, Error};
use repo_migrate::Remedy;

/// What the person can do now, where that is known.
#[must_use]
pub fn hint_of(error: &Error) -> Option<String> {
    match error.remedy_as::<Remedy>() {
        Some(remedy) => Some(in_flags(remedy)),
        None => error.hint_text().map(in_commands),
    }
}

/// A text of a library with the commands that do what it asks for.
#[must_use]
pub fn in_commands(text: &str) -> String {
    Action::ALL
        .iter()
        .fold(text.to_owned(), |text, &action| action.replaced(&text, command(action)))
}

fn command(action: Action) -> &'static str {
    match action {
        Action::Prepare | Action::UpgradeLayout => "`repoctl init`",
        Action::KeepHistory => "`repoctl history on COLLECTION`",
        Action::KeepFile => "`repoctl resolve --keep file`",
        Action::KeepJournal => "`repoctl resolve --keep journal`",
        Action::DeepHealth => "`repoctl health --deep`",
        Action::Health => "`repoctl health`",
        _ => "the command for it",
    }
}

fn in_flags(remedy: &Remedy) -> String {
    let words = match remedy {
        Remedy::CorrectOrQuarantine => {
            "correct them in the source, put them aside with --quarantine FILE, or leave their \
             collection out with --collections"
        }
        Remedy::RepairOrQuarantine => "repair it, or put it aside with --quarantine FILE",
        Remedy::OtherQuarantineFile => "name another file with --quarantine",
        Remedy::ChooseOnConflict => {
            "choose an empty target, --on-conflict newer (the higher version stays) or \
             --on-conflict overwrite (the source's documents win)"
        }
        Remedy::FinishOrRestart { collections } => {
            return finish_or_restart(collections.as_deref());
        }
        Remedy::DropByRestart => {
            "drop it by giving the migration into this store again with --restart: what was \
             copied stays, and is compared"
        }
        Remedy::ResumeUpgrade { collection, to } => {
            return format!("resume it: `repoctl upgrade {collection} --to {to}`");
        }
        Remedy::UpgradeFirst { collection, to } => {
            return format!("upgrade it first: `repoctl upgrade {collection} --to {to}`");
        }
        Remedy::FinishMigration => "finish it first; `repoctl migrate status` says which it is",
        Remedy::FinishCleanUp => {
            "finish it first: the migration from this store into that target, with \
             --cleanup-source"
        }
        Remedy::SeeHolder => "`repoctl migrate status` says who is at work on it",
        Remedy::NoCleanUp => "leave --cleanup-source out, or name the store that it is a copy of",
        Remedy::RoomForArchives => {
            "free some space, or name a folder elsewhere with --backup-location"
        }
        Remedy::WritableArchives => "name a folder that this user may write with --backup-location",
        Remedy::NameArchives => "name it with --backup-location",
        Remedy::EraseInSource => "erase them in the source as well, with `repoctl erase`",
        Remedy::EraseElsewhere => {
            "restore into another, empty store, erase them there with `repoctl erase`, and \
             migrate from that one"
        }
        Remedy::LeaveHistory => {
            "choose another target, or leave older versions and tags behind with \
             --without-history: the records alone arrive then"
        }
        Remedy::OtherStateFile => "name another file with --state, or remove this one",
        other => return other.to_string(),
    };
    words.to_owned()
}

fn finish_or_restart(collections: Option<&[CollectionName]>) -> String {
    let with = match collections {
        None => "all its collections".to_owned(),
        Some(names) => {
            let names: Vec<&str> = names.iter().map(CollectionName::as_str).collect();
            format!("--collections {}", names.join(","))
        }
    };
    format!(
        "finish it first: run it again, from the same source and with {with}; or drop it with \
         --restart: what it copied stays, and is compared"
    )
}

#[cfg(test)]
mod tests {
    use repo_core::ErrorKind;

    use super::*;

    #[test]
    fn a_remedy_is_worded_with_the_flags_of_the_programs() {
        let hint = |remedy| hint_of(&Error::new(ErrorKind::Locked, "migrate", "x").remedy(remedy));
        let collections = Some(vec!["machines".parse().unwrap(), "requests".parse().unwrap()]);
        let words = hint(Remedy::FinishOrRestart { collections }).unwrap();
        assert!(words.contains("--collections machines,requests; or drop it with --restart"));
        let words = hint(Remedy::UpgradeFirst { collection: "machines".parse().unwrap(), to: 3 });
        assert_eq!(words.unwrap(), "upgrade it first: `repoctl upgrade machines --to 3`");
        assert!(hint(Remedy::RestoreElsewhere).unwrap().contains("an empty store"));
    }

    #[test]
    fn each_action_of_the_library_is_a_command() {
        for &action in Action::ALL {
            let hint = format!("do it with {action}; then wait");
            let shown = hint_of(&Error::new(ErrorKind::NotFound, "open", "x").hint(hint)).unwrap();
            assert!(shown.starts_with("do it with `repoctl ") && shown.ends_with("`; then wait"));
        }
    }

    #[test]
    fn a_hint_in_words_stays_as_it_is() {
        let error = Error::new(ErrorKind::NotFound, "get", "no such entity").hint("create it");
        assert_eq!(hint_of(&error).as_deref(), Some("create it"));
    }
}
