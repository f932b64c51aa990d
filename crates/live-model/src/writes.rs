//! One write, from its beginning to its answer.
//!
//! Begun and committed are two steps, because a statement that has begun may wait for a
//! row while the fence is set.

use crate::actions::Action;
use crate::rules::{Fence, Rule, Setting};
use crate::state::{Begun, Cell, Committed, Lease, Note, Role, SOURCE, State, Write};

const NO_LEASE: Lease = Lease { attempt: 0, epoch: 0 };

/// The steps that the write of router `r` can take.
pub(crate) fn enabled(setting: &Setting, state: &State, r: u8, actions: &mut Vec<Action>) {
    let lost = state.counts.lost < setting.bounds.lost;
    match state.routers[usize::from(r)].write {
        Write::Idle
            if state.counts.writes < setting.bounds.writes && may_begin(setting, state, r) =>
        {
            actions.extend([Action::Begin(r, 0), Action::Begin(r, 1)]);
        }
        Write::Idle => {}
        Write::Begun(begun) => {
            actions.push(Action::Commit(r));
            if begun.orphan {
                actions.push(Action::Fail(r));
            } else if lost {
                actions.push(Action::LoseAnswer(r));
            }
            if stale_matters(setting, begun.fresh) && !begun.orphan {
                actions.push(Action::Stale(r));
            }
        }
        Write::Committed(done) => {
            actions.push(Action::Answer(r));
            if lost {
                actions.push(Action::LoseAnswer(r));
            }
            if stale_matters(setting, done.fresh) {
                actions.push(Action::Stale(r));
            }
        }
        Write::Unknown { .. } => actions.push(Action::Resolve(r)),
    }
}

fn stale_matters(setting: &Setting, fresh: bool) -> bool {
    setting.fence == Fence::Expiry && fresh
}

/// With a lock the store itself says whether writes may begin. Without one the writer
/// trusts the record that it read.
fn may_begin(setting: &Setting, state: &State, r: u8) -> bool {
    let router = &state.routers[usize::from(r)];
    match setting.fence {
        Fence::Lock => state.store(router.at).role == Role::Authority,
        Fence::Expiry => router.lease.is_some(),
    }
}

/// Begins a write of `key` with the document `value` at the router's store.
fn begun(setting: &Setting, state: &State, r: u8, key: u8, value: u8) -> Write {
    let router = &state.routers[usize::from(r)];
    let base = state.store(router.at).cells[usize::from(key)].version;
    let expiry = setting.fence == Fence::Expiry;
    let lease = router.lease.filter(|_| expiry).unwrap_or(NO_LEASE);
    let base = if expiry { base } else { 0 };
    Write::Begun(Begun { store: router.at, key, value, base, lease, fresh: true, orphan: false })
}

/// Begins a new write.
pub(crate) fn begin(setting: &Setting, state: &mut State, r: u8, key: u8) {
    state.counts.writes += 1;
    let write = begun(setting, state, r, key, state.counts.writes);
    state.routers[usize::from(r)].write = write;
}

/// The write arrives. With [`Fence::Expiry`] it is conditional on the version that the
/// writer read.
pub(crate) fn commit(setting: &Setting, state: &mut State, r: u8) -> Option<()> {
    let Write::Begun(begun) = state.routers[usize::from(r)].write else { return None };
    let key = usize::from(begun.key);
    let version = state.store(begun.store).cells[key].version;
    if setting.fence == Fence::Expiry && version != begun.base {
        state.routers[usize::from(r)].write = Write::Idle;
        return Some(());
    }
    write_cell(setting, state, begun.store, key, Cell { version: version + 1, value: begun.value });
    let in_force = matches!(state.store(begun.store).role, Role::Authority | Role::Fenced);
    state.routers[usize::from(r)].write = if begun.orphan {
        Write::Idle
    } else {
        Write::Committed(Committed {
            store: begun.store,
            key: begun.key,
            value: begun.value,
            version: version + 1,
            lease: begun.lease,
            fresh: begun.fresh,
            in_force,
        })
    };
    Some(())
}

/// Puts a record into a store, and into what the store captures.
pub(crate) fn write_cell(setting: &Setting, state: &mut State, at: u8, key: usize, cell: Cell) {
    let store = state.store_mut(at);
    store.cells[key] = cell;
    if at == SOURCE || setting.keeps(Rule::CaptureBeforeSwitch) {
        store.log.push(key, cell.version);
    }
}

/// A crashed router's write is rolled back.
pub(crate) fn fail(state: &mut State, r: u8) {
    state.routers[usize::from(r)].write = Write::Idle;
}

/// The record that the write trusts has expired. Its attempt is asked for no more.
pub(crate) fn stale(state: &mut State, r: u8) {
    match &mut state.routers[usize::from(r)].write {
        Write::Begun(begun) => {
            begun.fresh = false;
            begun.lease.attempt = 0;
        }
        Write::Committed(done) => {
            done.fresh = false;
            done.lease.attempt = 0;
        }
        Write::Idle | Write::Unknown { .. } => {}
    }
}

/// The answer arrives. If it is late, the record decides whether it is an
/// acknowledgement.
pub(crate) fn answer(setting: &Setting, state: &mut State, r: u8) -> Option<()> {
    let Write::Committed(done) = state.routers[usize::from(r)].write else { return None };
    if done.fresh || late_look(setting, state, &done) {
        let cell = Cell { version: done.version, value: done.value };
        acknowledge(state, r, done.key, cell, done.in_force);
    } else {
        state.routers[usize::from(r)].write = unknown(done);
        state.note = Note::LateUnknown;
    }
    Some(())
}

fn late_look(setting: &Setting, state: &State, done: &Committed) -> bool {
    let store = state.store(done.store);
    let same_epoch = store.epoch == done.lease.epoch || !setting.keeps(Rule::LateLookComparesEpoch);
    !setting.keeps(Rule::LateLook) || (store.role == Role::Authority && same_epoch)
}

fn unknown(done: Committed) -> Write {
    Write::Unknown { key: done.key, value: done.value, base: done.version - 1 }
}

/// The client is told that its write is there.
fn acknowledge(state: &mut State, r: u8, key: u8, cell: Cell, in_force: bool) {
    let acked = &mut state.acked[usize::from(key)];
    let bit = 1 << cell.version;
    if acked.versions & bit != 0 {
        state.note = Note::AckedTwice;
    } else if !in_force {
        state.note = Note::AckedLate;
    }
    acked.versions |= bit;
    if cell.version > acked.top.version {
        acked.top = cell;
    }
    state.routers[usize::from(r)].write = Write::Idle;
}

/// The answer is lost; a write that has only begun is rolled back with it.
pub(crate) fn lose(setting: &Setting, state: &mut State, r: u8) -> Option<()> {
    state.counts.lost += 1;
    let write = match state.routers[usize::from(r)].write {
        Write::Committed(done) => unknown(done),
        Write::Begun(begun) => {
            let now = state.store(begun.store).cells[usize::from(begun.key)].version;
            let base = if setting.fence == Fence::Expiry { begun.base } else { now };
            Write::Unknown { key: begun.key, value: begun.value, base }
        }
        Write::Idle | Write::Unknown { .. } => return None,
    };
    state.routers[usize::from(r)].write = write;
    Some(())
}

/// A strong read: the write is there, or nothing happened since and it begins again, or
/// others have written and the client gives up.
pub(crate) fn resolve(setting: &Setting, state: &mut State, r: u8) -> Option<()> {
    let router = state.routers[usize::from(r)];
    let Write::Unknown { key, value, base } = router.write else { return None };
    router.lease?;
    let cell = state.store(router.at).cells[usize::from(key)];
    if cell.value == value {
        acknowledge(state, r, key, cell, true);
        if state.note == Note::None {
            state.note = Note::Found;
        }
    } else if cell.version == base {
        if !may_begin(setting, state, r) {
            return None;
        }
        state.routers[usize::from(r)].write = begun(setting, state, r, key, value);
        state.note = Note::Repeated;
    } else {
        state.routers[usize::from(r)].write = Write::Idle;
    }
    Some(())
}
