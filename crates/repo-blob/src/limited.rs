//! The most bytes of a part.

use futures_util::{StreamExt as _, TryStreamExt as _, future};
use repo_core::{Error, ErrorKind};

use crate::parts::MAX_PART_BYTES;
use crate::store::ByteStream;

/// The same bytes, and `LimitExceeded` where they are too many for a part.
pub(crate) fn limited(bytes: ByteStream<'_>) -> ByteStream<'_> {
    let mut read = 0;
    let limited = bytes.and_then(move |bytes| {
        read += bytes.len() as u64;
        future::ready(if read <= MAX_PART_BYTES {
            Ok(bytes)
        } else {
            let message = "the part is too large";
            Err(Error::new(ErrorKind::LimitExceeded, "put part", message)
                .with("most", MAX_PART_BYTES)
                .hint("send smaller parts"))
        })
    });
    limited.boxed()
}
