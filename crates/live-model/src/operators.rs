//! What an operator does about roles: fence, cancel, abort, decide, promote.
//!
//! Each change of a role is a compare-and-set on role, epoch and attempt of one store, so
//! reading and changing may be one step of the model: what was read before and is no
//! longer so changes nothing.

use crate::actions::Action;
use crate::routers::promote;
use crate::rules::{Fence, Rule, Setting};
use crate::state::{Hand, Note, Operator, Role, SOURCE, State, Step, TARGET, Write, peer};

/// An operator that has just begun.
pub(crate) const FRESH: Operator = Operator { step: Step::Idle, hand: Hand::Empty };

/// The steps that operator `o` can take with roles.
pub(crate) fn enabled(setting: &Setting, state: &State, o: u8, actions: &mut Vec<Action>) {
    let operator = &state.operators[usize::from(o)];
    match operator.step {
        Step::Idle => {
            for at in [SOURCE, TARGET] {
                if may_fence(setting, state, at) {
                    actions.push(Action::Fence(o, at));
                }
                if to_take_over(state, at).is_some() {
                    actions.push(Action::TakeOver(o, at));
                }
            }
        }
        Step::Fenced { source, attempt } if drained(setting, state, source, attempt) => {
            actions.push(Action::Drain(o));
        }
        Step::Fenced { .. } => {}
        Step::Drained { .. } => actions.push(Action::Decide(o)),
        Step::Decided { .. } => actions.push(Action::Promote(o)),
        Step::Aborting => actions.push(Action::Release(o)),
    }
    if state.counts.cancels < setting.bounds.cancels && operator.step != Step::Aborting {
        for at in [SOURCE, TARGET] {
            if state.store(at).role == Role::Fenced {
                actions.push(Action::Cancel(o, at));
            }
        }
        if may_abort(state) {
            actions.push(Action::Abort(o));
        }
    }
    if state.counts.crashes < setting.bounds.crashes && *operator != FRESH {
        actions.push(Action::OperatorCrash(o));
    }
}

fn may_fence(setting: &Setting, state: &State, at: u8) -> bool {
    let waits = setting.fence == Fence::Lock && setting.keeps(Rule::FenceWaits);
    let under_way = |write: Write| matches!(write, Write::Begun(begun) if begun.store == at);
    let blocked = waits && state.routers.iter().any(|router| under_way(router.write));
    state.counts.fences < setting.bounds.fences
        && state.store(at).role == Role::Authority
        && state.store(at).claimed
        && !blocked
}

/// Sets the fence.
pub(crate) fn fence(state: &mut State, o: u8, at: u8) {
    state.counts.fences += 1;
    let store = state.store_mut(at);
    store.role = Role::Fenced;
    store.attempt += 1;
    let attempt = store.attempt;
    state.operators[usize::from(o)].step = Step::Fenced { source: at, attempt };
}

/// A fence that stands, or a decision whose successor is not promoted.
fn to_take_over(state: &State, at: u8) -> Option<Step> {
    let store = state.store(at);
    match store.role {
        Role::Fenced => Some(Step::Fenced { source: at, attempt: store.attempt }),
        Role::Retired if state.store(peer(at)).epoch < store.epoch => {
            Some(Step::Decided { epoch: store.epoch })
        }
        _ => None,
    }
}

/// Resumes what another operator, or this one before a crash, has begun.
pub(crate) fn take_over(state: &mut State, o: u8, at: u8) -> Option<()> {
    state.operators[usize::from(o)].step = to_take_over(state, at)?;
    state.note = Note::TookOver;
    Some(())
}

/// Lifts the fence under a new attempt.
pub(crate) fn cancel(state: &mut State, o: u8, at: u8) {
    state.counts.cancels += 1;
    let store = state.store_mut(at);
    store.role = Role::Authority;
    store.attempt += 1;
    state.operators[usize::from(o)].step = Step::Idle;
}

/// Before the first decision only.
fn may_abort(state: &State) -> bool {
    let source = state.store(SOURCE);
    let before = source.epoch == 1 && matches!(source.role, Role::Authority | Role::Fenced);
    before && source.claimed
}

/// The first half of an abort: the source is an authority without a claim.
pub(crate) fn abort(setting: &Setting, state: &mut State, o: u8) {
    state.counts.cancels += 1;
    let source = state.store_mut(SOURCE);
    source.role = Role::Authority;
    source.attempt += 1;
    source.claimed = !setting.keeps(Rule::AbortEndsClaim);
    state.operators[usize::from(o)].step = Step::Aborting;
}

/// The second half: the target is no longer part of anything.
pub(crate) fn release(state: &mut State, o: u8) {
    let target = state.store_mut(TARGET);
    if target.role == Role::Replica {
        target.role = Role::Released;
        target.claimed = false;
    }
    state.operators[usize::from(o)].step = Step::Idle;
}

/// Whether the leases from before the fence have passed, and the peer has everything.
fn drained(setting: &Setting, state: &State, source: u8, attempt: u8) -> bool {
    let store = state.store(source);
    let everything = state.copied && store.position >= store.log.len();
    (everything || !setting.keeps(Rule::Drain))
        && (readers_passed(state, source, attempt) || !setting.keeps(Rule::ReadLease))
        && (setting.fence == Fence::Lock
            || writers_passed(state, source, attempt)
            || !setting.keeps(Rule::WriteLease))
}

fn readers_passed(state: &State, source: u8, attempt: u8) -> bool {
    let passed = |lease: Option<crate::state::Lease>| lease.is_none_or(|l| l.attempt >= attempt);
    state.routers.iter().all(|router| router.at != source || passed(router.lease))
}

fn writers_passed(state: &State, source: u8, attempt: u8) -> bool {
    state.routers.iter().all(|router| match router.write {
        Write::Begun(w) => w.store != source || !w.fresh || w.orphan || w.lease.attempt >= attempt,
        Write::Committed(w) => w.store != source || !w.fresh || w.lease.attempt >= attempt,
        Write::Idle | Write::Unknown { .. } => true,
    })
}

/// The operator has waited and seen it.
pub(crate) fn drain(state: &mut State, o: u8) {
    if let Step::Fenced { source, attempt } = state.operators[usize::from(o)].step {
        state.operators[usize::from(o)].step = Step::Drained { source, attempt };
    }
}

/// The point of no return.
pub(crate) fn decide(setting: &Setting, state: &mut State, o: u8) -> Option<()> {
    let Step::Drained { source, attempt } = state.operators[usize::from(o)].step else {
        return None;
    };
    let store = *state.store(source);
    let epoch = store.epoch + 1;
    if !setting.keeps(Rule::DecisionAtSource) {
        state.operators[usize::from(o)].step = Step::Decided { epoch };
        return Some(());
    }
    let expected = store.attempt == attempt || !setting.keeps(Rule::AttemptInDecision);
    if store.role != Role::Fenced || !expected {
        state.operators[usize::from(o)].step = Step::Idle;
        state.note = Note::Refused;
        return Some(());
    }
    if store.attempt != attempt {
        state.note = Note::DecidedLate;
    }
    retire(setting, state, source, epoch);
    state.operators[usize::from(o)].step = Step::Decided { epoch };
    Some(())
}

/// What the successor captured so far came from here, so the feed from there begins after
/// it. If it was an authority before and has no lock, writes past its fence are among it.
fn retire(setting: &Setting, state: &mut State, source: u8, epoch: u8) {
    let store = state.store_mut(source);
    store.role = Role::Retired;
    store.epoch = epoch;
    let successor = state.store_mut(peer(source));
    let was_leading = successor.role == Role::Retired;
    if setting.fence == Fence::Lock || !was_leading || !setting.keeps(Rule::TailIsCarried) {
        successor.position = successor.log.len();
    }
}

/// Makes the successor the authority.
pub(crate) fn promote_by(setting: &Setting, state: &mut State, o: u8) {
    let Step::Decided { epoch } = state.operators[usize::from(o)].step else { return };
    let source = epoch & 1;
    let promoted = promote(setting, state, epoch);
    if promoted && !setting.keeps(Rule::DecisionAtSource) {
        // The variant writes the successor first and then the source, if it finds it fenced.
        if state.store(source).role == Role::Fenced {
            retire(setting, state, source, epoch);
        }
    }
    if promoted && !setting.keeps(Rule::RouteStays) {
        state.store_mut(source).role = Role::Replica;
    }
    state.operators[usize::from(o)].step = Step::Idle;
}

/// The process ends. What was sent may have arrived; it is one of the steps before.
pub(crate) fn crash(state: &mut State, o: u8) {
    state.counts.crashes += 1;
    state.operators[usize::from(o)] = FRESH;
}
