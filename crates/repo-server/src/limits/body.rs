//! Bodies: refused by their declared length before a byte is read, counted while they
//! arrive, and given up when they stall.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{LengthLimitError, Limited};
use repo_core::{Error, ErrorKind};
use tokio::time::{Instant, Sleep, sleep};

use crate::http::{ApiError, SendAgain};

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    /// Most bytes.
    pub bytes: u64,
    /// Longest pause between two pieces.
    pub idle: Duration,
}

/// Refuses a body that says it is too large before it is read, and ends one that becomes too
/// large, or stalls, while it is read.
pub async fn limit_body(State(limit): State<BodyLimit>, request: Request, next: Next) -> Response {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > limit.bytes) {
        return too_large(limit.bytes).into_response();
    }
    let bytes = usize::try_from(limit.bytes).unwrap_or(usize::MAX);
    let bounded = |body: Body| Body::new(Watched::new(Limited::new(body, bytes), limit.idle));
    next.run(request.map(bounded)).await
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", "the body is too large")
        .with("limit", limit)
        .close()
}

/// What a body that could not be read is answered with.
#[must_use]
pub fn body_error(error: axum::Error) -> ApiError {
    if is_caused_by::<LengthLimitError>(&error) {
        let message = "the body is too large";
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", message).close();
    }
    match stall_in(&error) {
        Some(stalled) => stalled.into(),
        None => ApiError::bad_request("the body broke off").close(),
    }
}

/// The error of a body that stopped arriving, if it is why something could not be read. A server
/// answers it with 408.
#[must_use]
pub fn stall_in(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    is_caused_by::<Stalled>(error).then(|| {
        Error::new(ErrorKind::Unavailable, "receive", Stalled.to_string()).remedy(SendAgain)
    })
}

fn is_caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<E>())
}

/// A body that ends with an error when no piece comes for too long.
struct Watched {
    body: Limited<Body>,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    fn new(body: Limited<Body>, idle: Duration) -> Self {
        Self { body, idle, timer: Box::pin(sleep(idle)) }
    }
}

/// The error of a body that stalls.
#[derive(Debug)]
struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body stopped arriving")
    }
}

impl std::error::Error for Stalled {}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let next = Instant::now() + self.idle;
            self.timer.as_mut().reset(next);
            return Poll::Ready(frame);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Box::new(Stalled)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
