//! Changes that the feed still needs when the runs that hold them go.

use bytes::Bytes;
use repo_core::Result;

use super::parts::Written;
use crate::env::Env;
use crate::errors;
use crate::format::{FeedPart, Kind, Lines, Manifest, Op};
use crate::hex::Hex16;
use crate::load;
use crate::names;
use crate::state::State;

/// The parts of the feed of a checkpoint that holds the whole of a state: those that are there
/// already, and the changes of the runs and frames that it takes the place of.
pub(super) async fn keep_changes(
    env: &Env,
    number: u64,
    state: &State,
    before: &Manifest,
) -> Result<(Vec<FeedPart>, Written)> {
    if !state.capture.is_on() {
        return Ok((Vec::new(), Written::default()));
    }
    let needed = |through: u64| through > state.trimmed;
    let kept = before.feed.iter().copied().filter(|part| needed(part.through));
    let (parts, written) = (kept.collect(), Written::default());
    let mut changes = Changes { env, number, parts, written, open: None };
    for run in before.runs.iter().filter(|run| !run.whole && needed(run.changes.1)) {
        for part in 0..run.index_parts {
            let gone = || errors::checkpoint_outrun(names::CHECKPOINT, &env.location);
            let lines = load::index_part(env, run, part).await?.ok_or_else(gone)?;
            for change in lines.iter().filter_map(|line| line.op.change()) {
                changes.add(state.trimmed, Op::Change(change)).await?;
            }
        }
    }
    for change in &state.recent {
        changes.add(state.trimmed, Op::Change(change.clone())).await?;
    }
    changes.finish().await
}

/// Parts that are being written.
struct Changes<'e> {
    env: &'e Env,
    /// The checkpoint that they are for.
    number: u64,
    parts: Vec<FeedPart>,
    written: Written,
    open: Option<(FeedPart, Lines)>,
}

impl Changes<'_> {
    /// Adds a change, unless it is not needed any more or is there already.
    async fn add(&mut self, trimmed: u64, op: Op) -> Result<()> {
        let Op::Change(change) = &op else { return Ok(()) };
        let number = change.number;
        let last = self.open.as_ref().map(|(part, _)| part).or(self.parts.last());
        let end = last.map_or(trimmed, |part| part.through.max(trimmed));
        if number <= end {
            return Ok(());
        }
        let is_full = |(_, lines): &(FeedPart, Lines)| lines.len() >= self.env.limits.index_part;
        if self.open.as_ref().is_some_and(is_full) {
            self.end().await?;
        }
        let (part, lines) = match &mut self.open {
            Some(open) => open,
            none => {
                let id = Hex16::for_checkpoint(self.number)?;
                let part = FeedPart { id, after: number.saturating_sub(1), through: number };
                none.insert((part, Lines::new(Kind::Changes { run: id })?))
            }
        };
        lines.push(&op)?;
        part.through = number;
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let Some((part, lines)) = self.open.take() else { return Ok(()) };
        let name = names::changes(part.id);
        let bytes: Bytes = lines.finish()?;
        self.written.0.push(name.clone());
        self.env.objects.create_new(&name, bytes).await?;
        self.parts.push(part);
        Ok(())
    }

    async fn finish(mut self) -> Result<(Vec<FeedPart>, Written)> {
        self.end().await?;
        Ok((self.parts, self.written))
    }
}
