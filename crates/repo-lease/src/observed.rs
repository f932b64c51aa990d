//! What an observer has seen: for how long each holder of a lease has not renewed it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repo_core::Version;
use repo_core::strategy::OwnerId;

use crate::holder::LeaseHolder;
use crate::scope::LeaseScope;
use crate::state::State;

/// Most scopes that are remembered; of more, the one that nobody asked for the longest is
/// forgotten, and its observation begins anew.
const MAX_SCOPES: usize = 1_024;

/// What one process has seen of leases that others hold.
#[derive(Debug, Default)]
pub(crate) struct Observations(Mutex<HashMap<LeaseScope, Seen>>);

#[derive(Debug)]
struct Seen {
    holders: BTreeMap<OwnerId, Unchanged>,
    looked: Duration,
}

/// The last renewal that was seen, and when it was seen first.
#[derive(Debug, Clone, Copy)]
struct Unchanged {
    renewal: Option<Version>,
    since: Duration,
}

/// When a state was asked for, and when the answer was there, by the observer's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked {
    pub(crate) asked: Duration,
    pub(crate) answered: Duration,
}

/// For how long each holder has not renewed, at least.
#[derive(Debug, Clone, Default)]
pub(crate) struct Idle(BTreeMap<OwnerId, Duration>);

impl Idle {
    /// How long a holder keeps others away yet; zero if it may be taken for gone.
    pub(crate) fn remaining(&self, holder: &LeaseHolder) -> Duration {
        let idle = self.0.get(&holder.owner).copied().unwrap_or_default();
        holder.ttl.as_duration().saturating_sub(idle)
    }
}

impl Observations {
    /// Adds what was read of a lease to what was seen before.
    ///
    /// The time of a renewal that is seen for the first time runs from the answer on, and what
    /// has passed is counted up to the question: so a holder is never taken to have been idle
    /// for longer than it was.
    pub(crate) fn look(&self, scope: &LeaseScope, state: &State, at: Looked) -> Idle {
        let mut all = self.lock();
        let before = all.remove(scope).map(|seen| seen.holders).unwrap_or_default();
        let mut holders = BTreeMap::new();
        for (slot, holder) in state.holders() {
            let renewal = state.renewed(slot);
            let known = before.get(&holder.owner).filter(|known| known.renewal == renewal);
            let fresh = Unchanged { renewal, since: at.answered };
            holders.insert(holder.owner, known.copied().unwrap_or(fresh));
        }
        let idle =
            |(owner, seen): (&OwnerId, &Unchanged)| (*owner, at.asked.saturating_sub(seen.since));
        let idle = Idle(holders.iter().map(idle).collect());
        if !holders.is_empty() {
            make_room(&mut all);
            all.insert(scope.clone(), Seen { holders, looked: at.answered });
        }
        idle
    }

    /// Whether others held it when it was last looked at.
    pub(crate) fn knows(&self, scope: &LeaseScope) -> bool {
        self.lock().contains_key(scope)
    }

    /// Forgets a lease that this process holds now.
    pub(crate) fn forget(&self, scope: &LeaseScope) {
        self.lock().remove(scope);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseScope, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(all: &mut HashMap<LeaseScope, Seen>) {
    if all.len() < MAX_SCOPES {
        return;
    }
    let oldest = all.iter().min_by_key(|(_, seen)| seen.looked).map(|(scope, _)| scope.clone());
    if let Some(scope) = oldest {
        all.remove(&scope);
    }
}

#[cfg(test)]
mod tests {
    use repo_core::Timestamp;

    use super::*;
    use crate::holder::HolderName;
    use crate::slot::Slot;
    use crate::stored::{Fence, Held, Known, Renewal};
    use crate::ttl::LeaseTtl;

    fn scope(text: &str) -> LeaseScope {
        LeaseScope::new(text).unwrap()
    }

    fn holder(owner: u8) -> LeaseHolder {
        LeaseHolder {
            name: HolderName::new("a").unwrap(),
            since: Timestamp::from_micros(0).unwrap(),
            ttl: LeaseTtl::new(Duration::from_secs(10)).unwrap(),
            owner: OwnerId::from_bytes([owner; 16]),
        }
    }

    fn held(owner: u8, renewal: u64) -> State {
        let (holder, at) = (holder(owner), Timestamp::from_micros(0).unwrap());
        let renewed = Renewal { id: "r".to_owned(), owner: holder.owner, at };
        let known = Known { version: Version::new(renewal).unwrap(), value: renewed };
        let fence = Fence { id: "job".to_owned(), held: Held::Exclusive(holder) };
        State {
            fence: Some(Known { version: Version::FIRST, value: fence }),
            roster: None,
            renewals: [(Slot::FIRST, known)].into(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(asked: u64, answered: u64) -> Looked {
        Looked { asked: seconds(asked), answered: seconds(answered) }
    }

    #[test]
    fn time_runs_from_the_answer_to_the_question_and_begins_anew_with_each_renewal() {
        let (seen, job) = (Observations::default(), scope("job"));
        let left = |owner, renewal, looked| {
            seen.look(&job, &held(owner, renewal), looked).remaining(&holder(owner))
        };
        assert_eq!(left(1, 1, at(0, 3)), seconds(10));
        assert_eq!(left(1, 1, at(12, 20)), seconds(1));
        assert_eq!(left(1, 1, at(13, 20)), seconds(0));
        assert_eq!(left(1, 2, at(30, 31)), seconds(10));
        assert_eq!(left(1, 2, at(40, 40)), seconds(1));
        // Another holder with the same version of the record is another holder.
        assert_eq!(left(2, 2, at(50, 50)), seconds(10));
    }

    #[test]
    fn a_lease_that_is_free_is_forgotten_and_their_number_is_bounded() {
        let seen = Observations::default();
        seen.look(&scope("job"), &held(1, 1), at(0, 0));
        assert!(seen.knows(&scope("job")));
        seen.look(&scope("job"), &State::default(), at(1, 1));
        assert!(!seen.knows(&scope("job")));
        for number in 0..2_000 {
            seen.look(&scope(&format!("job {number}")), &held(1, 1), at(number, number));
        }
        assert_eq!(seen.lock().len(), MAX_SCOPES);
        assert!(seen.knows(&scope("job 1999")) && !seen.knows(&scope("job 0")));
    }
}
