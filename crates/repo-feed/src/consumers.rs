//! Subscribing, listing and removing consumers, and their dead letters.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::{
    CaptureHolder, FeedPosition, StorageStrategy, StoreId, StoreUpdate, SystemCollection,
};
use repo_core::{Clock, Error, ErrorKind, Key, Result, SystemClock, Timestamp};

use crate::dead_letters::{DeadLetter, read_all, remove_of, write_all};
use crate::stored::{Stored, from_text, no_such_consumer, to_text, write};
use crate::{ConsumerName, Start, SubscribeOptions};

/// Consumers that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);
/// How long a process that ends without a word keeps others from running its consumer.
pub const LEASE: Duration = Duration::from_secs(10);
/// What [`Consumers`] keep for a consumer that does not come back.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The consumers of one store.
#[derive(Debug, Clone)]
pub struct Consumers {
    pub(crate) store: Arc<dyn StorageStrategy>,
    pub(crate) clock: Arc<dyn Clock>,
    retention: Duration,
    pub(crate) lease: Duration,
}

/// How a consumer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStatus {
    /// Its name.
    pub name: ConsumerName,
    /// How far it is; `None` before the oldest change that is kept.
    pub position: Option<FeedPosition>,
    /// Whether everything that is written lies behind it.
    pub at_head: bool,
    /// When it was subscribed.
    pub subscribed_at: Timestamp,
    /// When it last moved on, or was found at the head.
    pub checkpoint_at: Timestamp,
    /// The process that runs it, and until when its lease lasts.
    pub running: Option<(u32, Timestamp)>,
    /// The store that it came from, where it has not moved since.
    pub home: Option<StoreId>,
    /// How many dead letters it has.
    pub dead: usize,
    /// How many it may have.
    pub max_dead: usize,
}

impl Consumers {
    /// The consumers of a store, by the clock of the system.
    #[must_use]
    pub fn new(store: Arc<dyn StorageStrategy>) -> Self {
        Self { store, clock: Arc::new(SystemClock), retention: RETENTION, lease: LEASE }
    }

    /// With another clock, for leases and times.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With another time after which changes are no longer kept for a consumer that
    /// does not come back; 7 days unless said otherwise. Its position expires then.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// With another time for which a process that ends without a word keeps others from
    /// running its consumer; [`LEASE`] unless said otherwise, and 100 ms at least. It is
    /// renewed three times as often.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// Removes the dead letters of a record, whatever consumer has them; how many they
    /// were. For a record that is erased: its later changes need not wait for these.
    ///
    /// # Errors
    /// `Locked` when a process changes one of them at this moment: run it again; what
    /// the store reports.
    pub async fn remove_letters_of(&self, key: &Key) -> Result<u64> {
        remove_of(&*self.store, key).await
    }

    /// Subscribes a consumer: changes are captured for it from now on.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one of this name; what the store reports.
    pub async fn subscribe(&self, name: &ConsumerName, options: SubscribeOptions) -> Result<()> {
        self.store.update_store_record(StoreUpdate::HoldCapture(holder(name)?)).await?;
        let position = match options.start {
            Start::Head => Some(self.store.head().await?),
            Start::Oldest => None,
        };
        let now = self.clock.now();
        let stored = Stored {
            position,
            subscribed_at: now,
            checkpoint_at: now,
            max_dead: options.max_dead,
            lease: None,
            origin: None,
        };
        let made = write(name, None, Some(&stored))?;
        self.store.write_system_items(vec![made]).await.map_err(|error| match error.kind() {
            ErrorKind::Locked => {
                let why = "a consumer of this name is subscribed already";
                Error::new(ErrorKind::AlreadyExists, "subscribe a consumer", why)
                    .with("consumer", name)
                    .hint("choose another name, or unsubscribe it first")
            }
            _ => error,
        })?;
        self.settle(name, stored).await
    }

    /// Looks once more after a subscription: the store may have moved between its steps, and
    /// taken only the last one along.
    async fn settle(&self, name: &ConsumerName, stored: Stored) -> Result<()> {
        let (record, holder) = (self.store.store_record().await?, holder(name)?);
        if !record.capture.holders.contains(&holder) {
            self.store.update_store_record(StoreUpdate::HoldCapture(holder)).await?;
        }
        let is_here = |position: &FeedPosition| record.id == Some(position.store());
        if stored.position.as_ref().is_none_or(is_here) {
            return Ok(());
        }
        let here = Stored { position: Some(self.store.head().await?), ..stored.clone() };
        let moved = write(name, Some(to_text(&stored)?), Some(&here))?;
        match self.store.write_system_items(vec![moved]).await {
            // It runs already, or the store took it along itself.
            Err(error) if error.kind() == ErrorKind::Locked => Ok(()),
            moved => moved,
        }
    }

    /// Every consumer, by name.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn list(&self) -> Result<Vec<ConsumerStatus>> {
        let stored = self.read_all().await?;
        let head = match self.store.head().await {
            Ok(head) => Some(head),
            // Nothing is captured, so no consumer is at the end.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let now = self.clock.now();
        let mut all = Vec::with_capacity(stored.len());
        for (name, stored) in stored {
            let dead = read_all(&*self.store, &name).await?.len();
            let reaches =
                |position: &FeedPosition| head.as_ref().is_some_and(|head| position.reaches(head));
            let home = stored.home();
            let running = stored.lease.filter(|lease| lease.until > now);
            all.push(ConsumerStatus {
                home,
                at_head: stored.position.as_ref().is_some_and(reaches),
                position: stored.position,
                subscribed_at: stored.subscribed_at,
                checkpoint_at: stored.checkpoint_at,
                running: running.map(|lease| (lease.process, lease.until)),
                dead,
                max_dead: stored.max_dead,
                name,
            });
        }
        Ok(all)
    }

    /// Removes a consumer with its dead letters; changes are captured for it no longer.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Locked` while a process runs it.
    pub async fn unsubscribe(&self, name: &ConsumerName) -> Result<()> {
        let text = self.store.system_item(SystemCollection::Consumers, name.as_str()).await?;
        let held = self.store.store_record().await?.capture.holders.contains(&holder(name)?);
        match &text {
            // A subscription or a removal that was broken off is removed as well.
            None if !held => return Err(no_such_consumer(name)),
            None => {}
            Some(text) => {
                // What is damaged can be removed.
                if let Ok(Stored { lease: Some(lease), .. }) = from_text(name.as_str(), text)
                    && lease.until > self.clock.now()
                {
                    return Err(runs_elsewhere(name, lease.process, lease.until));
                }
                let remove = write(name, Some(text.clone()), None)?;
                self.store.write_system_items(vec![remove]).await?;
            }
        }
        self.remove_parts(name).await
    }

    /// Removes what belongs to a consumer that is not there any more.
    pub(crate) async fn remove_parts(&self, name: &ConsumerName) -> Result<()> {
        let letters = read_all(&*self.store, name).await?;
        let removals = letters.iter().map(|letter| letter.remove(name)).collect::<Result<_>>()?;
        write_all(&*self.store, removals).await?;
        self.remove_states(name).await?;
        let release = StoreUpdate::ReleaseCapture(holder(name)?);
        self.store.update_store_record(release).await.map(drop)
    }

    /// The dead letters of a consumer, in the order in which they came.
    ///
    /// # Errors
    /// `NotFound` when it is not subscribed.
    pub async fn dead_letters(&self, name: &ConsumerName) -> Result<Vec<DeadLetter>> {
        self.read(name).await?;
        read_all(&*self.store, name).await
    }

    /// Has the dead letters of a record tried again, in their order, or those of all
    /// records; the process that runs the consumer does it. Returns how many.
    ///
    /// # Errors
    /// `NotFound` when it is not subscribed, or the record has no dead letter; `Locked`
    /// when a letter changed meanwhile.
    pub async fn retry(&self, name: &ConsumerName, record: Option<&Key>) -> Result<usize> {
        let letters = self.letters_of(name, record).await?;
        self.flag(name, &letters).await?;
        Ok(letters.len())
    }

    /// Drops the oldest dead letter of a record, and has the later ones tried again.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn skip(&self, name: &ConsumerName, record: &Key) -> Result<DeadLetter> {
        let mut letters = self.letters_of(name, Some(record)).await?;
        let first = letters.remove(0);
        self.store.write_system_items(vec![first.remove(name)?]).await?;
        self.flag(name, &letters).await?;
        Ok(first)
    }

    async fn letters_of(
        &self,
        name: &ConsumerName,
        record: Option<&Key>,
    ) -> Result<Vec<DeadLetter>> {
        let mut letters = self.dead_letters(name).await?;
        letters.retain(|letter| record.is_none_or(|key| letter.key == *key));
        match record {
            Some(key) if letters.is_empty() => {
                let why = "the consumer has no dead letter of this record";
                Err(Error::new(ErrorKind::NotFound, "find a dead letter", why)
                    .with("consumer", name)
                    .with("record", key))
            }
            _ => Ok(letters),
        }
    }

    async fn flag(&self, name: &ConsumerName, letters: &[DeadLetter]) -> Result<()> {
        let flagged = |letter: &DeadLetter| DeadLetter { retry: true, ..letter.clone() };
        let writes = letters.iter().filter(|letter| !letter.retry);
        let writes = writes.map(|letter| flagged(letter).write(name, Some(letter)));
        write_all(&*self.store, writes.collect::<Result<_>>()?).await
    }

    pub(crate) async fn read(&self, name: &ConsumerName) -> Result<(Stored, String)> {
        let text = self.store.system_item(SystemCollection::Consumers, name.as_str()).await?;
        let text = text.ok_or_else(|| no_such_consumer(name))?;
        Ok((from_text(name.as_str(), &text)?, text))
    }

    /// Removes the changes that no consumer needs any more. Nothing, while others than
    /// consumers need them.
    pub(crate) async fn trim(&self) -> Result<()> {
        let capture = self.store.store_record().await?.capture;
        if !capture.holders.iter().all(|holder| holder.as_str().starts_with(HOLDER)) {
            return Ok(());
        }
        let needed_since = self.clock.now().saturating_sub(self.retention);
        let mut earliest: Option<FeedPosition> = None;
        for (_, stored) in self.read_all().await? {
            if stored.checkpoint_at < needed_since {
                continue;
            }
            let Some(position) = stored.position else { return Ok(()) };
            if position.generation() != capture.generation {
                continue;
            }
            earliest = match earliest {
                None => Some(position),
                Some(other) => other.earliest(&position).or(Some(other)),
            };
        }
        match earliest {
            Some(position) => self.store.trim_changes(&position).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn read_all(&self) -> Result<Vec<(ConsumerName, Stored)>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let collection = SystemCollection::Consumers;
            let items = self.store.system_items(collection, "", after.as_deref(), AT_ONCE).await?;
            for item in &items {
                all.push((ConsumerName::new(&item.key)?, from_text(&item.key, &item.value)?));
            }
            match items.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => return Ok(all),
            }
        }
    }
}

const HOLDER: &str = "consumer/";

pub(crate) fn holder(name: &ConsumerName) -> Result<CaptureHolder> {
    format!("{HOLDER}{name}").parse()
}

pub(crate) fn runs_elsewhere(name: &ConsumerName, process: u32, until: Timestamp) -> Error {
    Error::new(ErrorKind::Locked, "run a consumer", "another process runs the consumer")
        .with("consumer", name)
        .with("process", process)
        .with("lease_until", until)
        .hint("end that process, or wait until its lease ends")
}
