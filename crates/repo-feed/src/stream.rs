//! A consumer as a stream of changes.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};
use repo_core::strategy::{Changes, FeedPosition, RecordChange, StoreId};
use repo_core::{Error, ErrorKind, Result};
use tokio::time::{Sleep, sleep};

use crate::consumer::may_be_moved;
use crate::stored::Stored;
use crate::{Consumer, FollowOptions};

/// The changes of a consumer, one by one, as a [`Stream`]. Made by
/// [`Consumer::stream`].
///
/// Nothing is noted as done until [`checkpoint`](Self::checkpoint) says so; what was not
/// comes again when the consumer is opened the next time. The stream ends after an error,
/// and at the head with [`FollowOptions::until_head`].
///
/// While the stream is polled it renews the lease of the consumer, and so does a
/// checkpoint. Work on a change that may take longer than the lease is to be interrupted
/// by a checkpoint of what was done before; else another process may take the consumer
/// over, and the next checkpoint is `Locked`.
#[must_use = "a stream does nothing unless it is polled"]
pub struct ChangeStream<'c> {
    consumer: &'c mut Consumer,
    options: FollowOptions,
    end: Option<FeedPosition>,
    /// What was read and not given yet.
    waiting: VecDeque<RecordChange>,
    /// Where to read on.
    read: Option<FeedPosition>,
    /// The last change that was given, or where the consumer stands.
    given: Option<FeedPosition>,
    /// The store that it was in before that moved.
    left: Option<StoreId>,
    doing: Doing,
    renewing: Option<BoxFuture<'static, Result<()>>>,
}

enum Doing {
    Nothing,
    /// Looking whether the store has moved; if not, the error stands.
    Looking(Error, BoxFuture<'static, Result<Found>>),
    Reading(BoxFuture<'static, Result<Changes>>),
    Pausing(Pin<Box<Sleep>>),
    Ended,
}

/// A consumer as it is stored, and the head of the feed.
type Found = ((Stored, String), FeedPosition);

impl Consumer {
    /// The changes after its position as a stream, for programs that note themselves
    /// what is done. Dead letters are left alone: a consumer is either streamed, or
    /// [followed](Self::follow).
    ///
    /// Of the options `until_head` and `poll` hold; `max_items` is how many changes one
    /// request reads.
    ///
    /// ```
    /// # use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
    /// # use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Key, MemoryStrategy};
    /// # use repo_feed::{Consumer, ConsumerName, Consumers, FollowOptions, SubscribeOptions};
    /// # use std::sync::Arc;
    /// use futures_util::TryStreamExt as _;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> repo_core::Result<()> {
    /// # let machines = CollectionName::new("machines")?;
    /// # let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    /// # store.prepare(&[CollectionSchema::undeclared(machines.clone())]).await?;
    /// # let consumers = Consumers::new(store.clone());
    /// # let billing = ConsumerName::new("billing")?;
    /// # consumers.subscribe(&billing, SubscribeOptions::default()).await?;
    /// # for id in ["m-1", "m-2"] {
    /// #     let key = Key::new(machines.clone(), EntityId::new(id)?);
    /// #     store.save(key, Document::parse(&format!(r#"{{"id":"{id}"}}"#))?).await?;
    /// # }
    /// let mut consumer = Consumer::open(&consumers, &billing).await?;
    /// let mut changes = consumer.stream(FollowOptions::default().until_head()).await?;
    /// let mut ids = Vec::new();
    /// while let Some(change) = changes.try_next().await? {
    ///     ids.push(change.key.id.to_string());
    ///     changes.checkpoint(&change.position).await?;
    /// }
    /// assert_eq!(ids, ["m-1", "m-2"]);
    /// consumer.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Locked` when another process runs the consumer by now; what the store reports.
    pub async fn stream(&mut self, options: FollowOptions) -> Result<ChangeStream<'_>> {
        self.renew().await?;
        let end = match options.until_head {
            true => Some(self.consumers.store.head().await?),
            false => None,
        };
        let (read, given) = (self.position().cloned(), self.position().cloned());
        Ok(ChangeStream {
            consumer: self,
            options,
            end,
            waiting: VecDeque::new(),
            read,
            given,
            left: None,
            doing: Doing::Nothing,
            renewing: None,
        })
    }
}

impl ChangeStream<'_> {
    /// Notes durably that everything up to the position of a change is done with. For
    /// one that is noted already, only the lease is renewed if it is time to.
    ///
    /// # Errors
    /// `Invalid` for a position that the stream has not given; `Locked` when another
    /// process runs the consumer by now; what the store reports.
    pub async fn checkpoint(&mut self, position: &FeedPosition) -> Result<()> {
        // The store has moved since it was given, and the change comes again.
        if self.left == Some(position.store()) {
            return Ok(());
        }
        match self.note(position).await {
            Err(error) if self.consumer.has_moved(&error).await? => {
                let end = self.consumer.consumers.store.head().await?;
                self.begin_again(end);
                Ok(())
            }
            noted => noted,
        }
    }

    async fn note(&mut self, position: &FeedPosition) -> Result<()> {
        if !self.given.as_ref().is_some_and(|given| given.reaches(position)) {
            let why = "the stream has not given this position yet";
            return Err(Error::new(ErrorKind::Invalid, "note what is done", why)
                .with("position", position)
                .with("consumer", self.consumer.name())
                .hint("note the position of a change that came out of this stream"));
        }
        if let Some(renewing) = &mut self.renewing {
            let renewed = renewing.await;
            self.renewing = None;
            renewed?;
            self.consumer.note_sent();
        }
        let noted = self.consumer.position().filter(|noted| noted.reaches(position)).cloned();
        self.consumer.checkpoint(noted.unwrap_or_else(|| position.clone())).await
    }

    /// Goes on where the consumer stands in the store that has taken over.
    fn begin_again(&mut self, end: FeedPosition) {
        let position = self.consumer.position().cloned();
        let store = |position: &Option<FeedPosition>| position.as_ref().map(FeedPosition::store);
        // Back in the same store, what was given there can still be noted.
        if store(&self.given) != store(&position) {
            self.left = store(&self.given);
            self.given.clone_from(&position);
        }
        self.end = self.end.take().map(|_| end);
        self.read = position;
        self.waiting.clear();
        (self.doing, self.renewing) = (Doing::Nothing, None);
    }

    /// Renews the lease when it is time to, beside everything else.
    fn poll_renewal(&mut self, context: &mut Context<'_>) -> Result<()> {
        if self.renewing.is_none() && self.consumer.is_due() && !self.consumer.is_unheard() {
            let writes = self.consumer.renewal()?;
            let store = Arc::clone(&self.consumer.consumers.store);
            self.renewing = Some(async move { store.write_system_items(writes).await }.boxed());
        }
        if let Some(renewing) = &mut self.renewing
            && let Poll::Ready(renewed) = renewing.poll_unpin(context)
        {
            self.renewing = None;
            renewed?;
            self.consumer.note_sent();
        }
        Ok(())
    }

    /// Goes one step on; the next change, or `None` when there is something else to do.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<RecordChange>>> {
        if let Some(change) = self.waiting.pop_front() {
            self.given = Some(change.position.clone());
            return Poll::Ready(Ok(Some(change)));
        }
        self.doing = match &mut self.doing {
            Doing::Ended | Doing::Looking(..) => return Poll::Ready(Ok(None)),
            Doing::Nothing => {
                let store = Arc::clone(&self.consumer.consumers.store);
                let (after, most) = (self.read.clone(), self.options.max_items);
                Doing::Reading(async move { store.changes(after.as_ref(), most).await }.boxed())
            }
            Doing::Reading(reading) => {
                let found = ready!(reading.poll_unpin(context))?;
                let (idle, next) = (found.changes.is_empty(), found.next);
                self.waiting.extend(found.changes);
                let ends = self.end.as_ref().is_some_and(|end| next.reaches(end));
                self.read = Some(next);
                match (ends, idle) {
                    (true, _) => Doing::Ended,
                    (false, true) => Doing::Pausing(Box::pin(sleep(self.wait()))),
                    (false, false) => Doing::Nothing,
                }
            }
            Doing::Pausing(pause) => {
                ready!(pause.poll_unpin(context));
                Doing::Nothing
            }
        };
        Poll::Ready(Ok(None))
    }

    /// Looks whether an error only says that the store has moved.
    fn look(&mut self, error: Error) {
        let (consumers, name) = (self.consumer.consumers.clone(), self.consumer.name().clone());
        let looking =
            async move { Ok((consumers.read(&name).await?, consumers.store.head().await?)) };
        self.renewing = None;
        self.doing = Doing::Looking(error, looking.boxed());
    }

    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Doing::Looking(_, looking) = &mut self.doing else { return Poll::Ready(Ok(())) };
        let looked = ready!(looking.poll_unpin(context));
        let doing = std::mem::replace(&mut self.doing, Doing::Ended);
        if let Ok((found, end)) = looked
            && self.consumer.adopt(found)
        {
            self.begin_again(end);
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match doing {
            Doing::Looking(error, _) => Err(error),
            _ => Ok(()),
        })
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<RecordChange>>> {
        self.waiting.clear();
        self.doing = Doing::Ended;
        Poll::Ready(Some(Err(error)))
    }

    /// How long to wait at the head: not so long that the lease ends meanwhile.
    fn wait(&self) -> std::time::Duration {
        self.options.poll.min(self.consumer.consumers.lease / 3)
    }
}

impl Stream for ChangeStream<'_> {
    type Item = Result<RecordChange>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if matches!(this.doing, Doing::Ended) && this.waiting.is_empty() {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(this.poll_look(context)) {
                return this.fail(error);
            }
            let stepped = match this.poll_renewal(context) {
                Ok(()) => ready!(this.poll_step(context)),
                Err(error) => Err(error),
            };
            match stepped {
                Ok(None) => {}
                Ok(Some(change)) => return Poll::Ready(Some(Ok(change))),
                Err(error) if may_be_moved(&error) => this.look(error),
                Err(error) => return this.fail(error),
            }
        }
    }
}

impl fmt::Debug for ChangeStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream")
            .field("consumer", self.consumer.name())
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}
