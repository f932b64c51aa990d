//! Sending changes through a chain.

use repo_core::Result;
use repo_core::strategy::RecordChange;
use tokio::time::{Instant, sleep};

use crate::chain::Stage;
use crate::follow::{BETWEEN_LOOKS, pauses};
use crate::states::{Attempt, Updates, lock};
use crate::{Chain, Consumer, DeadLetter, FollowOptions, HandlerError};

/// What one attempt at a change did, or why it failed.
type Tried = std::result::Result<Updates, String>;

impl Consumer {
    /// Sends changes through a chain, one by one, until it is dropped, or until the head
    /// with [`FollowOptions::until_head`].
    ///
    /// A change that fails is tried again and put aside as in [`follow`](Self::follow).
    /// The states of aggregates, dead letters and the position are stored together, after
    /// each [`max_items`](FollowOptions::max_items) changes, and as soon as some 20 states
    /// have changed. So the state of an aggregate has every change once, those behind the
    /// position and no other, whatever happens.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub async fn run<T>(&mut self, options: &FollowOptions, chain: &Chain<T>) -> Result<()> {
        loop {
            match self.run_here(options, chain).await {
                Err(error) if self.has_moved(&error).await? => {}
                ran => return ran,
            }
        }
    }

    /// The same as long as the store is where it is.
    async fn run_here<T>(&mut self, options: &FollowOptions, chain: &Chain<T>) -> Result<()> {
        self.renew().await?;
        let end = match options.until_head {
            true => Some(self.consumers.store.head().await?),
            false => None,
        };
        self.rerun_letters(chain).await?;
        let mut looked = Instant::now();
        loop {
            let (changes, next) = self.next_batch(options, end.as_ref()).await?;
            let idle = changes.is_empty();
            for change in changes {
                self.work_on(&change, chain).await?;
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
                self.rerun_letters(chain).await?;
                looked = Instant::now();
            }
        }
    }

    /// Works on a change, whatever it takes. What it did and its position wait for the
    /// next checkpoint together: nothing is stored between them.
    async fn work_on<T>(&mut self, change: &RecordChange, chain: &Chain<T>) -> Result<()> {
        self.make_room(chain.aggregates.len().max(1)).await?;
        if self.is_dead(&change.key) {
            self.bury(change, "an earlier change of the record is a dead letter", 0).await?;
        } else {
            match self.try_again(change, chain).await? {
                Ok(updates) => lock(&self.states).merge(updates),
                Err((error, attempts)) => self.bury(change, &error, attempts).await?,
            }
        }
        self.move_to(change.position.clone());
        Ok(())
    }

    /// Attempts at a change, with pauses; the last error and the number of attempts when
    /// all failed.
    async fn try_again<T>(
        &mut self,
        change: &RecordChange,
        chain: &Chain<T>,
    ) -> Result<std::result::Result<Updates, (String, u32)>> {
        let mut attempts = 1;
        let mut tried = self.try_once(change, &*chain.last).await?;
        for pause in pauses() {
            if tried.is_ok() {
                break;
            }
            sleep(pause).await;
            attempts += 1;
            tried = self.try_once(change, &*chain.last).await?;
        }
        Ok(tried.map_err(|error| (error, attempts)))
    }

    /// One attempt, with the lease renewed meanwhile.
    async fn try_once<T>(&mut self, change: &RecordChange, stage: &dyn Stage<T>) -> Result<Tried> {
        let renewal = self.consumers.lease / 3;
        let mut attempt = Attempt {
            store: self.consumers.store.clone(),
            states: self.states.clone(),
            prefix: self.states_prefix(),
            updates: Updates::default(),
        };
        let mut work = stage.run(change, &mut attempt);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = sleep(renewal) => self.renew().await?,
            }
        };
        drop(work);
        match done {
            Ok(_) => Ok(Ok(attempt.updates)),
            Err(HandlerError::Failed(error)) => Ok(Err(error)),
            Err(HandlerError::Stop(error)) => Err(error),
        }
    }

    /// Tries dead letters again, as `follow` does. What one does to states is stored with
    /// its end.
    async fn rerun_letters<T>(&mut self, chain: &Chain<T>) -> Result<()> {
        while let Some(letter) = self.next_letter().cloned() {
            let change = letter.change(&*self.consumers.store).await?;
            let (after, updates) = match self.try_once(&change, &*chain.last).await? {
                Ok(updates) => (None, updates),
                Err(error) => {
                    let attempts = letter.attempts + 1;
                    let after = DeadLetter { retry: false, attempts, error, ..letter.clone() };
                    (Some(after), Updates::default())
                }
            };
            self.settle(letter.number, after, updates).await?;
        }
        Ok(())
    }
}
