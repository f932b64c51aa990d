//! The rules of a load, tried in every order of events: a load, its delayed
//! requests, another run that takes over, and a writer who comes afterwards.

use std::collections::HashSet;

/// How long the server accepts a signature, in ticks.
const ACCEPTED: u8 = 2;
/// How old a renewal may be when a request is sent.
const LAG: u8 = 1;
/// When the model ends.
const LAST_TICK: u8 = 7;
const MOST_REQUESTS: usize = 2;

/// A rule that a faulty program leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Requests are signed with the time at which they are sent.
    SignedWhenSent,
    /// The end of a load waits for no lost request.
    EndsAtOnce,
    /// A takeover does not ask for the age of signatures.
    TakesOverAtOnce,
    /// A takeover does not compare what it saw with what is there.
    TakesOverUnseen,
    /// A second write of an id waits for no lost request.
    RepeatsAtOnce,
    /// A load does not ask whether its token stands.
    RenewsBlindly,
}

/// What stands in the table under the one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum StoredItem {
    Nothing,
    /// By an unconditional request.
    Loaded,
    /// By a conditional request of the load, for the same id.
    Repeated,
    /// By somebody who found an ordinary collection.
    Written,
}

/// A request on its way; the load may have given it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Request {
    signed: u8,
    given_up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    /// When the load in the store's record was renewed; none: an ordinary
    /// collection.
    record: Option<u8>,
    /// When the load renewed for the last time, by what it knows.
    renewed: u8,
    /// A process that was stopped after its look at the time may send.
    may_send: bool,
    at_work: bool,
    under_way: Vec<Request>,
    /// The latest signature of a request that was given up.
    unanswered: Option<u8>,
    /// What the taker saw.
    seen: Option<u8>,
    held: StoredItem,
    acknowledged: StoredItem,
}

impl State {
    fn new() -> Self {
        Self {
            now: 0,
            record: Some(0),
            renewed: 0,
            may_send: false,
            at_work: true,
            under_way: Vec::new(),
            unanswered: None,
            seen: None,
            held: StoredItem::Nothing,
            acknowledged: StoredItem::Nothing,
        }
    }

    fn refuses(&self, signed: u8) -> bool {
        signed + ACCEPTED < self.now
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next.under_way.sort_unstable();
        next
    }

    /// Every state that may come next.
    fn next(&self, fault: Fault) -> Vec<Self> {
        let mut all = Vec::new();
        if self.now < LAST_TICK {
            all.push(self.with(|next| next.now += 1));
        }
        if self.at_work {
            self.load(fault, &mut all);
        }
        self.deliver(&mut all);
        self.others(fault, &mut all);
        all
    }

    fn load(&self, fault: Fault, all: &mut Vec<Self>) {
        let blind = fault == Fault::RenewsBlindly;
        if self.record.is_some() || blind {
            let renew = |next: &mut Self| {
                next.record = next.record.map(|_| next.now);
                next.renewed = next.now;
            };
            all.push(self.with(renew));
        }
        if self.renewed + LAG >= self.now {
            all.push(self.with(|next| next.may_send = true));
        }
        if self.may_send && self.under_way.len() < MOST_REQUESTS {
            let signed = if fault == Fault::SignedWhenSent { self.now } else { self.renewed };
            let request = Request { signed, given_up: false };
            let send = |next: &mut Self| {
                next.under_way.push(request);
                next.may_send = false;
            };
            all.push(self.with(send));
        }
        for at in 0..self.under_way.len() {
            let give_up = |next: &mut Self| {
                next.under_way[at].given_up = true;
                next.unanswered = next.unanswered.max(Some(next.under_way[at].signed));
            };
            all.push(self.with(give_up));
        }
        self.finish(fault, all);
    }

    fn finish(&self, fault: Fault, all: &mut Vec<Self>) {
        // All that is not given up was answered, and nobody is about to send.
        let quiet = !self.may_send && self.under_way.iter().all(|request| request.given_up);
        let past = self.unanswered.is_none_or(|signed| self.refuses(signed));
        if quiet && (past || fault == Fault::RepeatsAtOnce) && self.record.is_some() {
            let repeat = |next: &mut Self| {
                next.held = StoredItem::Repeated;
                next.acknowledged = StoredItem::Repeated;
                // Nothing of this id is sent after that.
                next.at_work = false;
            };
            all.push(self.with(repeat));
        }
        if quiet && (past || fault == Fault::EndsAtOnce) && self.record.is_some() {
            let end = |next: &mut Self| {
                next.record = None;
                next.at_work = false;
            };
            all.push(self.with(end));
        }
    }

    fn deliver(&self, all: &mut Vec<Self>) {
        for at in 0..self.under_way.len() {
            let deliver = |next: &mut Self| {
                let request = next.under_way.remove(at);
                if !self.refuses(request.signed) {
                    next.held = StoredItem::Loaded;
                }
            };
            all.push(self.with(deliver));
        }
    }

    fn others(&self, fault: Fault, all: &mut Vec<Self>) {
        if let Some(renewed) = self.record {
            all.push(self.with(|next| next.seen = Some(renewed)));
        }
        if let (Some(seen), Some(renewed)) = (self.seen, self.record) {
            let unchanged = seen == renewed || fault == Fault::TakesOverUnseen;
            if unchanged && (self.refuses(seen) || fault == Fault::TakesOverAtOnce) {
                all.push(self.with(|next| next.record = None));
            }
        }
        if self.record.is_none() {
            let write = |next: &mut Self| {
                next.held = StoredItem::Written;
                next.acknowledged = StoredItem::Written;
            };
            all.push(self.with(write));
        }
    }

    /// Whether the last acknowledged write is still there.
    fn is_right(&self) -> bool {
        self.acknowledged == StoredItem::Nothing
            || self.held == self.acknowledged
            || self.held == StoredItem::Written
    }
}

/// The first state in which something acknowledged is gone, and how many
/// states there are.
fn explore(fault: Fault) -> (Option<State>, usize) {
    let mut seen = HashSet::from([State::new()]);
    let mut left = vec![State::new()];
    while let Some(state) = left.pop() {
        for next in state.next(fault) {
            if !next.is_right() {
                return (Some(next), seen.len());
            }
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    (None, seen.len())
}

#[test]
fn no_order_of_events_loses_what_was_acknowledged() {
    let (wrong, states) = explore(Fault::None);
    assert_eq!(wrong, None);
    assert!(states > 1_000, "{states} states are hardly a model");
}

#[test]
fn each_rule_is_needed() {
    for fault in [
        Fault::SignedWhenSent,
        Fault::EndsAtOnce,
        Fault::TakesOverAtOnce,
        Fault::TakesOverUnseen,
        Fault::RepeatsAtOnce,
        Fault::RenewsBlindly,
    ] {
        assert!(explore(fault).0.is_some(), "{fault:?} does no harm");
    }
}
