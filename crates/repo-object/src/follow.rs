//! Catching up: with the frames behind the state, and with checkpoints.
//!
//! A frame that is not there is the end of the log, unless it was removed. What a checkpoint
//! holds is removed an hour after the checkpoint was made, at the earliest. So the end is the
//! end as long as no checkpoint held the frame within that time: the state knows a moment at
//! which none did ([`State::fresh`](crate::state::State)), and after five minutes the
//! checkpoints are looked at again. A look at the end that finds nothing renews the moment.
//!
//! A frame that somebody else took away is no end either. Whoever opens the store asks for a list
//! of what is behind the end that he found, and again after every five minutes. And each frame
//! names the one before it, so that one which was written in the place of another is noticed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::{Consistency, Document, Result};

use crate::errors;
use crate::format::{Frame, Manifest, Op, Run, frame_of};
use crate::hex::Hex16;
use crate::load;
use crate::moment::Moment;
use crate::names;
use crate::objects::AT_ONCE;
use crate::probe::Look;
use crate::store::Store;

/// Frames of more bytes are not kept in the cache.
const MOST_CACHED: usize = 1_024 * 1_024;
/// Names that are listed behind the end of the log; there may be some that are not ours.
const FEW: usize = 16;
/// How often checkpoints are looked for when they go away meanwhile.
const TRIES: usize = 5;

/// What stands under a number of the log.
enum Next {
    /// Nothing: it is the end.
    End,
    /// What it changed was taken out; a checkpoint has what is left.
    Scrubbed,
    Frame(Frame, Bytes),
}

impl Store {
    /// Makes every commit visible that was acknowledged before this call, by whichever
    /// process.
    pub(crate) async fn catch_up(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        let from = self.probe.next();
        let turn = self.probe.turn().await;
        if let Some(seen) = self.probe.since(from) {
            return seen;
        }
        self.check_open(operation)?;
        let look = self.probe.begin();
        let seen = self.follow(look).await;
        match &seen {
            Ok(()) => self.probe.end(look),
            Err(error) => self.probe.fail(look, error),
        }
        drop(turn);
        seen
    }

    /// The same, as far as a read of a level needs it. What this handle wrote itself is in the
    /// state in any case.
    pub(crate) async fn catch_up_for(
        &self,
        operation: &'static str,
        level: Consistency,
    ) -> Result<()> {
        let seen = |most: Duration| self.probe.last().is_some_and(|look| look.age() < most);
        let is_enough = match level {
            Consistency::Eventual => seen(self.env.limits.eventual),
            Consistency::BoundedStaleness(most) => seen(most),
            Consistency::AtLeast(token) => self.state().has(&token),
            _ => false,
        };
        if is_enough { self.check_open(operation) } else { self.catch_up(operation).await }
    }

    /// The same when the store is opened: the end that is found is compared with a list.
    ///
    /// # Errors
    /// `Corrupt` for a frame that is missing.
    pub(crate) async fn catch_up_whole(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        let turn = self.probe.turn().await;
        let look = self.probe.begin();
        self.follow(look).await?;
        self.check_end().await?;
        self.probe.end(look);
        drop(turn);
        Ok(())
    }

    /// Whether the state may rest on an end of the log that is none any more.
    pub(crate) fn is_stale(&self) -> bool {
        self.state().fresh.age() > self.env.limits.stale_after
    }

    /// Brings the state up to the end of the log. The turn is held.
    async fn follow(&self, look: Look) -> Result<()> {
        if self.is_stale() {
            self.take_newest().await?;
        }
        self.read_to_the_end().await?;
        self.state_mut().fresh = look.began();
        if self.is_far_behind() {
            self.take_newest().await?;
        }
        if self.end_checked().age() > self.env.limits.stale_after {
            self.check_end().await?;
        }
        Ok(())
    }

    async fn read_to_the_end(&self) -> Result<()> {
        // Mostly there is one frame or none: no more is asked for than that needs.
        let (mut at_once, mut next) = (1, 1);
        while self.read_on(at_once).await? {
            (at_once, next) = (next, (next * 2).min(AT_ONCE));
        }
        Ok(())
    }

    /// Refuses a log that goes on behind a frame that is missing. The turn is held.
    ///
    /// A frame is created when the one before it is there. So who finds one in a list finds the
    /// one before it as well, when he asks for it afterwards: unless it was removed, which a
    /// checkpoint tells, or is missing. Nothing may be written in its place: the log would go
    /// on in two ways.
    async fn check_end(&self) -> Result<()> {
        for _ in 0..TRIES {
            let began = Moment::now();
            let end = self.state().position;
            let after = (end > 0).then(|| names::numbered(end));
            let listed = self.env.objects.list(names::LOG, after.as_deref(), FEW).await?;
            let behind = listed.iter().filter_map(|object| names::number_of(&object.name));
            if behind.min().is_none_or(|next| next <= end + 1) {
                self.set_end_checked(began);
                return Ok(());
            }
            self.take_newest().await?;
            self.read_to_the_end().await?;
            if self.state().position == end {
                let name = names::log(end + 1);
                self.poison(&format!("{name} is missing, and the log goes on behind it"));
                return Err(errors::missing(&self.env.location, &name));
            }
        }
        // Others write faster than this handle reads; each time there was more.
        Ok(())
    }

    /// Whether so many frames are behind the checkpoint that others have made newer ones.
    /// Where nobody makes any they are looked for now and then.
    fn is_far_behind(&self) -> bool {
        let every = u64::from(self.env.settings.checkpoint_every.get());
        let state = self.state();
        let behind = state.position.saturating_sub(state.base.manifest.through);
        behind > every * 2 && state.position.saturating_sub(state.sought) > every
    }

    /// Reads the next frames; whether there may be more.
    async fn read_on(&self, count: usize) -> Result<bool> {
        let from = self.state().position + 1;
        let mut frames = Vec::with_capacity(count);
        let mut scrubbed = None;
        let numbers = (from..).take(count);
        let mut read = stream::iter(numbers).map(|number| self.read_frame(number)).buffered(count);
        while let Some(next) = read.try_next().await? {
            match next {
                Next::Frame(frame, bytes) => frames.push((frame, bytes)),
                Next::Scrubbed => {
                    scrubbed = Some(from + frames.len() as u64);
                    break;
                }
                Next::End => break,
            }
        }
        drop(read);
        let found = frames.len();
        if found > 0 {
            // Whoever made them may have ended before they were durable.
            self.env.objects.sync_log().await?;
        }
        for (frame, bytes) in frames {
            self.apply(&frame, &bytes)?;
        }
        load::check_size(&self.env, &self.state())?;
        if let Some(number) = scrubbed {
            self.take_newest().await?;
            if self.state().position < number {
                return Err(errors::missing(&self.env.location, &names::log(number)));
            }
            return Ok(true);
        }
        Ok(found == count)
    }

    async fn read_frame(&self, number: u64) -> Result<Next> {
        let name = names::log(number);
        let Some(bytes) = self.env.objects.read(&name).await? else { return Ok(Next::End) };
        let decoded = load::decoded(&self.env, &name, &bytes).await?;
        let frame = frame_of(decoded, number, bytes.len())
            .map_err(|why| errors::misplaced(&self.env.location, &name, why))?;
        Ok(match frame {
            Some(frame) => Next::Frame(frame, bytes),
            None => Next::Scrubbed,
        })
    }

    /// Makes the changes of the next frame visible.
    ///
    /// # Errors
    /// `Corrupt` for a frame that makes no sense here; the handle is of no use then.
    pub(crate) fn apply(&self, frame: &Frame, bytes: &Bytes) -> Result<()> {
        let applied = self.state_mut().apply_frame(&self.env.options, frame);
        if applied.is_none() {
            let name = names::log(frame.number);
            self.poison(&format!("{name} says what cannot be said there"));
            return Err(errors::senseless(&self.env.location, &name));
        }
        self.keep(frame, bytes);
        Ok(())
    }

    /// Keeps the documents of a frame in the cache.
    fn keep(&self, frame: &Frame, bytes: &Bytes) {
        if self.env.settings.cache_bytes == 0 || bytes.len() > MOST_CACHED {
            return;
        }
        let mut cache = self.cache();
        for placed in &frame.ops {
            let (Op::Put(put), Some(at)) = (&placed.op, placed.at) else { continue };
            let (at, len) = (at as usize, put.text.len.get() as usize);
            let Some(document) = bytes.get(at..at + len).and_then(|b| Document::from_slice(b).ok())
            else {
                continue;
            };
            if Hex16::of(&document.digest()) == put.text.digest {
                cache.put(&put.collection, &put.id, put.text.digest, document);
            }
        }
    }

    /// Takes the newest checkpoint, if there is a newer one than is known; whether there was.
    /// Afterwards the state has all that it holds, and no place of a document is older.
    pub(crate) async fn relocate(&self) -> Result<bool> {
        let turn = self.probe.turn().await;
        let taken = self.take_newest().await;
        drop(turn);
        taken
    }

    /// The same. The turn is held.
    async fn take_newest(&self) -> Result<bool> {
        for _ in 0..TRIES {
            let fresh = Moment::now();
            let known = self.state().base.number;
            let Some(number) = load::newest(&self.env, known).await? else {
                let mut state = self.state_mut();
                state.fresh = fresh;
                state.sought = state.position;
                return Ok(false);
            };
            let Some(manifest) = load::manifest(&self.env, number).await? else { continue };
            if self.take(number, Arc::new(manifest), fresh).await? {
                return Ok(true);
            }
        }
        Err(errors::checkpoint_outrun("read the store", &self.env.location))
    }

    /// Takes a checkpoint that was the newest one at a moment; `false` where a part of it is
    /// not there any more.
    async fn take(&self, number: u64, manifest: Arc<Manifest>, fresh: Moment) -> Result<bool> {
        let known = self.state().position;
        let is_beyond = manifest.runs.iter().any(|run| run.whole && run.through > known);
        if is_beyond {
            let loaded = load::whole(&self.env, number, Arc::clone(&manifest), fresh).await?;
            let Some(loaded) = loaded else { return Ok(false) };
            let mut state = self.state_mut();
            if loaded.position >= state.position {
                *state = loaded;
                return Ok(true);
            }
            // This handle has written meanwhile, and so has all of it: a state never goes back.
        }
        let before = Arc::clone(&self.state().base.manifest);
        let is_new = |run: &&Run| !before.runs.contains(run);
        let new: Vec<Run> = manifest.runs.iter().filter(is_new).copied().collect();
        for run in &new {
            for part in 0..run.index_parts {
                let Some(lines) = load::index_part(&self.env, run, part).await? else {
                    return Ok(false);
                };
                let mut state = self.state_mut();
                if state.apply_run(&self.env.options, run, lines).is_none() {
                    drop(state);
                    let name = names::index(run.id, part);
                    self.poison(&format!("{name} says what cannot be said there"));
                    return Err(errors::senseless(&self.env.location, &name));
                }
            }
            self.state_mut().end_run(run);
        }
        let mut state = self.state_mut();
        state.rebase(number, manifest);
        state.fresh = fresh;
        Ok(true)
    }
}
