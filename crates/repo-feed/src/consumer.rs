//! A consumer that this process runs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use repo_core::strategy::{FeedPosition, OwnerId, RecordChange, SystemWrite};
use repo_core::{Error, ErrorKind, Key, Result};
use tokio::time::Instant;

use crate::consumers::runs_elsewhere;
use crate::dead_letters::{DeadLetter, read_all};
use crate::states::{SharedStates, Updates, lock, prefix};
use crate::stored::{Lease, Stored, to_text, write};
use crate::{ConsumerName, Consumers};

/// Checkpoints after which old changes are removed.
const CHECKPOINTS_BETWEEN_TRIMS: u32 = 100;

/// A consumer that is open in this process.
#[derive(Debug)]
pub struct Consumer {
    pub(crate) consumers: Consumers,
    pub(crate) name: ConsumerName,
    owner: String,
    stored: Stored,
    /// As it stands in the store.
    text: String,
    /// Its position as it stands in the store.
    noted: Option<FeedPosition>,
    letters: BTreeMap<u64, DeadLetter>,
    /// Letters that are not stored yet.
    fresh: Vec<SystemWrite>,
    /// States of aggregates: what they have is what lies behind the position.
    pub(crate) states: SharedStates,
    /// The text of a write whose answer was not heard: it failed, or its future was
    /// dropped.
    unheard: Option<String>,
    since_trim: u32,
    renewed: Instant,
}

impl Consumer {
    /// Opens a consumer to run it in this process; nobody else can until it is closed,
    /// or its lease is not renewed.
    ///
    /// # Errors
    /// `NotFound` when it is not subscribed; `Locked` while another process runs it.
    pub async fn open(consumers: &Consumers, name: &ConsumerName) -> Result<Self> {
        match Self::open_here(consumers, name).await {
            // The record is another one by now: the store has moved, or somebody was faster.
            Err(error)
                if error.kind() == ErrorKind::Locked
                    && error.context_value("lease_until").is_none() =>
            {
                Self::open_here(consumers, name).await
            }
            opened => opened,
        }
    }

    async fn open_here(consumers: &Consumers, name: &ConsumerName) -> Result<Self> {
        let (stored, text) = consumers.read(name).await?;
        if let Some(lease) = &stored.lease
            && lease.until > consumers.clock.now()
        {
            return Err(runs_elsewhere(name, lease.process, lease.until));
        }
        let mut this = Self {
            consumers: consumers.clone(),
            name: name.clone(),
            owner: OwnerId::random()?.to_string(),
            noted: stored.position.clone(),
            stored,
            text,
            letters: BTreeMap::new(),
            fresh: Vec::new(),
            states: SharedStates::default(),
            unheard: None,
            since_trim: CHECKPOINTS_BETWEEN_TRIMS,
            renewed: Instant::now(),
        };
        this.renew().await?;
        this.read_letters().await?;
        Ok(this)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ConsumerName {
        &self.name
    }

    /// How far it is; `None` before the oldest change that is kept.
    #[must_use]
    pub fn position(&self) -> Option<&FeedPosition> {
        self.stored.position.as_ref()
    }

    /// Its dead letters, in the order in which they came.
    pub fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.values()
    }

    /// Gives the consumer back: another process can run it at once.
    ///
    /// # Errors
    /// What the store reports; the lease ends by itself then.
    pub async fn close(mut self) -> Result<()> {
        self.stored.lease = None;
        match self.store_record(Vec::new()).await {
            Err(error) if self.has_moved(&error).await? => {
                self.stored.lease = None;
                self.store_record(Vec::new()).await
            }
            closed => closed,
        }
    }

    /// Whether an error only says that the store has moved, and this consumer with it; it goes
    /// on from where it stands now.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn has_moved(&mut self, error: &Error) -> Result<bool> {
        if !may_be_moved(error) {
            return Ok(false);
        }
        let found = match self.consumers.read(&self.name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        if !self.adopt(found) {
            return Ok(false);
        }
        self.read_letters().await?;
        Ok(true)
    }

    /// Goes on from where a consumer stands that its store took along; false for any other.
    pub(crate) fn adopt(&mut self, (stored, text): (Stored, String)) -> bool {
        let is_ours = stored.lease.as_ref().is_some_and(|lease| lease.owner == self.owner);
        if !is_ours || stored.origin == self.stored.origin {
            return false;
        }
        self.noted.clone_from(&stored.position);
        (self.stored, self.text) = (stored, text);
        self.fresh.clear();
        self.unheard = None;
        lock(&self.states).forget();
        true
    }

    /// The changes after its position, and where it stands with them.
    pub(crate) async fn read(
        &self,
        after: Option<&FeedPosition>,
        most: NonZeroUsize,
    ) -> Result<(Vec<RecordChange>, FeedPosition)> {
        let after = after.or(self.stored.position.as_ref());
        let found = self.consumers.store.changes(after, most).await?;
        Ok((found.changes, found.next))
    }

    /// Whether changes of a record have to wait for its dead letters.
    pub(crate) fn is_dead(&self, key: &Key) -> bool {
        self.letters.values().any(|letter| letter.key == *key)
    }

    /// Puts a change aside; it is stored with the next checkpoint at the latest.
    ///
    /// # Errors
    /// `LimitExceeded` when there are too many already.
    pub(crate) async fn bury(
        &mut self,
        change: &RecordChange,
        error: &str,
        attempts: u32,
    ) -> Result<()> {
        let known =
            |letter: &DeadLetter| letter.key == change.key && letter.version == change.version;
        if self.letters.values().any(known) {
            return Ok(());
        }
        if self.letters.len() >= self.stored.max_dead {
            let why = "the consumer has as many dead letters as it may have, and stops";
            return Err(Error::new(ErrorKind::LimitExceeded, "follow the change feed", why)
                .with("consumer", &self.name)
                .with("max_dead", self.stored.max_dead)
                .with("record", &change.key)
                .with("error", error)
                .hint("retry or skip some of them"));
        }
        self.make_room(1).await?;
        let number = self.letters.last_key_value().map_or(1, |(number, _)| number + 1);
        let letter = DeadLetter::of(number, change, error, attempts, self.consumers.clock.now());
        self.fresh.push(letter.write(&self.name, None)?);
        self.letters.insert(number, letter);
        Ok(())
    }

    /// Stores what waits when so many items more could not be stored with it.
    pub(crate) async fn make_room(&mut self, items: usize) -> Result<()> {
        self.hear().await?;
        let waiting = self.fresh.len() + lock(&self.states).changed();
        // The record is written beside them.
        if waiting + items + 1 > SystemWrite::MAX_AT_ONCE {
            self.renew().await?;
        }
        Ok(())
    }

    /// Notes that everything up to a position is done with, durably with the next
    /// checkpoint, or whatever else is stored.
    pub(crate) fn move_to(&mut self, position: FeedPosition) {
        self.stored.position = Some(position);
    }

    /// Where its states lie.
    pub(crate) fn states_prefix(&self) -> String {
        prefix(&self.name, &self.stored)
    }

    /// Notes durably that everything up to a position is done with. Where that is noted
    /// already, the lease is renewed if it is time to.
    ///
    /// # Errors
    /// `Locked` when another process runs the consumer by now.
    pub(crate) async fn checkpoint(&mut self, position: FeedPosition) -> Result<()> {
        let moves = self.noted.as_ref() != Some(&position);
        if !moves && self.fresh.is_empty() && !self.is_due() {
            return Ok(());
        }
        self.stored.position = Some(position);
        self.renew().await?;
        if moves {
            self.since_trim += 1;
        }
        if self.since_trim > CHECKPOINTS_BETWEEN_TRIMS {
            self.since_trim = 0;
            self.consumers.trim().await?;
        }
        Ok(())
    }

    /// Whether the lease is to be renewed.
    pub(crate) fn is_due(&self) -> bool {
        self.renewed.elapsed() >= self.consumers.lease / 3
    }

    /// Whether the answer to a write is still to be found out.
    pub(crate) fn is_unheard(&self) -> bool {
        self.unheard.is_some()
    }

    /// Renews the lease, and stores what waits.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint).
    pub(crate) async fn renew(&mut self) -> Result<()> {
        self.hear().await?;
        let writes = self.renewal()?;
        self.send(writes).await
    }

    /// What renews the lease and stores what waits. It is to be sent, and
    /// [`noted`](Self::note_sent) once the store has acknowledged it.
    pub(crate) fn renewal(&mut self) -> Result<Vec<SystemWrite>> {
        let now = self.consumers.clock.now();
        self.stored.checkpoint_at = now;
        self.stored.lease = Some(Lease {
            owner: self.owner.clone(),
            process: std::process::id(),
            until: now.saturating_add(self.consumers.lease),
        });
        self.renewed = Instant::now();
        self.writes(Vec::new())
    }

    /// Takes a letter away that was tried again with success, and stores another state
    /// of one that was not, together with what it did to states.
    pub(crate) async fn settle(
        &mut self,
        number: u64,
        after: Option<DeadLetter>,
        updates: Updates,
    ) -> Result<()> {
        let Some(before) = self.letters.get(&number) else { return Ok(()) };
        let write = match &after {
            None => before.remove(&self.name)?,
            Some(after) => after.write(&self.name, Some(before))?,
        };
        let writes = std::iter::once(write).chain(updates.writes()).collect();
        match self.store_record(writes).await {
            // Somebody changed the letter meanwhile, or runs the consumer: renewing tells.
            Err(error) if error.kind() == ErrorKind::Locked => {
                self.renew().await?;
                lock(&self.states).forget();
                self.read_letters().await
            }
            Err(error) => Err(error),
            Ok(()) => {
                let mut states = lock(&self.states);
                states.merge(updates);
                states.note_stored();
                match after {
                    None => self.letters.remove(&number),
                    Some(after) => self.letters.insert(number, after),
                };
                Ok(())
            }
        }
    }

    /// Reads the letters again: somebody may have asked for some to be tried, or
    /// skipped some.
    pub(crate) async fn read_letters(&mut self) -> Result<()> {
        let letters = read_all(&*self.consumers.store, &self.name).await?;
        self.letters = letters.into_iter().map(|letter| (letter.number, letter)).collect();
        Ok(())
    }

    async fn store_record(&mut self, more: Vec<SystemWrite>) -> Result<()> {
        self.hear().await?;
        let writes = self.writes(more)?;
        self.send(writes).await
    }

    /// The record, what waits, and some more.
    fn writes(&mut self, more: Vec<SystemWrite>) -> Result<Vec<SystemWrite>> {
        let mut writes = self.fresh.clone();
        writes.extend(lock(&self.states).writes());
        writes.extend(more);
        writes.push(write(&self.name, Some(self.text.clone()), Some(&self.stored))?);
        self.unheard = Some(to_text(&self.stored)?);
        Ok(writes)
    }

    async fn send(&mut self, writes: Vec<SystemWrite>) -> Result<()> {
        self.consumers.store.write_system_items(writes).await?;
        self.note_sent();
        Ok(())
    }

    /// Notes that what was sent is stored.
    pub(crate) fn note_sent(&mut self) {
        if let Some(text) = self.unheard.take() {
            self.text = text;
            self.noted = self.stored.position.clone();
            self.fresh.clear();
            lock(&self.states).note_stored();
        }
    }

    /// Finds out whether a write whose answer was not heard was done: then the record is
    /// as that write left it. All that it wrote was written together.
    async fn hear(&mut self) -> Result<()> {
        let Some(sent) = self.unheard.take() else { return Ok(()) };
        let read = self.consumers.read(&self.name).await;
        self.unheard = Some(sent);
        let (stored, text) = read?;
        if self.unheard.as_ref() == Some(&text) {
            self.text = text;
            self.noted = stored.position;
            self.fresh.clear();
            lock(&self.states).forget();
        }
        self.unheard = None;
        Ok(())
    }
}

/// Whether an error may come from a store that has moved: it takes nothing, does not know the
/// position, or does not know whether what it took counts.
pub(crate) fn may_be_moved(error: &Error) -> bool {
    use ErrorKind::{Invalid, Locked, OutcomeUnknown};
    matches!(error.kind(), Locked | Invalid | OutcomeUnknown)
}
