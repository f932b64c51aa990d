//! Bytes that go to the server, by tus 1.0.
//!
//! Each piece carries its SHA-256 and is acknowledged when it is durable, so whatever is cut or
//! killed, at most one piece is sent again. The server says where to go on; nothing is kept on
//! this side.

use std::io::SeekFrom;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cli_output::exit_code::Signal;
use cli_output::failure::unreadable;
use cli_output::signals::Interruption;
use cli_output::transfer::Transfer;
use repo_core::{Error, ErrorKind, Result};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::client::{Client, Pauses, read_json};
use crate::faults::{refused, unreached};

const UPLOAD: &str = "upload";
/// Bytes of a piece: it is in memory, and is what a cut costs.
pub(crate) const PIECE: u64 = 8 << 20;
/// The status of tus for a digest that is another one.
const MISMATCH: u16 = 460;
/// The status of an entry whose bytes are there.
const ACTIVE: &str = "active";

/// What is uploaded.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The file, for words.
    pub(crate) path: &'a Path,
    /// Its bytes.
    pub(crate) size: u64,
    /// `Upload-Metadata`.
    pub(crate) metadata: String,
    /// Names the upload: begun again it goes on.
    pub(crate) key: String,
}

/// How an upload ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// All is there.
    Done(Report),
    /// A signal came; the same command goes on.
    Interrupted(Signal),
}

/// What an upload was.
#[derive(Debug)]
pub(crate) struct Report {
    /// The entry.
    pub(crate) entry: String,
    /// Bytes that were sent now.
    pub(crate) sent: u64,
    /// Bytes that were there before.
    pub(crate) found: u64,
}

#[derive(Debug, Deserialize)]
struct Begun {
    entry: String,
    status: String,
    offset: u64,
}

/// Why a piece was not taken.
enum Trouble {
    /// The upload is elsewhere, or nobody knows: ask.
    Ask(Error),
    /// The upload is gone.
    Gone(Error),
    /// It does not help to try again.
    Fatal(Error),
    /// The whole is not what it was when it was hashed.
    Changed,
}

/// Uploads a file, from where the server has it.
///
/// # Errors
/// Those of the file and the server; `Foreign` when the file changed meanwhile.
pub(crate) async fn upload(
    client: &Client,
    file: &mut File,
    plan: &Plan<'_>,
    (progress, interruption): (&mut Transfer, &Interruption),
) -> Result<Ended> {
    let (begun, at) = begin(client, plan).await?;
    let (found, mut sent) = (begun.offset, 0);
    let (offset, pauses) = (begun.offset, Pauses::new());
    let mut run = Run { client, plan, begun, at, offset, pauses, renewed: false };
    progress.at(run.offset);
    while run.begun.status != ACTIVE {
        if let Some(signal) = interruption.signal() {
            return Ok(Ended::Interrupted(signal));
        }
        let piece = piece_at(file, plan, run.offset).await?;
        match send(client, &run.at, run.offset, piece).await {
            Ok(there) => {
                sent += there.saturating_sub(run.offset);
                (run.offset, run.pauses) = (there, Pauses::new());
                if there == plan.size {
                    break;
                }
            }
            Err(trouble) => run.recover(trouble, progress).await?,
        }
        progress.at(run.offset);
    }
    Ok(Ended::Done(Report { entry: run.begun.entry, sent, found }))
}

/// An upload under way.
struct Run<'a> {
    client: &'a Client,
    plan: &'a Plan<'a>,
    begun: Begun,
    at: Url,
    offset: u64,
    pauses: Pauses,
    /// Whether it was begun anew: that is done once.
    renewed: bool,
}

impl Run<'_> {
    /// Finds out where to go on after a piece that was not taken.
    async fn recover(&mut self, trouble: Trouble, progress: &Transfer) -> Result<()> {
        match trouble {
            Trouble::Fatal(error) => Err(error),
            Trouble::Changed => Err(changed(self.plan)),
            Trouble::Gone(error) if self.renewed => Err(error),
            Trouble::Gone(_) => {
                progress.note("the server has lost what came before: beginning anew");
                give_up(self.client, &self.at).await;
                (self.begun, self.at) = begin(self.client, self.plan).await?;
                (self.offset, self.renewed) = (self.begun.offset, true);
                Ok(())
            }
            Trouble::Ask(error) if self.pauses.made >= self.client.retries => Err(error),
            Trouble::Ask(_) => {
                self.pauses.wait().await;
                if let Some(there) = look(self.client, &self.at).await {
                    self.offset = there;
                }
                Ok(())
            }
        }
    }
}

fn tus(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("Tus-Resumable", "1.0.0")
}

/// Begins an upload, or finds the one that was begun with the same key.
async fn begin(client: &Client, plan: &Plan<'_>) -> Result<(Begun, Url)> {
    let request = tus(client.request(Method::POST, client.url(&["uploads"])?))
        .header("Upload-Length", plan.size)
        .header("Upload-Metadata", &plan.metadata)
        .header("Idempotency-Key", &plan.key);
    let answer = client.again(UPLOAD, request).await?;
    let place = answer.headers().get(LOCATION).and_then(|text| text.to_str().ok());
    let at = client.at(place.unwrap_or_default())?;
    Ok((read_json(UPLOAD, answer).await?, at))
}

/// Gives an upload up whose bytes the server has lost. Should it fail, it ends by itself.
async fn give_up(client: &Client, at: &Url) {
    let _ = client.once(UPLOAD, tus(client.request(Method::DELETE, at.clone()))).await;
}

/// The bytes from an offset on.
async fn piece_at(file: &mut File, plan: &Plan<'_>, offset: u64) -> Result<Vec<u8>> {
    let failed = |source| unreadable(UPLOAD, plan.path, source);
    let length = plan.size.saturating_sub(offset).min(PIECE);
    file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
    let mut piece = Vec::new();
    file.take(length).read_to_end(&mut piece).await.map_err(failed)?;
    if piece.len() as u64 != length {
        return Err(changed(plan));
    }
    Ok(piece)
}

fn changed(plan: &Plan<'_>) -> Error {
    Error::new(ErrorKind::Foreign, UPLOAD, "the file changed while it was sent")
        .with("file", plan.path.display())
        .hint("the same command sends it as it is now")
}

/// Sends a piece, and says where the next one begins.
async fn send(
    client: &Client,
    at: &Url,
    offset: u64,
    piece: Vec<u8>,
) -> std::result::Result<u64, Trouble> {
    let (length, digest) = (piece.len() as u64, BASE64_STANDARD.encode(Sha256::digest(&piece)));
    let request = tus(client.request(Method::PATCH, at.clone()))
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .header("Upload-Offset", offset)
        .header("Upload-Checksum", format!("sha256 {digest}"))
        .body(piece);
    // An answer that comes before the whole was sent may be lost: then it is asked.
    let answer = request.send().await.map_err(|error| Trouble::Ask(unreached(UPLOAD, error)))?;
    let status = answer.status();
    if status.is_success() {
        let there = offset_of(answer.headers());
        return Ok(there.unwrap_or(offset + length));
    }
    let body = answer.bytes().await.unwrap_or_default();
    let error = refused(UPLOAD, status, &body);
    Err(match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Trouble::Gone(error),
        // Of a whole that is another one the server names the upload, which has ended. A piece
        // of which a bit was turned over on its way is sent again.
        status if status.as_u16() == MISMATCH && error.context_value("upload").is_some() => {
            Trouble::Changed
        }
        status if status == StatusCode::CONFLICT || status.as_u16() == MISMATCH => {
            Trouble::Ask(error)
        }
        _ if error.kind() == ErrorKind::Unavailable => Trouble::Ask(error),
        _ if status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE => {
            Trouble::Ask(error)
        }
        _ => Trouble::Fatal(error),
    })
}

/// Where the server has an upload; nothing where that is not known.
async fn look(client: &Client, at: &Url) -> Option<u64> {
    let answer = client.once(UPLOAD, tus(client.request(Method::HEAD, at.clone()))).await;
    offset_of(answer.ok()?.headers())
}

fn offset_of(headers: &HeaderMap) -> Option<u64> {
    headers.get("upload-offset")?.to_str().ok()?.parse().ok()
}
