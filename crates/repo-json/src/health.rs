//! What a health check sees.

use std::sync::Arc;

use plain_json::Signature;
use repo_core::strategy::Action;
use repo_core::{CollectionName, Health, HealthCheck, HealthDepth};

use crate::damage;
use crate::data_file::DataFile;
use crate::history::{self, HistoryFile};
use crate::segments;
use crate::state::{Repair, State};
use crate::store::Store;
use crate::sweep::Sweep;

/// Looks at a store without changing anything. Either depth reads every data
/// file: with its digest right, each record is the one that was stored.
pub(crate) fn check(store: &Store, depth: &HealthDepth) -> Health {
    let caught_up = match store.poisoned() {
        Some(reason) => Err(format!("the store stopped after a failed write: {reason}")),
        None => store.catch_up("health").map_err(|error| error.to_string()),
    };
    let state = store.state();
    let mut checks = vec![read_check(&state, caught_up), journal_check(store, &state)];
    let second_names = second_names(store, &state);
    let feed = feed_check(store, &state);
    let histories = histories(&state);
    let role = state.role.health_check();
    let packing = packing_check(store, &state);
    let (files, notices) = (state.files.clone(), state.notices.clone());
    // Commits continue while the files are read.
    drop(state);
    checks.extend(files.iter().map(|file| {
        let now = Signature::of_path(&file.path);
        let same = matches!(&now, Ok(Some(now)) if *now == file.signature);
        let (ok, detail) = match now {
            Ok(Some(_)) if same => compared(store, file),
            Ok(Some(_)) => (false, format!("{}: changed by something else", file.name)),
            Ok(None) => (false, format!("{}: missing", file.name)),
            Err(error) => (false, error.to_string()),
        };
        HealthCheck::new("data file", ok, detail)
    }));
    checks.extend(packing);
    checks.extend(second_names);
    checks.extend(role);
    checks.extend(feed);
    let is_deep = matches!(depth, HealthDepth::Deep(_));
    checks.extend(histories.iter().map(|(name, files)| history_check(name, files, is_deep)));
    if let HealthDepth::Deep(progress) = depth {
        let state = store.state();
        state.collections.iter().for_each(|(name, found)| progress(name, found.table.records()));
    }
    checks.extend(notices.iter().map(|notice| HealthCheck::new("notice", true, notice.clone())));
    Health::new(checks)
}

/// Reads a data file and compares it with the digest that it was stored with.
fn compared(store: &Store, file: &DataFile) -> (bool, String) {
    match Sweep::new(file).finish() {
        Ok(()) => (true, format!("{}: {} bytes, as stored", file.name, file.signature.len)),
        Err(error) => (false, damage::located(error, &store.env, &store.state(), file).to_string()),
    }
}

fn read_check(state: &State, caught_up: Result<(), String>) -> HealthCheck {
    let records: u64 = state.collections.values().map(|c| c.table.records()).sum();
    let (ok, detail) = match caught_up {
        Ok(()) if !state.exists() => (true, "there is no store yet".to_owned()),
        Ok(()) => (true, format!("{records} records in {} collections", state.collections.len())),
        Err(reason) => (false, reason),
    };
    HealthCheck::new("store", ok, detail)
}

/// A store whose files are kept otherwise than configured stays so until its layout is
/// upgraded, which is no fault.
fn packing_check(store: &Store, state: &State) -> Option<HealthCheck> {
    let wanted = store.env.settings.packing()?;
    if !state.exists() || wanted == state.packing {
        return None;
    }
    let (is, wanted) = (state.packing.describe(), wanted.describe());
    let upgrade = Action::UpgradeLayout;
    let detail = format!(
        "the data files are {is}, and by enable_compression they would be {wanted}: {upgrade} \
         changes that"
    );
    Some(HealthCheck::new("notice", true, detail))
}

/// Whether the kept journals are all there, while writes are captured.
fn feed_check(store: &Store, state: &State) -> Option<HealthCheck> {
    let feed = state.feed.as_ref().filter(|feed| feed.capture.is_on())?;
    if state.repair != Repair::None {
        return None;
    }
    let (ok, detail) = match segments::list(&store.env.folder) {
        Err(error) => (false, error.to_string()),
        Ok(kept) => {
            let needed = kept.iter().filter(|span| span.first < feed.base);
            let reached = needed.fold(feed.trimmed, |reached, span| match span.first <= reached {
                true => reached.max(span.end),
                false => reached,
            });
            match reached >= feed.base.min(feed.head) {
                true => (true, format!("writes are captured; {} journals are kept", kept.len())),
                false => (false, format!("a kept journal is missing: the place {reached}")),
            }
        }
    };
    Some(HealthCheck::new("change feed", ok, detail))
}

type Files = Vec<Arc<HistoryFile>>;

fn histories(state: &State) -> Vec<(CollectionName, Files)> {
    state.histories().map(|(name, history)| (name.clone(), history.files.clone())).collect()
}

/// Whether the files of a history are there; a deep look reads all of them.
fn history_check(name: &CollectionName, files: &Files, is_deep: bool) -> HealthCheck {
    let look = if is_deep { history::check_file } else { history::stands_there };
    let (ok, detail) = match files.iter().try_for_each(|file| look(file)) {
        Err(error) => (false, error.to_string()),
        Ok(()) => {
            let lines: u64 = files.iter().map(|file| file.head.lines).sum();
            (true, format!("{name}: {lines} lines in {} files", files.len()))
        }
    };
    HealthCheck::new("history", ok, detail)
}

/// A second name that the journal got while this handle was open.
fn second_names(store: &Store, state: &State) -> Option<HealthCheck> {
    let journal = state.journal.as_ref()?;
    let folder = &store.env.folder;
    let refused = segments::refuse_second_name(folder, &journal.file, &folder.journal()).err()?;
    Some(HealthCheck::new("names", false, refused.to_string()))
}

fn journal_check(store: &Store, state: &State) -> HealthCheck {
    let detail = match &state.journal {
        None => "none yet".to_owned(),
        Some(journal) if journal.torn > 0 => format!(
            "{} bytes since the last checkpoint, and {} bytes of a torn write that the next \
             writer drops",
            journal.end, journal.torn
        ),
        Some(_) if matches!(state.repair, Repair::Finish(_)) => {
            "ends with a checkpoint that was broken off; the next writer finishes it".to_owned()
        }
        Some(journal) if journal.is_empty() => "empty".to_owned(),
        Some(journal) => format!("{} bytes since the last checkpoint", journal.end),
    };
    HealthCheck::new("journal", store.poisoned().is_none(), detail)
}
