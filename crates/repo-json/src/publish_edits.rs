//! Edits of other tools, made durable as versions of the store.

use crate::checkpoint::{self, Failure, Publish};
use crate::env::Env;
use crate::recovery;
use crate::state::State;

/// Writes what was taken in into `.meta`, and reads the store anew. Call it
/// with the exclusive lock held.
pub(crate) fn record(env: &Env, state: State) -> std::result::Result<State, Failure> {
    let publish = if state.journal.is_some() { Publish::Append } else { Publish::Replace };
    checkpoint::run(env, &state, publish)?;
    let mut recorded = recovery::load(env).map_err(Failure::Within)?;
    let more = std::mem::replace(&mut recorded.notices, state.notices);
    let more = more.into_iter().filter(|notice| !recorded.notices.contains(notice));
    recorded.notices.extend(more.collect::<Vec<_>>());
    Ok(recorded)
}
