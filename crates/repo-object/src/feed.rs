//! Reading the change feed: from memory what is behind the checkpoint, from its objects what
//! is older.
//!
//! Changes are numbered over the whole life of a store, and a position is a number.

use std::num::NonZeroUsize;
use std::sync::Arc;

use repo_core::strategy::{CapturedWrite, FeedPosition, FeedState};
use repo_core::{Error, ErrorKind, Key, Result};

use crate::errors;
use crate::format::{ChangeOp, FeedPart, Kind, Run};
use crate::load;
use crate::names::{self, READ_FEED};
use crate::state::State;
use crate::store::Store;

/// The end of the feed.
pub(crate) async fn head(store: &Store) -> Result<FeedPosition> {
    store.catch_up(READ_FEED).await?;
    store.state().feed(&store.env, READ_FEED)?.head()
}

/// Where the next changes are.
enum Source {
    /// Here they are.
    Here(Vec<ChangeOp>),
    Run(Run),
    Part(FeedPart),
    /// Nowhere: no object that is known has them.
    Nowhere,
}

/// At most `most` changes after a position, and where to read on.
pub(crate) async fn read(
    store: &Store,
    after: Option<&FeedPosition>,
    most: NonZeroUsize,
) -> Result<(Vec<CapturedWrite>, FeedPosition)> {
    store.catch_up(READ_FEED).await?;
    loop {
        let base = store.state().base.number;
        let (feed, at, source) = look(&store.state(), store, after, most)?;
        let changes = match source {
            Source::Here(changes) => Some(changes),
            Source::Run(run) => some(run_changes(store, &run).await?, at, most),
            Source::Part(part) => some(part_changes(store, &part).await?, at, most),
            Source::Nowhere => None,
        };
        if let Some(changes) = changes {
            return Ok(page(&feed, at, changes));
        }
        // A checkpoint may have put them elsewhere, or they were removed meanwhile.
        store.relocate().await?;
        if store.state().base.number == base {
            return Err(lost(store, at));
        }
    }
}

fn look(
    state: &State,
    store: &Store,
    after: Option<&FeedPosition>,
    most: NonZeroUsize,
) -> Result<(FeedState, u64, Source)> {
    let feed = state.feed(&store.env, READ_FEED)?;
    let at = feed.start(after)?.first().copied().unwrap_or_default();
    let manifest = &state.base.manifest;
    let source = if at >= manifest.changes || at == state.head {
        let behind = state.recent.iter().filter(|change| change.number > at);
        Source::Here(behind.take(most.get()).cloned().collect())
    } else if let Some(part) = manifest.feed.iter().find(|part| part.through > at) {
        Source::Part(*part)
    } else {
        let holds = |run: &&Run| !run.whole && run.changes.1 > at;
        manifest.runs.iter().find(holds).map_or(Source::Nowhere, |run| Source::Run(*run))
    };
    Ok((feed, at, source))
}

/// The changes of an object that follow a position; `None` where the object is not there any
/// more, or has none of them.
fn some(changes: Option<Arc<Vec<ChangeOp>>>, at: u64, most: NonZeroUsize) -> Option<Vec<ChangeOp>> {
    let changes = changes?;
    let from = changes.partition_point(|change| change.number <= at);
    let some: Vec<ChangeOp> = changes.iter().skip(from).take(most.get()).cloned().collect();
    (!some.is_empty()).then_some(some)
}

fn page(feed: &FeedState, at: u64, changes: Vec<ChangeOp>) -> (Vec<CapturedWrite>, FeedPosition) {
    let next = changes.last().map_or(at, |change| change.number);
    let captured = |change: ChangeOp| CapturedWrite {
        position: feed.position(vec![change.number]),
        key: Key::new(change.collection, change.id),
        version: change.version,
        deleted: change.deleted,
    };
    (changes.into_iter().map(captured).collect(), feed.position(vec![next]))
}

/// The changes of a run.
async fn run_changes(store: &Store, run: &Run) -> Result<Option<Arc<Vec<ChangeOp>>>> {
    let name = names::index(run.id, 0);
    if let Some(known) = store.last_part.get(&name) {
        return Ok(Some(known));
    }
    let mut changes = Vec::new();
    for part in 0..run.index_parts {
        let Some(lines) = load::index_part(&store.env, run, part).await? else { return Ok(None) };
        changes.extend(lines.iter().filter_map(|line| line.op.change()));
    }
    let changes = Arc::new(changes);
    store.last_part.set(name, Arc::clone(&changes));
    Ok(Some(changes))
}

/// The changes of a part that is kept for the feed alone.
async fn part_changes(store: &Store, part: &FeedPart) -> Result<Option<Arc<Vec<ChangeOp>>>> {
    let (env, name) = (&store.env, names::changes(part.id));
    if let Some(known) = store.last_part.get(&name) {
        return Ok(Some(known));
    }
    let Some(bytes) = env.objects.read(&name).await? else { return Ok(None) };
    let decoded = load::decoded(env, &name, &bytes).await?;
    if decoded.is != (Kind::Changes { run: part.id }) {
        return Err(errors::misplaced(&env.location, &name, "it is no part of the feed"));
    }
    let changes: Vec<ChangeOp> = decoded.lines.iter().filter_map(|line| line.op.change()).collect();
    let changes = Arc::new(changes);
    store.last_part.set(name, Arc::clone(&changes));
    Ok(Some(changes))
}

fn lost(store: &Store, at: u64) -> Error {
    let why = "changes that were captured are in no object of the store";
    Error::new(ErrorKind::Corrupt, READ_FEED, why)
        .with("store", &store.env.location)
        .with("change", at + 1)
        .hint("put the objects back; or take the head of the feed, and read all records")
}
