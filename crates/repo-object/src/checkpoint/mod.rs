//! Checkpoints: what the log has made, so that nobody has to read all of it.
//!
//! A checkpoint is an object that names others: a whole state, and runs of frames behind it
//! ([`run`]). Mostly another run is added, which costs as much as was written since. When the
//! runs outweigh the whole state it is written anew ([`whole`]).
//!
//! Checkpoints are numbered, and created as frames are: of two processes that follow one
//! checkpoint by another, one does. A checkpoint is made of what does not change any more, so
//! who reads an older one and the log behind it comes to the same state. What no checkpoint
//! needs is removed an hour later ([`prune`]). The name of a run tells the checkpoint that it
//! was made for: once there is a checkpoint of that number or a higher one, no checkpoint to come
//! will name the run that this one does not.

mod feed;
mod parts;
mod prune;
mod run;
mod scrub;
mod whole;

use std::sync::Arc;

use bytes::Bytes;
use repo_core::{Error, ErrorKind, Result};

use self::parts::Written;
use crate::env::Env;
use crate::errors;
use crate::format::{Kind, Lines, Manifest, Op};
use crate::names;
use crate::objects::{Creation, wait};
use crate::state::State;
use crate::store::Store;

pub(crate) use scrub::scrub;

/// How often a checkpoint is begun anew when others are faster.
const TRIES: u32 = 5;

/// Checkpoints after which what is not needed any more is looked for, where nobody asked for it:
/// it takes a list of all that is there.
const PRUNED_EVERY: u64 = 16;

/// Why a checkpoint is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// So much was written since the last one.
    Due,
    /// Somebody asked for it.
    Asked,
    /// Nothing that was removed may stay anywhere.
    Whole,
}

/// Whether this handle has to make a checkpoint. Of several processes the one does that wrote
/// a certain frame, and another one later if that did not.
pub(crate) fn is_due(store: &Store) -> bool {
    let every = u64::from(store.env.settings.checkpoint_every.get());
    let (position, behind) = behind(store);
    let by_frames = position.is_multiple_of(every) || behind >= every * 2;
    is_worth_it(store) && (by_frames || is_long(store))
}

/// Whether as much was written as a checkpoint is made for.
fn is_worth_it(store: &Store) -> bool {
    let every = u64::from(store.env.settings.checkpoint_every.get());
    !store.env.options.read_only && (behind(store).1 >= every || is_long(store))
}

/// The last frame, and how many are behind the checkpoint.
fn behind(store: &Store) -> (u64, u64) {
    let state = store.state();
    (state.position, state.position.saturating_sub(state.base.manifest.through))
}

fn is_long(store: &Store) -> bool {
    store.state().tail_bytes() >= store.env.limits.log_bytes
}

/// Makes a checkpoint beside the commits. That it fails harms nobody: the next one holds what
/// this one would have.
pub(crate) async fn when_due(store: &Store) {
    if let Err(error) = make(store, Why::Due).await {
        tracing::warn!(store = %store.env.location, %error, "no checkpoint was made");
    }
}

/// Makes a checkpoint of what this handle knows.
///
/// # Errors
/// `Corrupt` where something that is needed for it is damaged; `Unavailable` while others make
/// checkpoints, and where the object store is not reached.
pub(crate) async fn make(store: &Store, why: Why) -> Result<()> {
    let turn = store.checkpointing.lock().await;
    let mut made = false;
    for _ in 0..TRIES {
        // Somebody else may have made one.
        store.relocate().await?;
        if why == Why::Due && !is_worth_it(store) {
            return Ok(());
        }
        let plan = Plan::of(store, why);
        made = plan.is_there() || try_one(store, plan).await?;
        if made {
            break;
        }
    }
    if !made {
        return Err(errors::checkpoint_outrun(names::CHECKPOINT, &store.env.location));
    }
    let (number, manifest) = newest(store);
    let pruned = match why {
        Why::Due if !number.is_multiple_of(PRUNED_EVERY) => Ok(()),
        _ => prune::prune(&store.env, number, &manifest).await,
    };
    drop(turn);
    pruned
}

/// The newest checkpoint that the handle knows.
fn newest(store: &Store) -> (u64, Arc<Manifest>) {
    let state = store.state();
    (state.base.number, Arc::clone(&state.base.manifest))
}

/// What a checkpoint is made of.
struct Plan {
    why: Why,
    /// Its number.
    number: u64,
    /// The checkpoint that it follows.
    before: Arc<Manifest>,
    /// The last frame that is in it.
    through: u64,
    /// The state, where it is written as a whole.
    whole: Option<Box<State>>,
}

impl Plan {
    fn of(store: &Store, why: Why) -> Self {
        let limits = &store.env.limits;
        let state = store.state();
        let before = Arc::clone(&state.base.manifest);
        let (whole, runs) = before.bytes();
        let outweighed = runs + state.tail_bytes() > whole.max(limits.run_bytes);
        let is_whole = why == Why::Whole || outweighed || before.runs.len() > limits.runs;
        let is_new = state.position > before.through || why == Why::Whole;
        Self {
            why,
            number: state.base.number + 1,
            before,
            through: state.position,
            whole: (is_whole && is_new).then(|| Box::new(state.clone())),
        }
    }

    /// Whether there is nothing to be done.
    fn is_there(&self) -> bool {
        self.whole.is_none() && self.through == self.before.through
    }
}

/// Makes and publishes one checkpoint; `false` where another one came in between.
async fn try_one(store: &Store, plan: Plan) -> Result<bool> {
    let env = &store.env;
    let number = plan.number;
    let made = match &plan.whole {
        Some(state) => match whole::write(env, number, state, &plan.before).await {
            // A run takes a damaged document along as it is, and the log stays short.
            Err(error) if error.kind() == ErrorKind::Corrupt && plan.why == Why::Due => {
                tracing::warn!(store = %env.location, %error, "the whole state was not written");
                run::add(env, number, &plan.before, plan.through).await
            }
            made => made,
        },
        None => run::add(env, number, &plan.before, plan.through).await,
    };
    // From now on nobody shares the tables.
    drop(plan);
    let (manifest, written) = match made {
        Ok(made) => made,
        Err(error) => {
            // What it was made of may have gone away.
            store.relocate().await?;
            return if newest(store).0 >= number { Ok(false) } else { Err(error) };
        }
    };
    if publish(env, number, &manifest).await? {
        store.relocate().await?;
        return Ok(true);
    }
    give_up(env, written).await;
    Ok(false)
}

/// Removes objects that nothing names. Those that stay are removed by a later checkpoint.
async fn give_up(env: &Env, written: Written) {
    if let Err(error) = env.objects.remove(written.0).await {
        tracing::warn!(store = %env.location, %error, "objects of a checkpoint were left behind");
    }
}

/// Creates a checkpoint under a number; `false` where there is another one.
///
/// # Errors
/// What hinders it. It may be there nevertheless, now or later: so what it names stays.
async fn publish(env: &Env, number: u64, manifest: &Manifest) -> Result<bool> {
    let name = names::checkpoint(number);
    let mut lines = Lines::new(Kind::Checkpoint { number })?;
    lines.push(&Op::Manifest(manifest.clone()))?;
    let bytes = lines.finish()?;
    let mut unknown: Option<Error> = None;
    for pause in env.objects.tries() {
        wait(pause).await;
        match env.objects.create(&name, bytes.clone()).await {
            Creation::Created => return Ok(true),
            Creation::Taken => match is_ours(env, &name, &bytes).await {
                Ok(Some(ours)) => return Ok(ours),
                Ok(None) => {}
                Err(error) => unknown = Some(error),
            },
            Creation::Refused(error) if unknown.is_none() => return Err(error),
            Creation::Refused(error) | Creation::Busy(error) | Creation::Unknown(error) => {
                unknown = Some(error);
            }
        }
    }
    let error =
        unknown.unwrap_or_else(|| errors::checkpoint_outrun(names::CHECKPOINT, &env.location));
    Err(error.into_kind(ErrorKind::Unavailable))
}

/// Whether the object under a name is this one; `None` where there is none. Each names a run
/// of its own, so no two are equal.
async fn is_ours(env: &Env, name: &str, bytes: &Bytes) -> Result<Option<bool>> {
    Ok(env.objects.read(name).await?.map(|found| found == *bytes))
}
