//! A store of objects in memory that misbehaves as it is told, and knows what it was asked.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Semaphore;

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Put,
    Get,
    Delete,
    List,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done.
    Done,
    /// It is done, and the answer is lost.
    Lost,
    /// It is not done, and nobody learns that.
    Dropped,
    /// It is done, and answered when permits are added: see [`Wire::hold`].
    Late,
    /// It is done whatever its condition says.
    Unconditional,
    /// Its condition is looked at, and a moment later it is done.
    Racy,
    /// It is not done: the server is not reached.
    Unreached,
}

type Decide = dyn Fn(Act, &str) -> Fate + Send + Sync;

#[derive(Default)]
pub(crate) struct Wire {
    inner: InMemory,
    asked: Mutex<Vec<(Act, String)>>,
    decide: Mutex<Option<Arc<Decide>>>,
    /// What requests wait for, where they are to wait.
    gates: Mutex<Vec<(Act, &'static str, Arc<Semaphore>)>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wire")
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wire")
    }
}

fn lost() -> Error {
    Error::Generic { store: "wire", source: "the answer is lost".into() }
}

fn unreached() -> Error {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    Error::Generic {
        store: "wire",
        source: Box::new(HttpError::new(HttpErrorKind::Connect, refused)),
    }
}

impl Wire {
    /// Decides from now on what becomes of requests.
    pub(crate) fn decide(&self, decide: impl Fn(Act, &str) -> Fate + Send + Sync + 'static) {
        *self.decide.lock().unwrap() = Some(Arc::new(decide));
    }

    /// All requests are done again.
    pub(crate) fn behave(&self) {
        *self.decide.lock().unwrap() = None;
    }

    /// Holds writes of the log until permits are added.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        self.hold_of(Act::Put, "log/")
    }

    /// Holds requests for objects of a folder until permits are added.
    pub(crate) fn hold_of(&self, act: Act, folder: &'static str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().unwrap().push((act, folder, Arc::clone(&gate)));
        gate
    }

    /// What was asked since this was called last.
    pub(crate) fn asked(&self) -> Vec<(Act, String)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// How often something was asked of a folder since this was called last.
    pub(crate) fn count(&self, act: Act, folder: &str) -> usize {
        let of = |(one, name): &(Act, String)| *one == act && name.starts_with(folder);
        self.asked().iter().filter(|asked| of(asked)).count()
    }

    /// Waits until a request for this object may go on.
    async fn wait(&self, act: Act, path: &Path) {
        let gates = self.gates.lock().unwrap().clone();
        let holds =
            |(held, folder, _): &(Act, &str, _)| *held == act && path.as_ref().starts_with(folder);
        for (_, _, gate) in gates.into_iter().filter(holds) {
            gate.acquire().await.unwrap().forget();
        }
    }

    fn note(&self, act: Act, path: &Path) -> Fate {
        self.asked.lock().unwrap().push((act, path.to_string()));
        let decide = self.decide.lock().unwrap().clone();
        decide.map_or(Fate::Done, |decide| decide(act, path.as_ref()))
    }
}

#[async_trait]
impl ObjectStore for Wire {
    async fn put_opts(
        &self,
        path: &Path,
        bytes: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let fate = self.note(Act::Put, path);
        if fate != Fate::Late {
            self.wait(Act::Put, path).await;
        }
        match fate {
            Fate::Dropped => return Err(lost()),
            Fate::Unreached => return Err(unreached()),
            Fate::Unconditional => options.mode = PutMode::Overwrite,
            Fate::Racy => {
                if self.inner.get_opts(path, GetOptions::default()).await.is_ok() {
                    let (path, source) = (path.to_string(), "it is there".into());
                    return Err(Error::AlreadyExists { path, source });
                }
                tokio::task::yield_now().await;
                options.mode = PutMode::Overwrite;
            }
            Fate::Done | Fate::Lost | Fate::Late => {}
        }
        let put = self.inner.put_opts(path, bytes, options).await;
        if fate == Fate::Late {
            self.wait(Act::Put, path).await;
        }
        if fate == Fate::Lost { Err(lost()) } else { put }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fate = self.note(Act::Get, path);
        // A server does not answer at once.
        tokio::task::yield_now().await;
        self.wait(Act::Get, path).await;
        match fate {
            Fate::Lost | Fate::Dropped => Err(lost()),
            Fate::Unreached => Err(unreached()),
            _ => self.inner.get_opts(path, options).await,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.asked.lock().unwrap().push((Act::Delete, String::new()));
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.note(Act::List, prefix.unwrap_or(&Path::default()));
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
