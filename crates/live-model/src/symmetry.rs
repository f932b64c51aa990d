//! States that differ only in names: which router, which operator, which key.
//!
//! Nothing depends on those names, as long as both keys begin alike; so one of such states
//! stands for all of them.

use stateright::Representative;

use crate::state::{Hand, State, Write};

impl Representative for State {
    fn representative(&self) -> Self {
        let one = sorted(*self);
        // A record that has to be copied is one of key 0, so the keys are not alike.
        if !self.copied_at_once {
            return one;
        }
        let other = sorted(exchanged(*self));
        if order(&other) < order(&one) { other } else { one }
    }
}

fn order(state: &State) -> impl Ord {
    (state.stores, state.acked, state.routers, state.operators)
}

fn sorted(mut state: State) -> State {
    state.routers.sort_unstable();
    state.operators.sort_unstable();
    state
}

/// The same history with the keys exchanged.
fn exchanged(mut state: State) -> State {
    for store in &mut state.stores {
        store.cells.swap(0, 1);
        store.log = store.log.exchanged();
    }
    state.acked.swap(0, 1);
    for router in &mut state.routers {
        match &mut router.write {
            Write::Idle => {}
            Write::Begun(write) => write.key ^= 1,
            Write::Committed(write) => write.key ^= 1,
            Write::Unknown { key, .. } => *key ^= 1,
        }
    }
    for operator in &mut state.operators {
        if let Hand::Replace { key, .. } = &mut operator.hand {
            *key ^= 1;
        }
    }
    state
}
