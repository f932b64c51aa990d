//! The one shape of an error: `{"error": {"kind", "message", "remedy"}}`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use repo_core::strategy::Action;
use repo_core::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use super::status::status_of;

/// An error as a client sees it. What is the server's own trouble is logged in full, and
/// told without its context, which may name files and hosts.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: String,
    message: String,
    remedy: Option<String>,
    context: Map<String, Value>,
    retry_after: Option<Duration>,
    close: bool,
    names_preconditions: bool,
}

impl ApiError {
    /// An error of HTTP itself, with a kind of its own.
    pub fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.into(),
            remedy: None,
            context: Map::new(),
            retry_after: None,
            close: false,
            names_preconditions: false,
        }
    }

    /// A request that says something wrong: 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Invalid", message)
    }

    /// A condition of the request that does not hold: 412.
    pub fn precondition_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
            .remedy("read the document again, and repeat the request with its ETag")
    }

    /// Something that is not there: 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// Something that this caller may not do: 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "PermissionDenied", message)
    }

    /// More than the server takes at a time: 503.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", message)
            .retry_after(Duration::from_secs(1))
            .remedy("try again")
    }

    /// Says what can be done now.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds a named value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.context.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Ends the connection, where the rest of a body is not read.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The same under another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether it has this kind.
    #[must_use]
    pub fn is(&self, kind: ErrorKind) -> bool {
        self.kind == kind.as_str()
    }

    /// Whether it is about preconditions of a write that did not hold.
    #[must_use]
    pub fn names_preconditions(&self) -> bool {
        self.names_preconditions
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The body, which other shapes may add to.
    #[must_use]
    pub fn body(&self) -> Map<String, Value> {
        let mut error = Map::new();
        error.insert("kind".to_owned(), json!(self.kind));
        error.insert("message".to_owned(), json!(self.message));
        error.insert("remedy".to_owned(), json!(self.remedy));
        if !self.context.is_empty() {
            error.insert("context".to_owned(), Value::Object(self.context.clone()));
        }
        Map::from_iter([("error".to_owned(), Value::Object(error))])
    }

    /// An answer with another body.
    #[must_use]
    pub fn with_body(&self, body: Map<String, Value>) -> Response {
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = status_of(&error);
        let mut made = Self::new(status, error.kind().as_str(), error.message());
        made.remedy = error.hint_text().map(in_routes);
        made.names_preconditions = !error.failed_preconditions().is_empty();
        if status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE {
            // The cause is for who runs the server.
            tracing::error!(
                kind = error.kind().as_str(),
                cause = cli_output::failure::for_people(&error),
                "a request failed"
            );
        } else {
            for (name, value) in error.context() {
                made.context.insert((*name).to_owned(), Value::from(value.as_str()));
            }
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            made.retry_after = Some(Duration::from_secs(1));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // What is left of the body is not waited for.
            (made.kind, made.close) = ("Timeout".to_owned(), true);
        }
        if error.kind() == ErrorKind::OutcomeUnknown && made.remedy.is_none() {
            made.remedy = Some("read before writing again".to_owned());
        }
        made
    }
}

/// A hint of the engine in the words of who speaks HTTP.
fn in_routes(hint: &str) -> String {
    let named = |action: Action| match action {
        Action::Prepare => "`PUT /api/v1/collections/NAME`",
        Action::UpgradeLayout => "`repo-server schema migrate`",
        Action::KeepHistory => "`repoctl history on COLLECTION`",
        Action::DeepHealth => "`repoctl health --deep`",
        Action::Health => "`GET /health`",
        _ => "`repoctl`",
    };
    Action::ALL.iter().fold(hint.to_owned(), |text, &action| action.replaced(&text, named(action)))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.with_body(self.body())
    }
}
