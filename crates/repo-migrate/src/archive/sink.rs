//! Where the bytes of one file of an archive go.

use std::fs::File;
use std::io::{self, Write};

#[cfg(feature = "blobs")]
use super::object_sink::ObjectSink;

/// A file that is being written.
#[derive(Debug)]
pub(crate) enum Sink {
    File(File),
    #[cfg(feature = "blobs")]
    Object(Box<ObjectSink>),
}

impl Sink {
    /// Makes it durable.
    pub(super) fn sync(self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_all(),
            #[cfg(feature = "blobs")]
            Self::Object(object) => object.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            #[cfg(feature = "blobs")]
            Self::Object(object) => object.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            #[cfg(feature = "blobs")]
            Self::Object(object) => object.flush(),
        }
    }
}
