//! The bytes of a request, as stores of blobs take them.

use axum::body::Body;
use axum::http::StatusCode;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::ByteStream;
use repo_core::{Error, ErrorKind};

use crate::limits::{body_error, stall_in};

/// A body as a stream. What ends it early is an error of the same meaning.
#[must_use]
pub fn byte_stream(body: Body) -> ByteStream<'static> {
    body.into_data_stream().map_err(ended).boxed()
}

/// A stream of nothing.
#[must_use]
pub fn none() -> ByteStream<'static> {
    stream::empty().boxed()
}

/// A stream that has this many bytes: one that ends before or goes on ends with an error.
#[must_use]
pub fn exactly(bytes: ByteStream<'static>, length: u64) -> ByteStream<'static> {
    let counted = stream::try_unfold((bytes, length), |(mut bytes, left)| async move {
        match bytes.try_next().await? {
            Some(piece) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Ok(Some((piece, (bytes, left)))),
                None => Err(wrong_length("there are more bytes than the range has")),
            },
            None if left == 0 => Ok(None),
            None => Err(wrong_length("there are fewer bytes than the range has")),
        }
    });
    counted.boxed()
}

fn wrong_length(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "receive", why)
}

fn ended(error: axum::Error) -> Error {
    if let Some(stalled) = stall_in(&error) {
        return stalled;
    }
    let error = body_error(error);
    let kind = match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::LimitExceeded,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, "receive", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_range_is_neither_short_nor_long() {
        let of = |text: &'static str| {
            stream::iter([Ok(bytes::Bytes::from_static(text.as_bytes()))]).boxed()
        };
        let whole = exactly(of("abc"), 3).try_fold(0, async |n, piece| Ok(n + piece.len())).await;
        assert_eq!(whole.unwrap(), 3);
        for length in [2, 4] {
            let error =
                exactly(of("abc"), length).try_for_each(async |_| Ok(())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{length}");
        }
    }
}
