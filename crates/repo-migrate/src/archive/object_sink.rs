//! A file of an archive on its way into an object store, and out of it. Who writes and reads
//! it blocks; the requests are made by the runtime.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use repo_blob::{ByteStream, NamedObjects};
use repo_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes that are handed over at once.
const BLOCK: usize = 1_024 * 1_024;
/// Blocks that wait to be sent.
const WAITING: usize = 2;

/// A file that is being sent.
#[derive(Debug)]
pub(crate) struct ObjectSink {
    runtime: Handle,
    block: BytesMut,
    sender: Option<mpsc::Sender<Result<Bytes>>>,
    /// The upload, until it has ended.
    task: Option<JoinHandle<Result<u64>>>,
}

impl ObjectSink {
    /// Begins a file.
    pub(super) fn begin(runtime: &Handle, objects: NamedObjects, name: &str) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let name = name.to_owned();
        let task = runtime.spawn(async move {
            let bytes = futures::stream::unfold(receiver, |mut receiver| async move {
                receiver.recv().await.map(|bytes| (bytes, receiver))
            });
            objects.write(&name, bytes.boxed()).await
        });
        let block = BytesMut::new();
        Self { runtime: runtime.clone(), block, sender: Some(sender), task: Some(task) }
    }

    fn send(&mut self) -> io::Result<()> {
        let block = self.block.split().freeze();
        let sent = self.sender.as_ref().map(|sender| sender.blocking_send(Ok(block)));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { self.end().and(Err(gone())) }
    }

    /// Sends the rest and waits until the object is there.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.send()?;
        }
        self.sender = None;
        self.end()
    }

    /// What became of the upload.
    fn end(&mut self) -> io::Result<()> {
        let Some(task) = self.task.take() else { return Err(gone()) };
        match self.runtime.block_on(task) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn gone() -> io::Error {
    let message = "the file is not sent any more";
    io::Error::other(Error::new(ErrorKind::Unavailable, "write an archive", message))
}

impl Write for ObjectSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.block.len() == BLOCK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ObjectSink {
    /// A file that was not finished is given up, or it would look like a whole one.
    fn drop(&mut self) {
        if let (Some(sender), Some(task)) = (self.sender.take(), self.task.take()) {
            let message = "the archive was not finished";
            let error = Error::new(ErrorKind::Unavailable, "write an archive", message);
            // Where the channel is full the end of it must not pass for the end of the file.
            if sender.try_send(Err(error)).is_err() {
                task.abort();
            }
        }
    }
}

/// A file that is being read.
pub(crate) struct ObjectSource {
    runtime: Handle,
    bytes: ByteStream<'static>,
    block: Bytes,
}

impl ObjectSource {
    pub(super) fn new(runtime: Handle, bytes: ByteStream<'static>) -> Self {
        Self { runtime, bytes, block: Bytes::new() }
    }
}

impl Read for ObjectSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.block.is_empty() {
            match self.runtime.block_on(self.bytes.try_next()).map_err(io::Error::other)? {
                Some(block) => self.block = block,
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.block.len());
        self.block.copy_to_slice(buffer.get_mut(..taken).unwrap_or_default());
        Ok(taken)
    }
}
