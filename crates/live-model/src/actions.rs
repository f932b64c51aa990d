//! The steps of a history, and how they read in a trace.

use std::fmt;

/// One step. `router` and `operator` are 0 or 1, as `store` is; `key` is 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The router asks the store's record for the role, and follows its route.
    Renew(u8),
    /// Time passes: the router's lease ends.
    LeaseEnds(u8),
    /// The router promotes the successor of a decision that it has seen.
    Help(u8),
    /// A write begins: (router, key).
    Begin(u8, u8),
    /// The write is in the store.
    Commit(u8),
    /// A write that reached the store finds another version, or is rolled back.
    Fail(u8),
    /// Time passes: the record that the write trusts has expired.
    Stale(u8),
    /// The answer arrives.
    Answer(u8),
    /// The answer is lost.
    LoseAnswer(u8),
    /// The client looks whether its write is there, and repeats it if nothing is.
    Resolve(u8),
    /// The router's process ends, and begins again with what is configured.
    RouterCrash(u8),
    /// (operator, store)
    Fence(u8, u8),
    /// The operator takes over a fence or decision that it finds: (operator, store).
    TakeOver(u8, u8),
    /// (operator, store)
    Cancel(u8, u8),
    /// The operator aborts the migration at the source.
    Abort(u8),
    /// The operator that aborted releases the target.
    Release(u8),
    /// Leases have passed, the peer has everything.
    Drain(u8),
    /// The compare-and-set that hands authority over.
    Decide(u8),
    /// The operator promotes the successor.
    Promote(u8),
    /// The operator reads the entry at the stored position: (operator, store).
    Read(u8, u8),
    /// The operator reads the record that was there before.
    ReadCopy(u8),
    /// What the operator has in hand reaches the other store.
    Apply(u8),
    /// The position is stored.
    StorePosition(u8),
    /// The authority's document is written again above a write past the fence: (store, key).
    Raise(u8, u8),
    /// The operator's process ends, and begins again.
    OperatorCrash(u8),
}

fn store(index: u8) -> &'static str {
    if index == crate::state::SOURCE { "the source" } else { "the target" }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((router, words)) = of_router(*self) {
            write!(f, "router {router} {words}")
        } else if let Some((operator, words)) = of_operator(*self) {
            write!(f, "operator {operator} {words}")
        } else if let Self::Raise(at, key) = *self {
            write!(f, "{} writes its document of key {key} again, one version above", store(at))
        } else {
            Ok(())
        }
    }
}

fn of_router(action: Action) -> Option<(u8, String)> {
    Some(match action {
        Action::Renew(r) => (r, "asks the store for its role".into()),
        Action::LeaseEnds(r) => (r, "sees its lease end".into()),
        Action::Help(r) => (r, "promotes the successor that it saw named".into()),
        Action::Begin(r, key) => (r, format!("begins a write of key {key}")),
        Action::Commit(r) => (r, "has its write in the store".into()),
        Action::Fail(r) => (r, "has its write refused or rolled back".into()),
        Action::Stale(r) => (r, "has a write under way whose record expires".into()),
        Action::Answer(r) => (r, "gets the answer to its write".into()),
        Action::LoseAnswer(r) => (r, "loses the answer to its write".into()),
        Action::Resolve(r) => (r, "looks what became of its write".into()),
        Action::RouterCrash(r) => (r, "crashes".into()),
        _ => return None,
    })
}

fn of_operator(action: Action) -> Option<(u8, String)> {
    Some(match action {
        Action::Fence(o, at) => (o, format!("fences {}", store(at))),
        Action::TakeOver(o, at) => (o, format!("takes over what {} says", store(at))),
        Action::Cancel(o, at) => (o, format!("cancels the fence of {}", store(at))),
        Action::Abort(o) => (o, "aborts at the source".into()),
        Action::Release(o) => (o, "releases the target".into()),
        Action::Drain(o) => (o, "waits for leases, and sees everything applied".into()),
        Action::Decide(o) => (o, "decides".into()),
        Action::Promote(o) => (o, "promotes the successor".into()),
        Action::Read(o, from) => (o, format!("reads the next change from {}", store(from))),
        Action::ReadCopy(o) => (o, "reads the old record for the copy".into()),
        Action::Apply(o) => (o, "has what it carries arrive at the other store".into()),
        Action::StorePosition(o) => (o, "stores the position".into()),
        Action::OperatorCrash(o) => (o, "crashes".into()),
        _ => return None,
    })
}
