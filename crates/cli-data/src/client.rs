//! Requests to a server.
//!
//! A request that only reads, or that may be made again, is made again while the server cannot
//! be reached or is busy; any other is made once.

use std::time::Duration;

use bytes::Bytes;
use repo_core::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

use crate::faults::{refused, unreached};

/// Until a connection is made.
const CONNECT: Duration = Duration::from_secs(20);
/// How often a silent connection is tried.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Longest pause in what a server sends.
const IDLE: Duration = Duration::from_secs(120);
/// Short requests are made again so often at most.
const TRIES: u32 = 3;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause, also where the server asks for a longer one.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Longest answer that is read into memory.
const MAX_ANSWER: usize = 64 << 20;

/// A server, and the key to it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// How often something is tried again while nothing gets through.
    pub(crate) retries: u32,
}

impl Client {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// `ConfigInvalid` for certificates that are none.
    pub(crate) fn new(
        base: Url,
        key: Option<String>,
        authorities: Option<&[u8]>,
        retries: u32,
    ) -> Result<Self> {
        let refuse = |error| unreached("reach the server", error);
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut value = value.map_err(|_| {
                Error::new(ErrorKind::ConfigInvalid, "read the key", "this is no API key")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("repoctl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            // The end of a large upload may be long in coming; a server that is gone shows.
            .tcp_keepalive(KEEP_ALIVE)
            .default_headers(headers)
            // A server that sends elsewhere is not the one that was named.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = authorities {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem).map_err(refuse)?);
        }
        Ok(Self { http: builder.build().map_err(refuse)?, base, retries })
    }

    /// The URL of a path below the server's.
    ///
    /// # Errors
    /// `ConfigInvalid` for a server whose URL cannot have a path.
    pub(crate) fn url(&self, steps: &[&str]) -> Result<Url> {
        let mut url = self.base.clone();
        let made = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend(["api", "v1"]).extend(steps);
        });
        made.map_err(|()| {
            Error::new(ErrorKind::ConfigInvalid, "reach the server", "this is no URL of a server")
        })?;
        Ok(url)
    }

    /// The URL that the server calls by a path.
    ///
    /// # Errors
    /// `Unexpected` for what is no path on the same server.
    pub(crate) fn at(&self, path: &str) -> Result<Url> {
        let id = path.rsplit('/').next().filter(|id| !id.is_empty());
        let strange = || {
            Error::new(ErrorKind::Unexpected, "upload", "the server names no place for an upload")
        };
        // Only the id is taken, so that a path before the server's own stays, and no other
        // server gets the key.
        self.url(&["uploads", id.ok_or_else(strange)?])
    }

    /// A request.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Makes a request once, and gives its answer if that is no error.
    ///
    /// # Errors
    /// `Unavailable` for one that had no answer; else what the server says.
    pub(crate) async fn once(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Response> {
        let answer = request.send().await.map_err(|error| unreached(operation, error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = body_of(operation, answer).await.unwrap_or_default();
        Err(refused(operation, status, &body))
    }

    /// Makes a request that has no effect twice, again while that may help.
    ///
    /// # Errors
    /// As [`once`](Self::once).
    pub(crate) async fn again(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Response> {
        let mut pauses = Pauses::new();
        loop {
            let Some(copy) = request.try_clone() else {
                return self.once(operation, request).await;
            };
            let error = match copy.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => {
                    let status = answer.status();
                    pauses.ask(answer.headers());
                    let body = body_of(operation, answer).await.unwrap_or_default();
                    refused(operation, status, &body)
                }
                Err(error) => unreached(operation, error),
            };
            if error.kind() != ErrorKind::Unavailable || pauses.made >= self.retries.min(TRIES) {
                return Err(error.with("server", &self.base));
            }
            pauses.wait().await;
        }
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// As [`once`](Self::once), and `Unexpected` for an answer of another form.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T> {
        let answer = self.again(operation, request).await?;
        read_json(operation, answer).await
    }
}

/// Reads the JSON of an answer.
///
/// # Errors
/// `Unavailable` for one that breaks off, `Unexpected` for one of another form.
pub(crate) async fn read_json<T: DeserializeOwned>(
    operation: &'static str,
    answer: Response,
) -> Result<T> {
    let body = body_of(operation, answer).await?;
    serde_json::from_slice(&body).map_err(|source| {
        let why = "the server answered in a form that is not known";
        Error::new(ErrorKind::Unexpected, operation, why)
            .with("reason", &source)
            .hint("is the server of another version?")
            .caused_by(source)
    })
}

async fn body_of(operation: &'static str, mut answer: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = next_piece(operation, &mut answer).await? {
        if body.len() + piece.len() > MAX_ANSWER {
            let why = "the answer of the server is too long";
            return Err(Error::new(ErrorKind::Unexpected, operation, why).with("most", MAX_ANSWER));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The next bytes of an answer; nothing at its end.
///
/// # Errors
/// `Unavailable` when it breaks off or stalls.
pub(crate) async fn next_piece(
    operation: &'static str,
    answer: &mut Response,
) -> Result<Option<Bytes>> {
    match tokio::time::timeout(IDLE, answer.chunk()).await {
        Ok(piece) => piece.map_err(|error| unreached(operation, error)),
        Err(_) => {
            let why = "the server stopped sending";
            Err(Error::new(ErrorKind::Unavailable, operation, why))
        }
    }
}

/// Pauses between tries, each twice as long as the one before.
#[derive(Debug)]
pub(crate) struct Pauses {
    pub(crate) made: u32,
    next: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { made: 0, next: FIRST_PAUSE }
    }

    /// Takes what the server asks for.
    pub(crate) fn ask(&mut self, headers: &HeaderMap) {
        let after = headers.get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
        if let Some(seconds) = after {
            self.next = self.next.max(Duration::from_secs(seconds)).min(LONGEST_PAUSE);
        }
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.made += 1;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
    }
}
