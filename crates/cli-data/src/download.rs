//! Bytes that come from the server, by ranges.

use std::io::SeekFrom;

use cli_output::exit_code::Signal;
use cli_output::signals::Interruption;
use cli_output::transfer::Transfer;
use repo_core::{Error, ErrorKind, Result};
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::client::{Client, Pauses, next_piece};
use crate::faults::{refused, unreached};
use crate::place::Place;

const GET: &str = "get";

/// What is fetched.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) url: Url,
    /// Its bytes and its ETag; nothing for what is made while it is sent, which is fetched
    /// from its beginning.
    pub(crate) known: Option<(u64, String)>,
}

impl Source {
    /// Whether so many bytes are all of it.
    fn is_whole(&self, bytes: u64) -> bool {
        self.known.as_ref().is_some_and(|(size, _)| bytes == *size)
    }
}

/// Fetches what is missing of a file into the place where it waits. Says how many bytes came,
/// and the signal that ended it early.
///
/// # Errors
/// Those of the server and the file system.
pub(crate) async fn download(
    client: &Client,
    source: &Source,
    place: &Place,
    (progress, interruption): (&mut Transfer, &Interruption),
) -> Result<(u64, Option<Signal>)> {
    let resumes = source.known.is_some();
    let mut file = File::from_std(place.open(!resumes)?);
    let (mut fetched, mut pauses) = (0, Pauses::new());
    loop {
        let there = if resumes { place.waiting()? } else { 0 };
        if source.is_whole(there) {
            return Ok((fetched, None));
        }
        let before = fetched;
        let shown = (&mut *progress, interruption);
        let error =
            match fetch(client, source, (place, &mut file), there, &mut fetched, shown).await {
                Ok(None) if !resumes => return Ok((fetched, None)),
                Ok(None) if source.is_whole(place.waiting()?) => continue,
                Ok(None) => short(),
                Ok(Some(signal)) => return Ok((fetched, Some(signal))),
                Err(error) => error,
            };
        if fetched > before {
            pauses = Pauses::new();
        }
        if error.kind() != ErrorKind::Unavailable || pauses.made >= client.retries {
            return Err(error);
        }
        pauses.wait().await;
    }
}

/// Asks for the rest once, and writes what comes.
async fn fetch(
    client: &Client,
    source: &Source,
    (place, file): (&Place, &mut File),
    there: u64,
    fetched: &mut u64,
    shown: (&mut Transfer, &Interruption),
) -> Result<Option<Signal>> {
    let (answer, from) = open(client, source, there).await?;
    take(file, answer, (place, from), fetched, shown).await
}

fn short() -> Error {
    Error::new(ErrorKind::Unavailable, GET, "the server sent fewer bytes than there are")
}

/// Asks for what is behind `there`. Says from where on it comes.
async fn open(client: &Client, source: &Source, there: u64) -> Result<(Response, u64)> {
    let mut request = client.request(Method::GET, source.url.clone());
    if let Some((_, tag)) = source.known.as_ref().filter(|_| there > 0) {
        // Should the content be another one by now, all of it comes.
        request = request.header(RANGE, format!("bytes={there}-")).header(IF_RANGE, tag);
    }
    let answer = request.send().await.map_err(|error| unreached(GET, error))?;
    let status = answer.status();
    if !status.is_success() {
        let body = answer.bytes().await.unwrap_or_default();
        return Err(refused(GET, status, &body));
    }
    if let Some((_, tag)) = &source.known {
        let given = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        if given.is_some_and(|given| given != tag) {
            let why = "the content of the entry changed while it was fetched";
            return Err(Error::new(ErrorKind::Foreign, GET, why)
                .hint("the same command fetches it as it is now"));
        }
    }
    let from = if status == StatusCode::PARTIAL_CONTENT { first_of(&answer) } else { Some(0) };
    match from {
        Some(from) if from <= there => Ok((answer, from)),
        _ => {
            let why = "the server sent another range than was asked for";
            Err(Error::new(ErrorKind::Unexpected, GET, why))
        }
    }
}

/// Where the range of an answer begins.
fn first_of(answer: &Response) -> Option<u64> {
    let range = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Writes what comes. What was written before an error stays.
async fn take(
    file: &mut File,
    mut answer: Response,
    (place, from): (&Place, u64),
    fetched: &mut u64,
    (progress, interruption): (&mut Transfer, &Interruption),
) -> Result<Option<Signal>> {
    let failed = |source| place.failed(source);
    file.set_len(from).await.map_err(failed)?;
    file.seek(SeekFrom::Start(from)).await.map_err(failed)?;
    progress.at(from);
    let mut ended = Ok(None);
    loop {
        if let Some(signal) = interruption.signal() {
            ended = Ok(Some(signal));
            break;
        }
        match next_piece(GET, &mut answer).await {
            Ok(Some(piece)) => {
                file.write_all(&piece).await.map_err(failed)?;
                *fetched += piece.len() as u64;
                progress.advance(piece.len() as u64);
            }
            Ok(None) => break,
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    ended
}
