//! The protocol: what an acquirer does about a lease as it was read. Decided without asking
//! anybody; each answer that writes is one commit, whose conditions are what was read.
//!
//! - Who acquires the lease writes the fence, on the condition that it is as it was read. Its
//!   new version is the token.
//! - Who joins those that share it leaves the fence as it is, checks it, and writes the
//!   roster. So an exclusive acquirer, who writes the fence and removes the roster as it read
//!   it, and a holder who joins at the same moment cannot both succeed.
//! - Who takes over removes or replaces the renewals of those who were silent, each as it was
//!   last seen: one of them that was alive after all fails the commit.

use std::collections::BTreeMap;
use std::time::Duration;

use repo_core::{Precondition, Result, Timestamp, Version, Write};

use crate::holder::LeaseHolder;
use crate::keys::Keys;
use crate::mode::LeaseMode;
use crate::observed::Idle;
use crate::slot::Slot;
use crate::state::State;
use crate::stored::{Fence, Held, Known, Renewal, Roster, document};

/// Who wants the lease, and how.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) keys: Keys,
    pub(crate) mode: LeaseMode,
    pub(crate) holder: LeaseHolder,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A commit that acquires it.
    Take(Take),
    /// It is acquired already, by a commit whose answer was lost.
    Mine { slot: Slot, token: Version, renewal: Version },
    /// Others hold it.
    Wait(HeldByOthers),
}

/// A commit that acquires the lease. The first write is about the fence, the second one is
/// the renewal of the new holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Take {
    pub(crate) writes: Vec<Write>,
    pub(crate) slot: Slot,
    /// The token, where the fence stays as it is.
    pub(crate) token: Option<Version>,
}

/// Who is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldByOthers {
    pub(crate) mode: LeaseMode,
    pub(crate) holders: Vec<LeaseHolder>,
    /// The token of those who hold it.
    pub(crate) token: Version,
    /// When it can be taken over, unless it is renewed.
    pub(crate) wait: Duration,
}

/// What an acquirer does about a lease as it was read.
pub(crate) fn plan(state: &State, wanted: &Wanted, idle: &Idle) -> Result<Step> {
    let Some(fence) = &state.fence else {
        return begin(state, wanted, Precondition::Absent).map(Step::Take);
    };
    if let Some((slot, token, renewal)) = state.place_of(wanted.holder.owner) {
        return Ok(Step::Mine { slot, token, renewal });
    }
    if let (Held::Shared { .. }, LeaseMode::Shared) = (&fence.value.held, wanted.mode) {
        return join(state, fence.version, wanted, idle);
    }
    // All of them have to be silent.
    let wait = state.holders().map(|(_, holder)| idle.remaining(holder)).max();
    match wait {
        Some(wait) if !wait.is_zero() => Ok(Step::Wait(in_the_way(state, fence, wait))),
        _ => begin(state, wanted, Precondition::Version(fence.version)).map(Step::Take),
    }
}

fn in_the_way(state: &State, fence: &Known<Fence>, wait: Duration) -> HeldByOthers {
    HeldByOthers {
        mode: fence.value.held.mode(),
        holders: state.holders().map(|(_, holder)| holder.clone()).collect(),
        token: fence.version,
        wait,
    }
}

/// Takes the lease from nobody, or from all who hold it.
fn begin(state: &State, wanted: &Wanted, over: Precondition) -> Result<Take> {
    let Wanted { keys, mode, holder } = wanted;
    let held = match mode {
        LeaseMode::Exclusive => Held::Exclusive(holder.clone()),
        LeaseMode::Shared => Held::Shared { since: holder.since },
    };
    let fence = Fence { id: keys.scope().to_string(), held };
    let replaced = state.holders().any(|(slot, _)| slot == Slot::FIRST);
    let mut writes = vec![
        Write::put(keys.fence.clone(), document(&fence)?, over),
        renewal(wanted, Slot::FIRST, as_seen(state, Slot::FIRST, replaced))?,
    ];
    for (slot, _) in state.holders().filter(|(slot, _)| *slot != Slot::FIRST) {
        let as_it_was = as_seen(state, slot, true);
        let key = keys.renewal(slot)?;
        // One that is not there is not removed, and cannot be renewed either.
        writes.push(match as_it_was {
            Precondition::Absent => Write::check(key, as_it_was),
            _ => Write::delete(key, as_it_was),
        });
    }
    writes.extend(roster_of_beginning(state, wanted)?);
    Ok(Take { writes, slot: Slot::FIRST, token: None })
}

/// What becomes of the roster when the lease is taken from nobody, or from all.
fn roster_of_beginning(state: &State, wanted: &Wanted) -> Result<Option<Write>> {
    let is_shared = |fence: &Known<Fence>| matches!(fence.value.held, Held::Shared { .. });
    let joined = state.fence.as_ref().is_some_and(is_shared);
    let key = &wanted.keys.roster;
    match (wanted.mode, joined) {
        // Nobody can have joined: the fence, which is written, did not let them.
        (LeaseMode::Shared, _) => {
            let slots = [(Slot::FIRST, wanted.holder.clone())].into();
            roster_write(&wanted.keys, slots, Precondition::Any).map(Some)
        }
        // Somebody may join at this moment.
        (LeaseMode::Exclusive, true) => Ok(Some(match &state.roster {
            Some(roster) => Write::delete(key.clone(), Precondition::Version(roster.version)),
            None => Write::check(key.clone(), Precondition::Absent),
        })),
        (LeaseMode::Exclusive, false) => Ok(None),
    }
}

/// Joins those who share the lease: in a free place, or in that of one who is silent.
fn join(state: &State, fence: Version, wanted: &Wanted, idle: &Idle) -> Result<Step> {
    let no_slots = BTreeMap::new();
    let taken = state.roster.as_ref().map_or(&no_slots, |roster| &roster.value.slots);
    let free = Slot::all().find(|slot| !taken.contains_key(slot));
    let silent = taken.iter().find(|(_, holder)| idle.remaining(holder).is_zero());
    let (slot, replaced) = match (free, silent) {
        (Some(slot), _) => (slot, false),
        (None, Some((slot, _))) => (*slot, true),
        (None, None) => {
            let wait = taken.values().map(|holder| idle.remaining(holder)).min();
            return Ok(Step::Wait(HeldByOthers {
                mode: LeaseMode::Shared,
                holders: taken.values().cloned().collect(),
                token: fence,
                wait: wait.unwrap_or_default(),
            }));
        }
    };
    let mut slots = taken.clone();
    slots.insert(slot, wanted.holder.clone());
    let roster = match &state.roster {
        Some(roster) => Precondition::Version(roster.version),
        None => Precondition::Absent,
    };
    let writes = vec![
        Write::check(wanted.keys.fence.clone(), Precondition::Version(fence)),
        renewal(wanted, slot, as_seen(state, slot, replaced))?,
        roster_write(&wanted.keys, slots, roster)?,
    ];
    Ok(Step::Take(Take { writes, slot, token: Some(fence) }))
}

/// The condition that the renewal in a place is the one that was seen; of a place that nobody
/// holds there is no condition, since whoever takes it writes the fence or the roster too.
fn as_seen(state: &State, slot: Slot, held: bool) -> Precondition {
    match state.renewed(slot) {
        _ if !held => Precondition::Any,
        Some(version) => Precondition::Version(version),
        None => Precondition::Absent,
    }
}

fn renewal(wanted: &Wanted, slot: Slot, precondition: Precondition) -> Result<Write> {
    renewal_of(&wanted.keys, slot, &wanted.holder, wanted.holder.since, precondition)
}

/// The write that renews a lease.
pub(crate) fn renewal_of(
    keys: &Keys,
    slot: Slot,
    holder: &LeaseHolder,
    at: Timestamp,
    precondition: Precondition,
) -> Result<Write> {
    let key = keys.renewal(slot)?;
    let renewal = Renewal { id: key.id.to_string(), owner: holder.owner, at };
    Ok(Write::put(key, document(&renewal)?, precondition))
}

/// The write of who shares a lease.
pub(crate) fn roster_write(
    keys: &Keys,
    slots: BTreeMap<Slot, LeaseHolder>,
    precondition: Precondition,
) -> Result<Write> {
    let key = keys.roster.clone();
    let roster = Roster { id: key.id.to_string(), slots };
    Ok(Write::put(key, document(&roster)?, precondition))
}
