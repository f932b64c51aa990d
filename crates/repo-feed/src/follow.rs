//! Handing changes to a handler: batches, further attempts, dead letters.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use repo_core::Result;
use repo_core::strategy::{FeedPosition, RecordChange};
use tokio::time::{Instant, sleep, sleep_until};

use crate::states::Updates;
use crate::{Consumer, DeadLetter, FollowOptions, HandlerError};

/// How often a change is tried before it is a dead letter.
pub const MAX_ATTEMPTS: u32 = 5;

/// How often dead letters are looked at: somebody may have asked for some to be tried.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

impl Consumer {
    /// Hands changes to a handler, batch by batch, until it is dropped, or until the
    /// head with [`FollowOptions::until_head`].
    ///
    /// A batch that fails is divided until the change that fails stands alone; that one
    /// is tried again after pauses that grow, and put aside after [`MAX_ATTEMPTS`]. A
    /// batch is noted as done when its handler has returned; one that was under way
    /// when the future is dropped comes again.
    ///
    /// # Errors
    /// `FeedExpired` when the changes after its position are gone; `Locked` when another
    /// process runs the consumer by now; `LimitExceeded` for too many dead letters; the
    /// error of [`HandlerError::Stop`]; what the store reports.
    pub async fn follow<H>(&mut self, options: &FollowOptions, mut handler: H) -> Result<()>
    where
        H: AsyncFnMut(&[RecordChange]) -> std::result::Result<(), HandlerError>,
    {
        loop {
            match self.follow_here(options, &mut handler).await {
                Err(error) if self.has_moved(&error).await? => {}
                followed => return followed,
            }
        }
    }

    /// The same as long as the store is where it is.
    async fn follow_here<H>(&mut self, options: &FollowOptions, handler: &mut H) -> Result<()>
    where
        H: AsyncFnMut(&[RecordChange]) -> std::result::Result<(), HandlerError>,
    {
        let end = match options.until_head {
            true => Some(self.consumers.store.head().await?),
            false => None,
        };
        self.retry_letters(handler).await?;
        let mut looked = Instant::now();
        loop {
            let (changes, next) = self.next_batch(options, end.as_ref()).await?;
            let idle = changes.is_empty();
            for batch in batches(changes, options) {
                self.hand_over(&batch, handler).await?;
                if let Some(last) = batch.last() {
                    self.checkpoint(last.position.clone()).await?;
                }
            }
            self.checkpoint(next.clone()).await?;
            if end.as_ref().is_some_and(|end| next.reaches(end)) {
                return Ok(());
            }
            if idle {
                sleep(options.poll).await;
            }
            if looked.elapsed() >= BETWEEN_LOOKS {
                self.read_letters().await?;
                self.retry_letters(handler).await?;
                looked = Instant::now();
            }
        }
    }

    /// The next changes; waits for further ones as long as a batch may wait.
    pub(crate) async fn next_batch(
        &self,
        options: &FollowOptions,
        end: Option<&FeedPosition>,
    ) -> Result<(Vec<RecordChange>, FeedPosition)> {
        let (mut changes, mut next) = self.read(None, options.max_items).await?;
        let until = Instant::now() + options.max_wait;
        while !changes.is_empty()
            && changes.len() < options.max_items.get()
            && bytes(&changes) < options.max_bytes
            && Instant::now() < until
            && !end.is_some_and(|end| next.reaches(end))
        {
            sleep_until(until.min(Instant::now() + options.poll)).await;
            let missing = options.max_items.get() - changes.len();
            let Some(missing) = std::num::NonZeroUsize::new(missing) else { break };
            let (more, further) = self.read(Some(&next), missing).await?;
            changes.extend(more);
            next = further;
        }
        Ok((changes, next))
    }

    /// Has a batch handled, whatever it takes; changes of records with dead letters are
    /// put behind those.
    async fn hand_over<H>(&mut self, batch: &[RecordChange], handler: &mut H) -> Result<()>
    where
        H: AsyncFnMut(&[RecordChange]) -> std::result::Result<(), HandlerError>,
    {
        // Halves that are still to be handled, the first one last.
        let mut waiting: Vec<Vec<RecordChange>> = vec![batch.to_vec()];
        while let Some(part) = waiting.pop() {
            let part = self.without_dead(part).await?;
            if part.is_empty() {
                continue;
            }
            match self.attempt(&part, handler).await? {
                None => {}
                Some(_) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    waiting.push(second.to_vec());
                    waiting.push(first.to_vec());
                }
                Some(error) => {
                    if let Some((error, attempts)) =
                        self.attempt_again(&part, error, handler).await?
                    {
                        self.bury(&part[0], &error, attempts).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves out what has to wait for a dead letter, and puts it aside.
    async fn without_dead(&mut self, part: Vec<RecordChange>) -> Result<Vec<RecordChange>> {
        let mut left = Vec::with_capacity(part.len());
        for change in part {
            if !self.is_dead(&change.key) {
                left.push(change);
                continue;
            }
            self.bury(&change, "an earlier change of the record is a dead letter", 0).await?;
        }
        Ok(left)
    }

    /// One attempt, with the lease renewed meanwhile; what failed, if anything did.
    async fn attempt<H>(&mut self, part: &[RecordChange], handler: &mut H) -> Result<Option<String>>
    where
        H: AsyncFnMut(&[RecordChange]) -> std::result::Result<(), HandlerError>,
    {
        let renewal = self.consumers.lease / 3;
        let mut handled = std::pin::pin!(handler(part));
        loop {
            tokio::select! {
                done = &mut handled => {
                    return match done {
                        Ok(()) => Ok(None),
                        Err(HandlerError::Failed(error)) => Ok(Some(error)),
                        Err(HandlerError::Stop(error)) => Err(error),
                    };
                }
                () = sleep(renewal) => self.renew().await?,
            }
        }
    }

    /// Further attempts at one change, after pauses; the last error and the number of
    /// attempts when all failed.
    async fn attempt_again<H>(
        &mut self,
        one: &[RecordChange],
        mut error: String,
        handler: &mut H,
    ) -> Result<Option<(String, u32)>>
    where
        H: AsyncFnMut(&[RecordChange]) -> std::result::Result<(), HandlerError>,
    {
        let mut attempts = 1;
        for pause in pauses() {
            sleep(pause).await;
            attempts += 1;
            match self.attempt(one, handler).await? {
                None => return Ok(None),
                Some(again) => error = again,
            }
        }
        Ok(Some((error, attempts)))
    }

    /// Tries letters again: those for which somebody asked, and those that only followed
    /// another one which is gone. One that fails keeps those behind it.
    async fn retry_letters<H>(&mut self, handler: &mut H) -> Result<()>
    where
        H: AsyncFnMut(&[RecordChange]) -> std::result::Result<(), HandlerError>,
    {
        while let Some(letter) = self.next_letter().cloned() {
            let change = letter.change(&*self.consumers.store).await?;
            let after = match self.attempt(&[change], handler).await? {
                None => None,
                Some(error) => {
                    let attempts = letter.attempts + 1;
                    Some(DeadLetter { retry: false, attempts, error, ..letter.clone() })
                }
            };
            self.settle(letter.number, after, Updates::default()).await?;
        }
        Ok(())
    }

    pub(crate) fn next_letter(&self) -> Option<&DeadLetter> {
        let is_first = |letter: &DeadLetter| {
            let same = |other: &&DeadLetter| other.key == letter.key;
            self.dead_letters().find(same).is_some_and(|first| first.number == letter.number)
        };
        self.dead_letters()
            .filter(|letter| letter.retry || letter.attempts == 0)
            .find(|letter| is_first(letter))
    }
}

/// The pauses between the attempts at a change.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_jitter()
        .with_max_times(MAX_ATTEMPTS as usize - 1)
        .build()
}

/// The bytes of the document of a change.
fn size(change: &RecordChange) -> usize {
    let document = change.record.as_ref().and_then(|record| record.document());
    document.map_or(0, |document| document.as_str().len())
}

fn bytes(changes: &[RecordChange]) -> usize {
    changes.iter().map(size).sum()
}

/// Divides changes by the bytes of their documents.
fn batches(changes: Vec<RecordChange>, options: &FollowOptions) -> Vec<Vec<RecordChange>> {
    let mut all: Vec<Vec<RecordChange>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        let size = size(&change);
        match all.last_mut() {
            Some(batch) if bytes + size <= options.max_bytes => batch.push(change),
            _ => {
                bytes = 0;
                all.push(vec![change]);
            }
        }
        bytes += size;
    }
    all
}
