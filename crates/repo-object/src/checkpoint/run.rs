//! Frames of the log, taken together into a run.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::Result;

use super::parts::{Frames, Parts, Written};
use crate::env::Env;
use crate::errors;
use crate::format::{Frame, Manifest, Op, Placed, frame_of};
use crate::hex::Hex16;
use crate::load;
use crate::names;

/// Frames that are read at once.
const AT_ONCE: usize = 4;

/// The manifest with one more run, of the frames behind it up to one, for the checkpoint of a
/// number.
///
/// # Errors
/// `Unavailable` where a frame is not there any more: another process has made a checkpoint.
pub(super) async fn add(
    env: &Env,
    number: u64,
    manifest: &Manifest,
    through: u64,
) -> Result<(Manifest, Written)> {
    let mut parts = Parts::new(env, number)?;
    let after = manifest.through;
    let mut changes = manifest.changes;
    let mut commit = manifest.runs.last().map_or(Hex16::ZERO, |run| run.commit);
    let mut frames =
        stream::iter(after + 1..=through).map(|number| read(env, number)).buffered(AT_ONCE);
    while let Some((frame, bytes)) = frames.try_next().await? {
        parts.boundary().await?;
        if frame.after != commit {
            return Err(errors::senseless(&env.location, &names::log(frame.number)));
        }
        commit = frame.commit;
        parts.line(&Op::Frame { number: frame.number, commit })?;
        for placed in frame.ops {
            changes = placed.op.change().map_or(changes, |change| changes.max(change.number));
            let op = moved(&mut parts, placed, &bytes).await?;
            parts.line(&op)?;
        }
    }
    drop(frames);
    let of = Frames { whole: false, after, through, commit, changes: (manifest.changes, changes) };
    let (run, written) = parts.finish(of).await?;
    let mut next = manifest.clone();
    next.runs.push(run);
    next.through = through;
    next.changes = changes;
    Ok((next, written))
}

/// A line with its document in the run.
async fn moved(parts: &mut Parts<'_>, placed: Placed, bytes: &Bytes) -> Result<Op> {
    let Placed { mut op, at } = placed;
    if let (Some(text), Some(at)) = (op.text_mut(), at) {
        let (at, len) = (at as usize, text.len.get() as usize);
        // It is copied as it is: what is damaged stays known as damaged.
        let document = bytes.get(at..at + len).unwrap_or_default();
        text.at = Some(parts.document(document).await?);
    }
    Ok(op)
}

async fn read(env: &Env, number: u64) -> Result<(Frame, Bytes)> {
    let name = names::log(number);
    let gone = || errors::checkpoint_outrun(names::CHECKPOINT, &env.location);
    let bytes = env.objects.read(&name).await?.ok_or_else(gone)?;
    let decoded = load::decoded(env, &name, &bytes).await?;
    let frame = frame_of(decoded, number, bytes.len())
        .map_err(|why| errors::misplaced(&env.location, &name, why))?;
    Ok((frame.ok_or_else(gone)?, bytes))
}
