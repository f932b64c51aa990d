//! The objects of a store, by requests that end.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::{NamedObject, NamedObjects};
use repo_core::{Error, ErrorKind, Result};

use crate::names;

/// Requests that are under way at once.
pub(crate) const AT_ONCE: usize = 16;

/// The pause before the second try of a creation; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// And grows to this.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits for as long; for no time it does not wait for the next tick of the clock either.
pub(crate) async fn wait(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

/// What became of an object that was to be created.
#[derive(Debug)]
pub(crate) enum Creation {
    /// It is there, and it is this one.
    Created,
    /// There is one of that name already; perhaps this one, of an earlier try.
    Taken,
    /// It is not there because of this request, and will not be.
    Refused(Error),
    /// The same; another try may do better.
    Busy(Error),
    /// It may be there, now or later.
    Unknown(Error),
}

/// The objects of a store.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    /// They make no request again by themselves: of a creation that was made twice the last
    /// answer alone would say nothing. One client for everything has one set of connections.
    named: NamedObjects,
    timeout: Duration,
    /// How often a request is tried.
    tries: u32,
}

impl Objects {
    pub(crate) fn new(named: NamedObjects, timeout: Duration, retries: u8) -> Self {
        Self { named, timeout, tries: u32::from(retries) + 1 }
    }

    pub(crate) fn location(&self) -> &str {
        self.named.location()
    }

    /// The folder of objects that are files of this machine.
    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        self.named.folder()
    }

    /// A request that may be made again: what fails in passing is tried as often as the settings
    /// say, all of it within their time.
    async fn within<T, R>(&self, name: &str, request: impl Fn() -> R) -> Result<T>
    where
        R: Future<Output = Result<T>>,
    {
        let tried = async {
            let mut pauses = self.tries().skip(1);
            loop {
                let failed = match request().await {
                    Err(error) if error.kind() == ErrorKind::Unavailable => error,
                    done => return done,
                };
                // A disk is no better a moment later.
                let pause = pauses.next().filter(|_| self.folder().is_none());
                let Some(pause) = pause else { return Err(failed) };
                wait(pause).await;
            }
        };
        tokio::time::timeout(self.timeout, tried).await.unwrap_or_else(|_| {
            let why = "the object store does not answer";
            Err(Error::new(ErrorKind::Unavailable, "ask the object store", why)
                .with("store", self.location())
                .with("name", name)
                .with("seconds", self.timeout.as_secs()))
        })
    }

    /// The tries of a request, each with a pause before it but the first.
    pub(crate) fn tries(&self) -> impl Iterator<Item = Duration> {
        let pauses = std::iter::successors(Some(PAUSE), |pause| Some((*pause * 2).min(LONGEST)));
        std::iter::once(Duration::ZERO).chain(pauses).take(self.tries as usize)
    }

    /// Creates an object unless there is one of its name.
    pub(crate) async fn create(&self, name: &str, bytes: Bytes) -> Creation {
        let request = self.named.create(name, bytes);
        let Ok(created) = tokio::time::timeout(self.timeout, request).await else {
            let why = "the object store does not answer; the object may be there";
            return Creation::Unknown(
                Error::new(ErrorKind::OutcomeUnknown, "create an object", why)
                    .with("store", self.location())
                    .with("name", name)
                    .with("seconds", self.timeout.as_secs()),
            );
        };
        let Err(error) = created else { return Creation::Created };
        match error.kind() {
            ErrorKind::AlreadyExists => Creation::Taken,
            // In a folder it may be there, and its name not yet be durable.
            _ if self.folder().is_some() => Creation::Unknown(error),
            // Somebody else creates it at this moment.
            ErrorKind::Unavailable if error.context_value("status") == Some("409") => {
                Creation::Taken
            }
            ErrorKind::Unavailable => Creation::Busy(error),
            ErrorKind::PermissionDenied
            | ErrorKind::NotFound
            | ErrorKind::Unsupported
            | ErrorKind::Invalid => Creation::Refused(error),
            _ => Creation::Unknown(error),
        }
    }

    /// Creates an object under a random name. One that is there is this one, of an earlier try.
    ///
    /// # Errors
    /// What hinders it.
    pub(crate) async fn create_new(&self, name: &str, bytes: Bytes) -> Result<()> {
        let mut failed = None;
        for pause in self.tries() {
            wait(pause).await;
            match self.create(name, bytes.clone()).await {
                Creation::Created | Creation::Taken => return Ok(()),
                Creation::Refused(error) => return Err(error),
                Creation::Busy(error) | Creation::Unknown(error) => failed = Some(error),
            }
        }
        // Nothing names the object yet.
        failed.map_or(Ok(()), |error| Err(error.into_kind(ErrorKind::Unavailable)))
    }

    /// Writes an object in place of what is there.
    pub(crate) async fn replace(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.within(name, || self.named.replace(name, bytes.clone())).await
    }

    /// The bytes of an object; `None` where there is none.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        self.within(name, || self.named.read_all(name)).await
    }

    /// A part of an object; `None` where there is no such object.
    pub(crate) async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.within(name, || self.named.read_range(name, range.clone())).await
    }

    /// At most `most` objects of a folder that come after a name in it, in order.
    pub(crate) async fn list(
        &self,
        folder: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<NamedObject>> {
        self.within(folder, || self.named.listed_after(folder, after, most)).await
    }

    /// The first objects that are there at all, of whatever names.
    pub(crate) async fn first(&self, most: usize) -> Result<Vec<NamedObject>> {
        self.within("", || self.named.objects().take(most).try_collect()).await
    }

    /// Removes objects, in no order. Those that are not there are removed already.
    pub(crate) async fn remove(&self, gone: Vec<String>) -> Result<()> {
        stream::iter(gone)
            .map(|name| async move { self.within(&name, || self.named.delete(&name)).await })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    /// Makes durable what can be read in the log.
    pub(crate) async fn sync_log(&self) -> Result<()> {
        self.named.sync(names::LOG).await
    }

    /// Makes the folder of objects that are files of this machine.
    pub(crate) async fn make_folder(&self) -> Result<()> {
        self.named.make_folder().await
    }

    /// Whether the store keeps what it was told to remove.
    pub(crate) async fn keeps_versions(&self, name: &str) -> Result<bool> {
        self.within(name, || self.named.keeps_versions(name)).await
    }
}
