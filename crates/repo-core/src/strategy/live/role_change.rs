//! The only way to change the role of a store.

use super::role::RoleState;
use super::store_role::StoreRole;
use crate::strategy::{JobKind, StoreId, UnfinishedJob};
use crate::{Error, ErrorKind, Result};

const OPERATION: &str = "change the role of the store";

/// A step of a store from one state of its role to the next, if it is still in the first.
///
/// | from | to | what rises | |
/// |---|---|---|---|
/// | `authority` | `authority` | | a live migration begins, or ends; it ends with a new attempt |
/// | `authority` | `replica` | | a live migration into this store begins |
/// | `authority` | `fenced` | attempt | by the live migration that the store takes part in |
/// | `fenced` | `authority` | attempt | cancelled; or aborted, where the live migration ends |
/// | `fenced` | `retired` | epoch | decided, with the route to the successor |
/// | `replica` | `authority` | epoch | promoted |
/// | `replica` | `authority` | attempt | aborted: the live migration ends |
/// | `retired` | `authority` | epoch | promoted on the way back |
/// | `retired` | `retired` | | the live migration ends; the route stays |
///
/// What does not rise stays. A step to the same state waits for what a step that led there
/// waited for, and changes nothing: whoever took it may have been killed before the answer.
/// Everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleChange {
    /// What the caller believes is stored.
    pub expected: RoleState,
    /// What to store instead.
    pub next: RoleState,
}

impl RoleChange {
    /// The step between two states.
    #[must_use]
    pub fn new(expected: RoleState, next: RoleState) -> Self {
        Self { expected, next }
    }

    /// For strategies: checks the step against what is stored: the role, the id of the
    /// store, its unfinished job.
    ///
    /// # Errors
    /// `Locked` when another state is stored by now, or another job in the store is
    /// unfinished; `Invalid` for a step that the table does not have; `Unsupported` for a
    /// store without an id.
    pub fn check(
        &self,
        stored: &RoleState,
        id: Option<StoreId>,
        job: Option<&UnfinishedJob>,
    ) -> Result<()> {
        if *stored != self.expected {
            let why = "the role of the store was changed by another program meanwhile";
            return Err(Error::new(ErrorKind::Locked, OPERATION, why)
                .with("role", stored.role.as_str())
                .with("epoch", stored.epoch)
                .with("attempt", stored.attempt)
                .hint("read the store's record again"));
        }
        if id.is_none() {
            let why = "the store has no id: it is of an older layout, or was never prepared";
            return Err(Error::new(ErrorKind::Unsupported, OPERATION, why));
        }
        let begins = self.expected.live.is_none() && self.next.live.is_some();
        if begins && job.is_some_and(|job| job.kind() != JobKind::Mark) {
            let why = "a migration or a clean-up of this store is unfinished";
            return Err(
                Error::new(ErrorKind::Locked, OPERATION, why).hint("finish it first: run it again")
            );
        }
        if self.expected == self.next || self.is_allowed() {
            return Ok(());
        }
        let why = "a store does not take this step";
        Err(Error::new(ErrorKind::Invalid, OPERATION, why)
            .with("from", self.expected.role.as_str())
            .with("to", self.next.role.as_str()))
    }

    fn is_allowed(&self) -> bool {
        use StoreRole::{Authority, Fenced, Replica, Retired};
        let (from, to) = (&self.expected, &self.next);
        let (begins, ends) = match (from.live, to.live) {
            (None, None) => (false, false),
            (None, Some(_)) => (true, false),
            (Some(_), None) => (false, true),
            (Some(before), Some(after)) if before == after => (false, false),
            (Some(_), Some(_)) => return false,
        };
        let taking_part = from.live.is_some() && !ends;
        let step = match (from.role, to.role) {
            (Authority, Authority) if begins => Rises::Nothing,
            (Authority | Replica, Authority) if ends => Rises::Attempt,
            (Authority, Replica) if begins => Rises::Nothing,
            (Authority, Fenced) if taking_part => Rises::Attempt,
            (Fenced, Authority) if taking_part || ends => Rises::Attempt,
            (Fenced, Retired) if taking_part => Rises::Epoch,
            (Replica | Retired, Authority) if taking_part => Rises::Epoch,
            (Retired, Retired) if ends => Rises::Nothing,
            _ => return false,
        };
        // A retired store names its successor, nobody else does, and the route of one that
        // stays retired stays. A fenced one says for how long, nobody else does.
        let routed = (to.role == Retired) == to.route.is_some()
            && (from.role != Retired || to.role != Retired || from.route == to.route);
        let limited = (to.role == Fenced) == to.max_pause_ms.is_some();
        routed && limited && step.fits(from, to)
    }
}

/// Which of the two counters rises in a step.
enum Rises {
    Nothing,
    Attempt,
    Epoch,
}

impl Rises {
    fn fits(&self, from: &RoleState, to: &RoleState) -> bool {
        let attempt = from.attempt.checked_add(u64::from(matches!(self, Self::Attempt)));
        let epoch = match self {
            Self::Epoch => to.epoch > from.epoch,
            _ => to.epoch == from.epoch,
        };
        attempt == Some(to.attempt) && epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{LiveId, Route};

    const ROLES: [StoreRole; 4] =
        [StoreRole::Authority, StoreRole::Fenced, StoreRole::Retired, StoreRole::Replica];

    fn lives() -> [Option<LiveId>; 3] {
        [None, Some(LiveId::from_bytes([1; 16])), Some(LiveId::from_bytes([2; 16]))]
    }

    /// Every state with counters up to 2 that a store can be in.
    fn states() -> Vec<RoleState> {
        let mut states = Vec::new();
        for role in ROLES {
            for live in lives() {
                for number in 0..9 {
                    let (epoch, attempt) = (number / 3, number % 3);
                    let live_id = LiveId::from_bytes([1; 16]);
                    let route = Route::new("x", StoreId::from_bytes([3; 16]), live_id);
                    let route = (role == StoreRole::Retired).then_some(route);
                    let max_pause_ms = (role == StoreRole::Fenced).then_some(5_000);
                    states.push(RoleState { role, epoch, attempt, live, max_pause_ms, route });
                }
            }
        }
        states
    }

    fn allowed() -> Vec<RoleChange> {
        let all = states();
        let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (a.clone(), b.clone())));
        pairs.map(|(a, b)| RoleChange::new(a, b)).filter(RoleChange::is_allowed).collect()
    }

    #[test]
    fn a_step_is_one_of_the_table() {
        let steps: std::collections::BTreeSet<(&str, &str)> = allowed()
            .iter()
            .map(|change| (change.expected.role.as_str(), change.next.role.as_str()))
            .collect();
        let table = [
            ("authority", "authority"),
            ("authority", "fenced"),
            ("authority", "replica"),
            ("fenced", "authority"),
            ("fenced", "retired"),
            ("replica", "authority"),
            ("retired", "authority"),
            ("retired", "retired"),
        ];
        assert_eq!(steps.into_iter().collect::<Vec<_>>(), table);
    }

    #[test]
    fn counters_never_fall_and_no_step_is_silent() {
        for RoleChange { expected: from, next: to } in allowed() {
            assert!(to.epoch >= from.epoch && to.attempt >= from.attempt, "{from:?} {to:?}");
            let rises = to.epoch > from.epoch || to.attempt > from.attempt;
            // Who writes is another one only with a number by which that is seen, except
            // where a live migration begins.
            let begins = from.live.is_none();
            assert!(rises || begins || from.takes_writes() == to.takes_writes(), "{from:?} {to:?}");
        }
    }

    #[test]
    fn one_live_migration_does_not_take_over_from_another() {
        for RoleChange { expected: from, next: to } in allowed() {
            assert!(from.live == to.live || from.live.is_none() || to.live.is_none());
        }
    }

    #[test]
    fn a_role_is_stored_as_text_and_read_again() {
        for state in states() {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<RoleState>(&text).unwrap(), state);
        }
        assert_eq!(serde_json::from_str::<RoleState>("{}").unwrap(), RoleState::default());
    }
}
