//! What is left of a request when it has its answer.
//!
//! A client sends all of its bytes before it looks at the answer. If the server ends a connection
//! on which bytes are still to be read, the system of the server breaks it, and of the other
//! end takes the answer back: the client is not told that it lacks a permission or has to wait, but
//! that the connection broke. So what comes is read, thrown away, and bounded.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout, timeout_at};

/// Most bytes that are read for nothing: a few of the ranges and parts that the clients send.
const MOST_BYTES: u64 = 32 << 20;
/// The longest time that is spent on that.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest pause in it.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads to the end what an answer has left of its request, within bounds. The answer is sent
/// before; it is whole when the rest was read.
pub async fn linger(request: Request, next: Next) -> Response {
    let waits = waits_for_permission(request.headers());
    if waits || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let left = Arc::new(Mutex::new(None));
    let lent = Lent { body: Some(body), left: Arc::clone(&left) };
    let response = next.run(Request::from_parts(parts, Body::new(lent))).await;
    let left = left.lock().unwrap_or_else(PoisonError::into_inner).take();
    match left {
        Some(body) if !is_too_slow(response.status()) => followed_by(response, body),
        _ => response,
    }
}

/// A client that asks first whether it may send does not send for nothing.
fn waits_for_permission(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT).and_then(|value| value.to_str().ok());
    expected.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
}

/// Whoever was given up because nothing came is not waited for once more.
fn is_too_slow(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT)
}

/// The answer, and then nothing for as long as something comes.
fn followed_by(mut response: Response, left: Body) -> Response {
    // Its length does not say any more when it ends.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.map(|answer| {
        let rest = stream::once(drain(left)).filter_map(async |()| None);
        Body::from_stream(answer.into_data_stream().chain(rest))
    })
}

/// Reads what comes, until it ends, is too much, or pauses too long.
async fn drain(mut left: Body) {
    let end = Instant::now() + LONGEST;
    let mut read = 0;
    while read < MOST_BYTES {
        let frame = timeout_at(end, timeout(PAUSE, left.frame())).await;
        let Ok(Ok(Some(Ok(frame)))) = frame else { return };
        read += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
    }
}

/// A body that goes back when it is dropped, unless it has ended or failed.
struct Lent {
    body: Option<Body>,
    left: Arc<Mutex<Option<Body>>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    /// A body of which is known how much was read.
    fn counted(pieces: u64, each: usize, read: &Arc<Mutex<u64>>) -> Body {
        let read = Arc::clone(read);
        Body::from_stream(stream::iter(0..pieces).map(move |_| {
            *read.lock().unwrap() += each as u64;
            Ok::<_, axum::Error>(Bytes::from(vec![0; each]))
        }))
    }

    async fn answer(path: &str, body: Body) -> (Bytes, bool) {
        let router = Router::new()
            .route("/told", post(async || "told"))
            .route("/read", post(async |body: Bytes| body.len().to_string()))
            .layer(from_fn(linger));
        let request = Request::post(path).body(body).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        let sized = response.headers().contains_key(header::CONTENT_LENGTH);
        (response.into_body().collect().await.unwrap().to_bytes(), sized)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_answered_as_ever() {
        let read = Arc::new(Mutex::new(0));
        for body in [counted(5, 1_000, &read), Body::from("x".repeat(5_000))] {
            assert_eq!(answer("/read", body).await, (Bytes::from("5000"), true));
        }
        assert_eq!(answer("/told", Body::empty()).await, (Bytes::from("told"), true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_read_within_bounds() {
        let read = Arc::new(Mutex::new(0));
        let told = || (Bytes::from("told"), false);
        assert_eq!(answer("/told", counted(5, 1_000, &read)).await, told());
        assert_eq!(*read.lock().unwrap(), 5_000);
        // A body that never ends in bytes, and one that never goes on.
        *read.lock().unwrap() = 0;
        assert_eq!(answer("/told", counted(u64::MAX, 1 << 20, &read)).await, told());
        assert_eq!(*read.lock().unwrap(), MOST_BYTES);
        let silent = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
        let begun = Instant::now();
        assert_eq!(answer("/told", silent).await, told());
        assert_eq!(begun.elapsed(), PAUSE);
    }
}
