//! What is done with changes, step by step.

use std::fmt;
use std::future::{Future, ready};
use std::marker::PhantomData;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use repo_core::strategy::RecordChange;
use repo_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::states::Attempt;
use crate::stored::to_text;
use crate::{ConsumerName, HandlerError, Selection};

/// What a step gives: the item for the next one, or nothing where it drops it.
pub type Step<T> = std::result::Result<Option<T>, HandlerError>;

/// Most aggregates of one chain.
pub const MAX_AGGREGATES: usize = 8;

/// Filters, processors and aggregates, through which [`Consumer::run`](crate::Consumer::run)
/// sends each change of a consumer.
///
/// What a processor does to the world outside it does at least once: a change comes again
/// after a process was killed. The state of an aggregate has each change **exactly once**:
/// it is stored in one write with the position of the consumer.
///
/// ```
/// # use repo_core::strategy::{OpenOptions, RecordChange, StorageStrategy as _, StorageStrategyExt as _};
/// # use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Key, MemoryStrategy};
/// # use repo_feed::{Chain, Consumer, ConsumerName, Consumers, FollowOptions, Selection, SubscribeOptions};
/// # use std::sync::Arc;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// # let machines = CollectionName::new("machines")?;
/// # let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// # store.prepare(&[CollectionSchema::undeclared(machines.clone())]).await?;
/// # let consumers = Consumers::new(store.clone());
/// # let name = ConsumerName::new("writes-by-zone")?;
/// # consumers.subscribe(&name, SubscribeOptions::default()).await?;
/// # for (id, zone) in [("a-1", "a"), ("a-2", "a"), ("b-1", "b"), ("a-1", "a")] {
/// #     let key = Key::new(machines.clone(), EntityId::new(id)?);
/// #     store.save(key, Document::parse(&format!(r#"{{"id":"{id}","zone":"{zone}"}}"#))?).await?;
/// # }
/// #[derive(serde::Deserialize)]
/// struct Machine {
///     zone: String,
/// }
///
/// let chain = Chain::new()
///     .filter(Selection::default().of([machines]))
///     .map(|change: RecordChange| async move {
///         let document = change.record.as_ref().and_then(|record| record.document());
///         // What is dropped here goes no further.
///         Ok(document.map(|document| document.deserialize::<Machine>()).transpose()?)
///     })
///     .aggregate(
///         "writes",
///         |machine| Some(machine.zone.clone()),
///         |writes: &mut u64, _| {
///             *writes += 1;
///             Ok(())
///         },
///     )?;
/// let mut consumer = Consumer::open(&consumers, &name).await?;
/// consumer.run(&FollowOptions::default().until_head(), &chain).await?;
/// consumer.close().await?;
/// assert_eq!(consumers.state::<u64>(&name, "writes", "a").await?, Some(3));
/// # Ok(())
/// # }
/// ```
#[must_use = "a chain does nothing until a consumer runs it"]
pub struct Chain<T> {
    pub(crate) last: Box<dyn Stage<T>>,
    pub(crate) aggregates: Vec<String>,
}

/// A step together with those before it.
pub(crate) trait Stage<T>: Send + Sync {
    fn run<'a>(
        &'a self,
        change: &'a RecordChange,
        attempt: &'a mut Attempt,
    ) -> BoxFuture<'a, Step<T>>;
}

impl Chain<RecordChange> {
    /// A chain that lets every change through.
    pub fn new() -> Self {
        Self { last: Box::new(Beginning), aggregates: Vec::new() }
    }

    /// Lets only selected changes through.
    pub fn filter(self, selection: Selection) -> Self {
        self.filter_by(move |change| selection.selects(change))
    }
}

impl Default for Chain<RecordChange> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + Sync + 'static> Chain<T> {
    /// Lets only items through for which the closure says so.
    pub fn filter_by(self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        Self { last: Box::new(Filter { before: self.last, keep }), ..self }
    }

    /// Makes another item of each one, or drops it with `None`. A failure is tried again
    /// as in [`Consumer::follow`](crate::Consumer::follow), from the beginning of the
    /// chain, and leaves a dead letter in the end.
    pub fn map<U, F, R>(self, process: F) -> Chain<U>
    where
        U: Send + Sync + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Step<U>> + Send + 'static,
    {
        let last = Box::new(Map { before: self.last, process, marker: PhantomData });
        Chain { last, aggregates: self.aggregates }
    }

    /// Folds items into a state for each key, and lets them through. `name` is where
    /// [`Consumers::state`](crate::Consumers::state) finds them; `key` gives the key of
    /// an item, 1 to [`MAX_STATE_KEY_BYTES`](crate::MAX_STATE_KEY_BYTES) bytes, or `None`
    /// for one that does not count. A state begins with its default, and is kept as JSON
    /// of at most 64 KiB.
    ///
    /// A state is an item of the engine's own. JSON stores hold all of them in memory: let
    /// the number of keys be bounded there.
    ///
    /// # Errors
    /// `Invalid` for a name that is none of a consumer, or that the chain has already;
    /// `LimitExceeded` for more than [`MAX_AGGREGATES`].
    pub fn aggregate<S, K, F>(mut self, name: &str, key: K, fold: F) -> Result<Self>
    where
        S: Default + Serialize + DeserializeOwned + Send + 'static,
        K: Fn(&T) -> Option<String> + Send + Sync + 'static,
        F: Fn(&mut S, &T) -> std::result::Result<(), HandlerError> + Send + Sync + 'static,
    {
        let refuse = |kind, why| Error::new(kind, "name an aggregate", why).with("name", name);
        if ConsumerName::new(name).is_err() {
            let why = "the name of an aggregate is as one of a consumer";
            return Err(refuse(ErrorKind::Invalid, why));
        }
        if self.aggregates.iter().any(|known| known == name) {
            return Err(refuse(ErrorKind::Invalid, "the chain has an aggregate of this name"));
        }
        if self.aggregates.len() >= MAX_AGGREGATES {
            let why = "the chain has as many aggregates as it may have";
            return Err(refuse(ErrorKind::LimitExceeded, why).with("most", MAX_AGGREGATES));
        }
        self.aggregates.push(name.to_owned());
        let marker = PhantomData::<fn() -> S>;
        let name = name.to_owned();
        self.last = Box::new(Aggregate { before: self.last, name, key, fold, marker });
        Ok(self)
    }
}

impl<T> fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("aggregates", &self.aggregates).finish_non_exhaustive()
    }
}

struct Beginning;

impl Stage<RecordChange> for Beginning {
    fn run<'a>(
        &'a self,
        change: &'a RecordChange,
        _: &'a mut Attempt,
    ) -> BoxFuture<'a, Step<RecordChange>> {
        ready(Ok(Some(change.clone()))).boxed()
    }
}

struct Filter<T, F> {
    before: Box<dyn Stage<T>>,
    keep: F,
}

impl<T: Send, F: Fn(&T) -> bool + Send + Sync> Stage<T> for Filter<T, F> {
    fn run<'a>(
        &'a self,
        change: &'a RecordChange,
        attempt: &'a mut Attempt,
    ) -> BoxFuture<'a, Step<T>> {
        async move { Ok(self.before.run(change, attempt).await?.filter(&self.keep)) }.boxed()
    }
}

struct Map<T, F, R> {
    before: Box<dyn Stage<T>>,
    process: F,
    marker: PhantomData<fn() -> R>,
}

impl<T, U, F, R> Stage<U> for Map<T, F, R>
where
    T: Send + Sync,
    F: Fn(T) -> R + Send + Sync,
    R: Future<Output = Step<U>> + Send,
{
    fn run<'a>(
        &'a self,
        change: &'a RecordChange,
        attempt: &'a mut Attempt,
    ) -> BoxFuture<'a, Step<U>> {
        async move {
            match self.before.run(change, attempt).await? {
                Some(item) => (self.process)(item).await,
                None => Ok(None),
            }
        }
        .boxed()
    }
}

struct Aggregate<T, K, F, S> {
    before: Box<dyn Stage<T>>,
    name: String,
    key: K,
    fold: F,
    marker: PhantomData<fn() -> S>,
}

impl<T, K, F, S> Stage<T> for Aggregate<T, K, F, S>
where
    T: Send + Sync,
    S: Default + Serialize + DeserializeOwned,
    K: Fn(&T) -> Option<String> + Send + Sync,
    F: Fn(&mut S, &T) -> std::result::Result<(), HandlerError> + Send + Sync,
{
    fn run<'a>(
        &'a self,
        change: &'a RecordChange,
        attempt: &'a mut Attempt,
    ) -> BoxFuture<'a, Step<T>> {
        async move {
            let Some(item) = self.before.run(change, attempt).await? else { return Ok(None) };
            let Some(key) = (self.key)(&item) else { return Ok(Some(item)) };
            let fold = |text: Option<&str>| {
                let mut state = match text {
                    Some(text) => serde_json::from_str(text).map_err(|source| {
                        let name = &self.name;
                        HandlerError::Failed(format!("the state of {name} for {key}: {source}"))
                    })?,
                    None => S::default(),
                };
                (self.fold)(&mut state, &item)?;
                Ok(to_text(&state)?)
            };
            attempt.update(&self.name, &key, fold).await?;
            Ok(Some(item))
        }
        .boxed()
    }
}
