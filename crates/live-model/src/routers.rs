//! What a router does about leases, routes and decisions.

use crate::actions::Action;
use crate::rules::{Fence, Rule, Setting};
use crate::state::{Lease, Note, Role, Router, SOURCE, State, Write, peer};

/// A router that knows only what its application configured: the source.
pub(crate) const FRESH: Router = Router { at: SOURCE, lease: None, helping: 0, write: Write::Idle };

/// The steps that router `r` can take, except for those of its write.
pub(crate) fn enabled(setting: &Setting, state: &State, r: u8, actions: &mut Vec<Action>) {
    let router = &state.routers[usize::from(r)];
    if router.lease.is_some() {
        actions.push(Action::LeaseEnds(r));
    } else {
        actions.push(Action::Renew(r));
    }
    if router.helping != 0 {
        actions.push(Action::Help(r));
    }
    if state.counts.crashes < setting.bounds.crashes {
        actions.push(Action::RouterCrash(r));
    }
}

/// Reads the record of the store that the router is at.
///
/// An authority gives a lease, a retired store names its successor, and a replica sends
/// back to the store that is configured. A fenced store gives nothing: with a lease from
/// there the router could read after the successor has taken writes.
pub(crate) fn renew(setting: &Setting, state: &mut State, r: u8) -> Option<()> {
    let at = state.routers[usize::from(r)].at;
    let store = *state.store(at);
    let router = &mut state.routers[usize::from(r)];
    let epoch = if setting.fence == Fence::Expiry { store.epoch } else { 0 };
    let lease = Some(Lease { attempt: store.attempt, epoch });
    match store.role {
        Role::Authority => router.lease = lease,
        Role::Fenced if !setting.keeps(Rule::LeaseFromAuthority) => router.lease = lease,
        Role::Fenced => return None,
        Role::Retired => {
            router.at = peer(at);
            router.helping = store.epoch;
        }
        Role::Replica | Role::Released if at != SOURCE => router.at = SOURCE,
        Role::Replica | Role::Released => return None,
    }
    Some(())
}

/// Promotes the store that begins `epoch`, if nobody has: one compare-and-set, which finds
/// the role and epoch that it expects or changes nothing. True if it did.
pub(crate) fn promote(setting: &Setting, state: &mut State, epoch: u8) -> bool {
    let successor = 1 - (epoch & 1);
    let store = state.store_mut(successor);
    let rises = store.epoch < epoch || !setting.keeps(Rule::EpochRises);
    let waits = matches!(store.role, Role::Replica | Role::Retired);
    if rises && waits {
        store.role = Role::Authority;
        store.epoch = epoch;
    }
    rises && waits
}

/// Finishes the decision that the router saw.
pub(crate) fn help(setting: &Setting, state: &mut State, r: u8) {
    let epoch = state.routers[usize::from(r)].helping;
    state.routers[usize::from(r)].helping = 0;
    if promote(setting, state, epoch) {
        state.note = Note::Helped;
    }
}

/// The process ends. A write that has begun may still arrive; nobody hears of it.
pub(crate) fn crash(state: &mut State, r: u8) -> Option<()> {
    let router = &mut state.routers[usize::from(r)];
    let write = match router.write {
        Write::Begun(mut begun) => {
            begun.orphan = true;
            begun.lease = Lease { attempt: 0, epoch: 0 };
            begun.fresh = true;
            Write::Begun(begun)
        }
        _ => Write::Idle,
    };
    let after = Router { write, ..FRESH };
    if *router == after {
        return None;
    }
    *router = after;
    state.counts.crashes += 1;
    Some(())
}
