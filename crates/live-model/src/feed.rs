//! How an operator carries records: it reads, applies, and then stores the position.
//!
//! The three are steps of their own, and two operators do them at once from the same
//! stored position, so an old record may arrive at any later time.

use crate::actions::Action;
use crate::rules::{Fence, Rule, Setting};
use crate::state::{Cell, Hand, Role, SOURCE, State, TARGET, peer};
use crate::writes::write_cell;

/// The steps that operator `o` can take with records.
pub(crate) fn enabled(setting: &Setting, state: &State, o: u8, actions: &mut Vec<Action>) {
    match state.operators[usize::from(o)].hand {
        Hand::Empty => {
            for from in [SOURCE, TARGET] {
                let store = state.store(from);
                if is_read(setting, store.role) && store.claimed && store.position < store.log.len()
                {
                    actions.push(Action::Read(o, from));
                }
            }
            if !state.copied {
                actions.push(Action::ReadCopy(o));
            }
        }
        Hand::Applied { .. } => actions.push(Action::StorePosition(o)),
        Hand::Record { .. } | Hand::Copy(_) | Hand::Replace { .. } => {
            actions.push(Action::Apply(o))
        }
    }
    // One step that every operator could take.
    if o == 0 && setting.fence == Fence::Expiry && setting.keeps(Rule::AuthorityWinsByVersion) {
        for at in [SOURCE, TARGET] {
            if let Some(key) = diverged_at(state, at) {
                actions.push(Action::Raise(at, key));
            }
        }
    }
}

/// A store that leads is followed. The variant also reads what comes after that.
fn is_read(setting: &Setting, role: Role) -> bool {
    matches!(role, Role::Authority | Role::Fenced)
        || (role == Role::Retired && replaces_in_place(setting))
}

fn replaces_in_place(setting: &Setting) -> bool {
    setting.fence == Fence::Expiry && !setting.keeps(Rule::AuthorityWinsByVersion)
}

/// Reads the record that the next entry names, as it is now.
pub(crate) fn read(setting: &Setting, state: &mut State, o: u8, from: u8) {
    let store = state.store(from);
    let index = store.position;
    let (key, _) = store.log.entry(index);
    let cell = store.cells[key];
    if !setting.keeps(Rule::PositionAfterApply) {
        state.store_mut(from).position = index + 1;
    }
    state.operators[usize::from(o)].hand = Hand::Record { from, index, cell };
}

/// Reads the record that was there before capture began.
pub(crate) fn read_copy(state: &mut State, o: u8) {
    state.operators[usize::from(o)].hand = Hand::Copy(state.store(SOURCE).cells[0]);
}

/// What `apply` answers.
#[derive(PartialEq, Eq)]
enum Applied {
    Done,
    Diverged,
}

/// `apply` of the contract: over a lower version only; another document under the same
/// version is reported, never replaced.
fn apply_to(setting: &Setting, state: &mut State, at: u8, key: usize, cell: Cell) -> Applied {
    let stored = state.store(at).cells[key];
    if cell.version == stored.version && cell.value != stored.value {
        return Applied::Diverged;
    }
    let higher = cell.version > stored.version;
    let replaces = higher || (!setting.keeps(Rule::VersionOrder) && cell != stored);
    if replaces {
        write_cell(setting, state, at, key, cell);
    }
    Applied::Done
}

/// What the operator carries arrives.
pub(crate) fn apply(setting: &Setting, state: &mut State, o: u8) -> Option<()> {
    let after = match state.operators[usize::from(o)].hand {
        Hand::Record { from, index, cell } => {
            let (key, _) = state.store(from).log.entry(index);
            if let Some(hand) = overwritten(setting, state, from, key, cell) {
                state.operators[usize::from(o)].hand = hand;
                return Some(());
            }
            match apply_to(setting, state, peer(from), key, cell) {
                Applied::Done => Hand::Applied { from, index },
                // The position stays before it, so that no drain passes it.
                Applied::Diverged => Hand::Empty,
            }
        }
        Hand::Copy(cell) => {
            apply_to(setting, state, TARGET, 0, cell);
            state.copied = true;
            Hand::Empty
        }
        Hand::Replace { from, key, found, with } => {
            let key = usize::from(key);
            if state.store(peer(from)).cells[key] == found {
                write_cell(setting, state, peer(from), key, with);
            }
            Hand::Empty
        }
        Hand::Empty | Hand::Applied { .. } => return None,
    };
    state.operators[usize::from(o)].hand = after;
    Some(())
}

/// The variant: a record that was `found` in a retired store, and that the authority does
/// not have, is going to be replaced there by what the authority has now.
fn overwritten(
    setting: &Setting,
    state: &State,
    retired: u8,
    key: usize,
    found: Cell,
) -> Option<Hand> {
    let authority = peer(retired);
    let with = state.store(authority).cells[key];
    let past = state.store(retired).role == Role::Retired
        && state.store(authority).role == Role::Authority
        && (found.version > with.version
            || (found.version == with.version && found.value != with.value));
    (replaces_in_place(setting) && past).then_some(Hand::Replace {
        from: authority,
        key: key as u8,
        found,
        with,
    })
}

/// Stores the position, which never goes back.
pub(crate) fn store_position(state: &mut State, o: u8) {
    if let Hand::Applied { from, index } = state.operators[usize::from(o)].hand {
        let store = state.store_mut(from);
        store.position = store.position.max(index + 1);
        state.operators[usize::from(o)].hand = Hand::Empty;
    }
}

/// The key of the next entry of `at`, if the peer has another document under the same
/// version: a write past the fence.
fn diverged_at(state: &State, at: u8) -> Option<u8> {
    let store = state.store(at);
    if store.role != Role::Authority || store.position >= store.log.len() {
        return None;
    }
    let (key, _) = store.log.entry(store.position);
    let (ours, theirs) = (store.cells[key], state.store(peer(at)).cells[key]);
    (ours.version == theirs.version && ours.value != theirs.value).then_some(key as u8)
}

/// The authority's document is written again, so that the feed carries it over the other.
pub(crate) fn raise(setting: &Setting, state: &mut State, at: u8, key: u8) {
    let key = usize::from(key);
    let mut cell = state.store(at).cells[key];
    cell.version += 1;
    write_cell(setting, state, at, key, cell);
    state.note = crate::state::Note::Raised;
}
