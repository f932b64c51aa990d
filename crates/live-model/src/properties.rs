//! The invariants, and what has to be possible so that they say something.
//!
//! The names begin with the number of the invariant in the table of the crate's
//! documentation.

use stateright::Property;

use crate::rules::{Fence, LiveModel, Rule};
use crate::state::{Cell, KEYS, Note, Role, SOURCE, State, TARGET, peer};

/// All invariants of `model` and, if it is the whole protocol, all that is possible
/// within its bounds.
pub(crate) fn of(model: &LiveModel) -> Vec<Property<LiveModel>> {
    let mut all = invariants();
    if model.setting.without.is_none() {
        all.extend(possible(model));
    }
    all
}

fn invariants() -> Vec<Property<LiveModel>> {
    vec![
        Property::always("L1 at most one authority", one_authority),
        Property::always("L2 acknowledged writes are kept", acknowledged_are_kept),
        Property::always("L3 a version is acknowledged once", |_, s: &State| {
            s.note != Note::AckedTwice
        }),
        Property::always("L4 no write after the decision is acknowledged", |_, s: &State| {
            s.note != Note::AckedLate
        }),
        Property::always("L5 strong reads are not stale", reads_are_not_stale),
        Property::always("L6 the position is not ahead", position_is_not_ahead),
        Property::always("L7 the replica is not ahead", replica_is_not_ahead),
        Property::always("L8 equal versions, equal documents", equal_versions),
        Property::always("L9 an older attempt decides nothing", |_, s: &State| {
            s.note != Note::DecidedLate
        }),
        Property::always("L11 what was written is captured", captured),
        Property::always("L12 the way back keeps all", back_keeps),
        Property::always("P1 a decided successor can be promoted", successor_waits),
        Property::always("P2 a configured store names the authority", finds_its_way),
        Property::always("the logs have room", |_, s: &State| {
            s.stores.iter().all(|x| !x.log.overflowed())
        }),
    ]
}

fn one_authority(_: &LiveModel, state: &State) -> bool {
    state.stores.iter().any(|store| store.role != Role::Authority)
}

/// Where acknowledged writes have to be: in the authority; before the decision in the
/// fenced store; after it in the successor, promoted or not.
fn holder(state: &State) -> u8 {
    let leads = |at: u8| matches!(state.store(at).role, Role::Authority | Role::Fenced);
    if leads(SOURCE) {
        SOURCE
    } else if leads(TARGET) || state.store(SOURCE).epoch > state.store(TARGET).epoch {
        TARGET
    } else {
        SOURCE
    }
}

fn has(cells: &[Cell; KEYS], state: &State) -> bool {
    state.acked.iter().zip(cells).all(|(acked, cell)| {
        cell.version > acked.top.version || *cell == acked.top || acked.versions == 0
    })
}

fn acknowledged_are_kept(_: &LiveModel, state: &State) -> bool {
    has(&state.store(holder(state)).cells, state)
}

/// A read that begins now. A later one of the same lease finds at least as much.
fn reads_are_not_stale(model: &LiveModel, state: &State) -> bool {
    let reads_without = !model.setting.keeps(Rule::ReadLease);
    state.routers.iter().all(|router| {
        let reads = router.lease.is_some() || reads_without;
        !reads || has(&state.store(router.at).cells, state)
    })
}

fn position_is_not_ahead(_: &LiveModel, state: &State) -> bool {
    [SOURCE, TARGET].into_iter().all(|at| {
        let store = state.store(at);
        (0..store.position)
            .map(|index| store.log.entry(index))
            .all(|(key, version)| state.store(peer(at)).cells[key].version >= version)
    })
}

/// With [`Fence::Expiry`] this holds before the first decision: later the other store may
/// have a write past the fence.
fn replica_is_not_ahead(model: &LiveModel, state: &State) -> bool {
    let leader = state.store(holder(state));
    let decided = leader.epoch > 1 || matches!(leader.role, Role::Replica | Role::Retired);
    if decided && model.setting.fence == Fence::Expiry {
        return true;
    }
    let other = state.store(peer(holder(state)));
    other.cells.iter().zip(&leader.cells).all(|(theirs, ours)| theirs.version <= ours.version)
}

/// With [`Fence::Expiry`] a write past the fence may differ until the feed has come there.
fn equal_versions(model: &LiveModel, state: &State) -> bool {
    let leader = state.store(holder(state));
    let behind = leader.position < leader.log.len() || leader.role != Role::Authority;
    if behind && model.setting.fence == Fence::Expiry {
        return true;
    }
    let [one, other] = &state.stores;
    one.cells.iter().zip(&other.cells).all(|(a, b)| a.version != b.version || a.value == b.value)
}

/// Each record that was written since capture began has its last version in the log, and
/// once everything is applied the peer lacks nothing.
fn captured(model: &LiveModel, state: &State) -> bool {
    let leader = state.store(holder(state));
    let logged = leader.role != Role::Authority
        || (0..KEYS).all(|key| {
            let first = if key == 1 && model.setting.bounds.copy { 0 } else { 1 };
            let version = leader.cells[key].version;
            version <= first || leader.log.last_of(key) == Some(version)
        });
    let complete = state.copied && leader.position == leader.log.len();
    let other = state.store(peer(holder(state)));
    let equal = leader.cells.iter().zip(&other.cells).all(|(a, b)| b.version >= a.version);
    let leads = matches!(leader.role, Role::Authority | Role::Fenced);
    logged && (!complete || !leads || equal)
}

fn back_keeps(_: &LiveModel, state: &State) -> bool {
    let source = state.store(SOURCE);
    source.role != Role::Authority || source.epoch < 3 || has(&source.cells, state)
}

fn successor_waits(_: &LiveModel, state: &State) -> bool {
    [SOURCE, TARGET].into_iter().all(|at| {
        let (store, successor) = (state.store(at), state.store(peer(at)));
        let open = store.role == Role::Retired && successor.epoch < store.epoch;
        !open || matches!(successor.role, Role::Replica | Role::Retired)
    })
}

/// A router that knows only the source is served there, waits for an end of the pause, or
/// is sent on.
fn finds_its_way(_: &LiveModel, state: &State) -> bool {
    matches!(state.store(SOURCE).role, Role::Authority | Role::Fenced | Role::Retired)
}

/// What has to happen in some history of these bounds.
fn possible(model: &LiveModel) -> Vec<Property<LiveModel>> {
    let (bounds, fence) = (model.setting.bounds, model.setting.fence);
    let mut all = vec![
        Property::sometimes("a switch completes", |_, s: &State| leads_at(s, TARGET, 2)),
        Property::sometimes("a router promotes", |_, s: &State| s.note == Note::Helped),
        Property::sometimes("an operator takes over", |_, s: &State| s.note == Note::TookOver),
        Property::sometimes("the target acknowledges", |_, s: &State| acks_alone(s, TARGET, 2)),
    ];
    let ways = [
        (bounds.fences > 1, back as fn() -> Vec<_>),
        (bounds.cancels > 0, cancels),
        (bounds.lost > 0, lost_answers),
        (fence == Fence::Expiry, late_answers),
        (fence == Fence::Expiry && bounds.writes > 1, past_the_fence),
    ];
    all.extend(
        ways.iter().filter(|(happens, _)| *happens).flat_map(|(_, properties)| properties()),
    );
    all
}

fn back() -> Vec<Property<LiveModel>> {
    vec![
        Property::sometimes("a way back completes", |_, s: &State| leads_at(s, SOURCE, 3)),
        Property::sometimes("the source acknowledges again", |_, s: &State| {
            acks_alone(s, SOURCE, 3)
        }),
    ]
}

fn cancels() -> Vec<Property<LiveModel>> {
    vec![
        Property::sometimes("a cancel happens", cancelled),
        Property::sometimes("an abort completes", |_, s: &State| {
            s.store(TARGET).role == Role::Released
        }),
        Property::sometimes("a late decision is refused", |_, s: &State| s.note == Note::Refused),
    ]
}

fn lost_answers() -> Vec<Property<LiveModel>> {
    vec![
        Property::sometimes("a lost answer is found out", |_, s: &State| s.note == Note::Found),
        Property::sometimes("a lost write begins again", |_, s: &State| s.note == Note::Repeated),
        Property::sometimes("a lost answer is found in the successor", |_, s: &State| {
            s.note == Note::Found && leads_at(s, TARGET, 2)
        }),
    ]
}

fn late_answers() -> Vec<Property<LiveModel>> {
    vec![Property::sometimes("a late answer stays unknown", |_, s: &State| {
        s.note == Note::LateUnknown
    })]
}

fn past_the_fence() -> Vec<Property<LiveModel>> {
    vec![Property::sometimes("a write past the fence is overruled", |_, s: &State| {
        s.note == Note::Raised
    })]
}

fn leads_at(state: &State, at: u8, epoch: u8) -> bool {
    state.store(at).role == Role::Authority && state.store(at).epoch == epoch
}

/// Something is acknowledged that only `at` has.
fn acks_alone(state: &State, at: u8, epoch: u8) -> bool {
    let other = state.store(peer(at));
    let mut pairs = state.acked.iter().zip(&other.cells);
    leads_at(state, at, epoch) && pairs.any(|(acked, cell)| acked.top.version > cell.version)
}

/// An attempt was raised by a fence and by a cancel.
fn cancelled(_: &LiveModel, state: &State) -> bool {
    let source = state.store(SOURCE);
    source.role == Role::Authority && source.claimed && source.epoch == 1 && source.attempt == 2
}
