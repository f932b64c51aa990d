//! A history in words: what happened, and what the two stores then said of themselves.

use std::fmt::Write as _;

use stateright::Path;

use crate::actions::Action;
use crate::state::{KEYS, State, Store};

/// One line for each step, with the state of both stores where it changed.
#[must_use]
pub fn words(path: Path<State, Action>) -> String {
    let mut text = String::new();
    let mut before: Option<[Store; 2]> = None;
    let mut step = None;
    for (number, (state, next)) in path.into_vec().into_iter().enumerate() {
        if let Some(action) = step {
            let _ = write!(text, "{number:>3}. {action}");
        } else {
            text.push_str("     at the beginning");
        }
        for (index, name) in ["source", "target"].iter().enumerate() {
            let now = store(&state.stores[index]);
            if before.is_none_or(|stores| store(&stores[index]) != now) {
                let _ = write!(text, "\n       {name}: {now}");
            }
        }
        text.push('\n');
        before = Some(state.stores);
        step = next;
    }
    text
}

fn store(store: &Store) -> String {
    let role = format!("{:?}", store.role).to_lowercase();
    let mut text = format!("{role}, epoch {}, attempt {}", store.epoch, store.attempt);
    for (key, cell) in store.cells.iter().enumerate().take(KEYS) {
        let _ = write!(text, ", key {key} v{} = #{}", cell.version, cell.value);
    }
    text
}
