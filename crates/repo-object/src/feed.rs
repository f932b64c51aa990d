//! Reading the change feed: from memory what is behind the checkpoint, from its objects what
//! is older.
//!
//! Changes are numbered over the whole life of a store, without a gap, and a position is a
//! number. A page goes on from one object to the next until it is full.

use std::num::NonZeroUsize;
use std::sync::Arc;

use repo_core::strategy::{CapturedWrite, FeedPosition, FeedState};
use repo_core::{Error, ErrorKind, Key, Result};

use crate::errors;
use crate::format::{ChangeOp, FeedPart, Kind, Line, Run};
use crate::load;
use crate::names::{self, READ_FEED};
use crate::state::State;
use crate::store::Store;

/// The end of the feed.
pub(crate) async fn head(store: &Store) -> Result<FeedPosition> {
    store.catch_up(READ_FEED).await?;
    store.state().feed(&store.env, READ_FEED)?.head()
}

/// At most `most` changes after a position, and where to read on. Fewer are all there are.
pub(crate) async fn read(
    store: &Store,
    after: Option<&FeedPosition>,
    most: NonZeroUsize,
) -> Result<(Vec<CapturedWrite>, FeedPosition)> {
    store.catch_up(READ_FEED).await?;
    let (feed, mut at, end) = begin(store, after)?;
    let mut page = Vec::new();
    while at < end && page.len() < most.get() {
        let Some(next) = next(store, at, most.get() - page.len()).await? else {
            if page.is_empty() {
                // They may have been removed since the beginning, which has its own words.
                begin(store, after)?;
                return Err(lost(store, at));
            }
            // What there is is good; the next call says what has become of the rest.
            break;
        };
        at = next.last().map_or(at, |change| change.number);
        page.extend(next.into_iter().map(|change| captured(&feed, change)));
    }
    Ok((page, feed.position(vec![at])))
}

/// What the feed holds, the change that a reader has read last, and the last one there is.
fn begin(store: &Store, after: Option<&FeedPosition>) -> Result<(FeedState, u64, u64)> {
    let feed = store.state().feed(&store.env, READ_FEED)?;
    let at = feed.start(after)?.first().copied().unwrap_or_default();
    let end = feed.head.first().copied().unwrap_or_default();
    Ok((feed, at, end))
}

fn captured(feed: &FeedState, change: ChangeOp) -> CapturedWrite {
    CapturedWrite {
        position: feed.position(vec![change.number]),
        key: Key::new(change.collection, change.id),
        version: change.version,
        deleted: change.deleted,
    }
}

/// Where the changes behind another one are.
enum Source {
    /// Here they are.
    Here(Vec<ChangeOp>),
    Run(Run),
    Part(FeedPart),
    /// Nowhere: no object that is known has them.
    Nowhere,
}

/// Some of the changes that follow one, 1 to `most`; `None` where no object has them.
async fn next(store: &Store, at: u64, most: usize) -> Result<Option<Vec<ChangeOp>>> {
    loop {
        let (base, source) = {
            let state = store.state();
            (state.base.number, source(&state, at, most))
        };
        let changes = match source {
            Source::Here(changes) => Some(changes),
            Source::Run(run) => run_changes(store, &run, at).await?.map(|all| some(&all, at, most)),
            Source::Part(part) => part_changes(store, &part).await?.map(|all| some(&all, at, most)),
            Source::Nowhere => None,
        };
        let follows =
            |changes: &Vec<ChangeOp>| changes.first().is_some_and(|change| change.number == at + 1);
        if let Some(changes) = changes.filter(follows) {
            return Ok(Some(changes));
        }
        // A checkpoint may have put them elsewhere, or they were removed meanwhile.
        store.relocate().await?;
        if store.state().base.number == base {
            return Ok(None);
        }
    }
}

fn source(state: &State, at: u64, most: usize) -> Source {
    let manifest = &state.base.manifest;
    if at >= manifest.changes {
        let from = state.recent.partition_point(|change| change.number <= at);
        return Source::Here(state.recent.iter().skip(from).take(most).cloned().collect());
    }
    if let Some(part) = manifest.feed.iter().find(|part| part.through > at) {
        return Source::Part(*part);
    }
    let holds = |run: &&Run| !run.whole && run.changes.1 > at;
    manifest.runs.iter().find(holds).map_or(Source::Nowhere, |run| Source::Run(*run))
}

fn some(changes: &[ChangeOp], at: u64, most: usize) -> Vec<ChangeOp> {
    let from = changes.partition_point(|change| change.number <= at);
    changes.iter().skip(from).take(most).cloned().collect()
}

/// The changes of the part of a run's index in which those are that follow one. One part is in
/// memory at a time.
async fn run_changes(store: &Store, run: &Run, at: u64) -> Result<Option<Arc<Vec<ChangeOp>>>> {
    for part in store.last_part.part_before(run.id, at)..run.index_parts {
        let changes = match store.last_part.get(run.id, part) {
            Some(known) => known,
            None => {
                let Some(lines) = load::index_part(&store.env, run, part).await? else {
                    return Ok(None);
                };
                store.last_part.set(run.id, part, changes_of(&lines))
            }
        };
        if changes.last().is_some_and(|last| last.number > at) {
            return Ok(Some(changes));
        }
    }
    Ok(None)
}

/// The changes of a part that is kept for the feed alone.
async fn part_changes(store: &Store, part: &FeedPart) -> Result<Option<Arc<Vec<ChangeOp>>>> {
    let (env, name) = (&store.env, names::changes(part.id));
    if let Some(known) = store.last_part.get(part.id, 0) {
        return Ok(Some(known));
    }
    let Some(bytes) = env.objects.read(&name).await? else { return Ok(None) };
    let decoded = load::decoded(env, &name, &bytes).await?;
    if decoded.is != (Kind::Changes { run: part.id }) {
        return Err(errors::misplaced(&env.location, &name, "it is no part of the feed"));
    }
    Ok(Some(store.last_part.set(part.id, 0, changes_of(&decoded.lines))))
}

fn changes_of(lines: &[Line]) -> Vec<ChangeOp> {
    lines.iter().filter_map(|line| line.op.change()).collect()
}

fn lost(store: &Store, at: u64) -> Error {
    let why = "changes that were captured are in no object of the store";
    Error::new(ErrorKind::Corrupt, READ_FEED, why)
        .with("store", &store.env.location)
        .with("change", at + 1)
        .hint("put the objects back; or take the head of the feed, and read all records")
}
