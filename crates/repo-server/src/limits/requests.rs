//! How many requests there are at a time, and how long each may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use crate::http::ApiError;

/// A number of permits.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Semaphore>);

impl Permits {
    /// This many.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))))
    }
}

/// Answers 503 when as many requests are at work as there are permits.
pub async fn one_of_many(State(permits): State<Permits>, request: Request, next: Next) -> Response {
    let Ok(_permit) = permits.0.try_acquire() else {
        return ApiError::busy("too many requests at a time").close().into_response();
    };
    next.run(request).await
}

/// The same for uploads; what only reads needs none.
pub async fn limit_uploads(
    State(permits): State<Permits>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let Ok(_permit) = permits.0.try_acquire() else {
        return ApiError::busy("too many uploads at a time").close().into_response();
    };
    next.run(request).await
}

/// Answers 504 when an answer does not begin in time.
pub async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "OutcomeUnknown",
            "the request took too long and was given up; a write may have been done or not",
        )
        .remedy("read before writing again, or repeat it with the same Idempotency-Key")
        .into_response(),
    }
}
