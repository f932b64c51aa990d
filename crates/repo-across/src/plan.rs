//! The protocol: what is done about a commit as it stands in both stores. Decided without
//! asking anybody.
//!
//! The **marker** in the second store is where it is decided. It is reserved before the first
//! store writes anything, and then changes once: to done, in the commit of the second store's
//! writes, or to void. Both name the version of the reservation, so one of them happens, and a
//! commit that was sent long ago and arrives late finds another version. The **intent** in the
//! first store goes only after that, and everything that is done in the first store names the
//! version of the intent. So it does not matter who goes on, how many do, and when.

use repo_core::Version;
use repo_core::strategy::StoreId;

use crate::stored::{Intent, IntentState, Known, Marker, MarkerState};

/// A commit as it was read: the intent first, and then the marker.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) intent: Option<Known<Intent>>,
    pub(crate) marker: Option<Known<Marker>>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Write to the second store, over the reservation of this version.
    Apply(&'a Known<Intent>, Version),
    /// Make sure that nobody writes to the second store, and take the first one's writes back.
    Void(&'a Known<Intent>, Version),
    /// Take the first store's writes back.
    Compensate(&'a Known<Intent>),
    /// Both have their writes: remove the intent.
    Finish(&'a Known<Intent>),
    /// The marker is missing, which no process does: ask an operator.
    AskFor(&'a Known<Intent>),
    /// An operator has been asked.
    Wait,
    /// It is about another second store.
    Elsewhere,
    /// Somebody is between two steps.
    LookAgain,
    /// The intent is gone.
    Ended(Ending),
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed,
    Compensated,
    /// Nothing is left of it, or it was never recorded.
    Unknown,
}

/// What is done about a commit as it was read.
pub(crate) fn plan(seen: &Seen, second: StoreId) -> Next<'_> {
    let marker = seen.marker.as_ref();
    let Some(intent) = &seen.intent else {
        return Next::Ended(match marker.map(|marker| marker.value.state) {
            Some(MarkerState::Done) => Ending::Completed,
            Some(MarkerState::Void) => Ending::Compensated,
            Some(MarkerState::Reserved) | None => Ending::Unknown,
        });
    };
    let waits = matches!(intent.value.state, IntentState::NeedsOperator { .. });
    let Some(marker) = marker else {
        return match waits {
            _ if intent.value.second != second => Next::Elsewhere,
            true => Next::Wait,
            false => Next::AskFor(intent),
        };
    };
    let (of_intent, of_marker) = (intent.value.attempt, marker.value.attempt);
    match marker.value.state {
        MarkerState::Done => Next::Finish(intent),
        _ if waits => Next::Wait,
        // Somebody tries again, and has not told the intent yet.
        _ if of_marker > of_intent => Next::LookAgain,
        // The second store was put back to an older state.
        _ if of_marker < of_intent => Next::Void(intent, marker.version),
        MarkerState::Reserved => Next::Apply(intent, marker.version),
        MarkerState::Void => Next::Compensate(intent),
    }
}

#[cfg(test)]
mod tests {
    use repo_core::Timestamp;

    use super::*;
    use crate::intent_id::IntentId;

    fn second() -> StoreId {
        StoreId::from_bytes([2; 16])
    }

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn id() -> IntentId {
        "0123456789abcdef0123456789abcdef".parse().unwrap()
    }

    fn intent(attempt: u32, waits: bool) -> Known<Intent> {
        let since = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let state = match waits {
            true => IntentState::NeedsOperator { since, why: "a test".to_owned() },
            false => IntentState::Pending,
        };
        let (writes, undo) = (Vec::new(), Vec::new());
        let value = Intent { id: id(), second: second(), attempt, since, state, writes, undo };
        Known { version: version(3), value }
    }

    fn marker_of(attempt: u32, state: MarkerState) -> Known<Marker> {
        let coordinator = StoreId::from_bytes([1; 16]);
        Known { version: version(5), value: Marker { id: id(), coordinator, attempt, state } }
    }

    #[test]
    fn each_state_has_one_answer() {
        use MarkerState::{Done, Reserved, Void};
        let (now, waits) = (intent(2, false), intent(2, true));
        let at = version(5);
        for (intent, marker, expected) in [
            (None, None, Next::Ended(Ending::Unknown)),
            (None, Some((2, Reserved)), Next::Ended(Ending::Unknown)),
            (None, Some((2, Done)), Next::Ended(Ending::Completed)),
            (None, Some((2, Void)), Next::Ended(Ending::Compensated)),
            (Some(&now), None, Next::AskFor(&now)),
            (Some(&now), Some((2, Reserved)), Next::Apply(&now, at)),
            (Some(&now), Some((2, Void)), Next::Compensate(&now)),
            (Some(&now), Some((2, Done)), Next::Finish(&now)),
            (Some(&now), Some((1, Reserved)), Next::Void(&now, at)),
            (Some(&now), Some((1, Void)), Next::Void(&now, at)),
            (Some(&now), Some((1, Done)), Next::Finish(&now)),
            (Some(&now), Some((3, Reserved)), Next::LookAgain),
            (Some(&now), Some((3, Void)), Next::LookAgain),
            (Some(&waits), None, Next::Wait),
            (Some(&waits), Some((2, Void)), Next::Wait),
            (Some(&waits), Some((3, Reserved)), Next::Wait),
            (Some(&waits), Some((2, Done)), Next::Finish(&waits)),
        ] {
            let found = marker.map(|(attempt, state)| marker_of(attempt, state));
            let seen = Seen { intent: intent.cloned(), marker: found };
            assert_eq!(plan(&seen, second()), expected, "{seen:?}");
        }
    }

    #[test]
    fn an_intent_for_another_store_is_left_alone_unless_its_marker_is_here() {
        let other = StoreId::from_bytes([9; 16]);
        let now = intent(1, false);
        let seen = Seen { intent: Some(now.clone()), marker: None };
        assert_eq!(plan(&seen, other), Next::Elsewhere);
        // The second store was moved: its records came along, its id is another one.
        let seen =
            Seen { intent: Some(now.clone()), marker: Some(marker_of(1, MarkerState::Reserved)) };
        assert_eq!(plan(&seen, other), Next::Apply(&now, version(5)));
    }
}
