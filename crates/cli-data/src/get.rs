//! `repoctl data get`.

use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Output, cell};
use cli_output::signals::Interruption;
use cli_output::transfer::{Transfer, bytes};
use repo_core::{Error, ErrorKind, Result};
use reqwest::header::{CONTENT_LENGTH, ETAG};
use reqwest::{Method, Url};
use serde_json::json;
use tokio::fs::File;

use crate::client::Client;
use crate::digest::of_file;
use crate::download::{Source, download};
use crate::items::Entry;
use crate::place::{Place, file_name};
use crate::server::ServerArgs;

const GET: &str = "get";

/// What can be typed after `data get`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    /// The id of the entry; of a directory one zip is fetched
    id: String,
    /// The file [default: the name of the entry, in the present folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    /// The content as it was in the revision of this number
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
}

/// What is fetched, and what it has to be.
struct Wanted {
    source: Source,
    sha256: Option<String>,
}

impl Arguments {
    pub(crate) async fn run(&self, output: Output) -> Outcome<Ending> {
        let client = self.server.client()?;
        let interruption = Interruption::listen()?;
        let entry = client.entry(&self.id).await?;
        let wanted = self.wanted(&client, &entry).await?;
        let place = self.place(&entry, &wanted)?;
        let total = wanted.source.known.as_ref().map(|(size, _)| *size);
        let waiting = if total.is_some() { place.waiting()? } else { 0 };
        if total.is_some_and(|total| waiting > total) {
            place.discard()?;
        }
        let mut progress = Transfer::begin(output, "downloading", waiting, total);
        let shown = (&mut progress, &interruption);
        let fetched = download(&client, &wanted.source, &place, shown).await;
        progress.finish();
        let (fetched, signal) = fetched?;
        if let Some(signal) = signal {
            let goes_on =
                if total.is_some() { "goes on where this one ended" } else { "begins anew" };
            output.note(&format!("interrupted; the same command {goes_on}"));
            return Ok(Ending::Interrupted(signal));
        }
        finish(output, &place, (&entry, &wanted), fetched).await
    }

    /// Asks for size and digest of the content, without reading it.
    async fn wanted(&self, client: &Client, entry: &Entry) -> Result<Wanted> {
        let mut url: Url = client.url(&["entries", &self.id, "content"])?;
        if let Some(number) = self.revision {
            url.query_pairs_mut().append_pair("revision", &number.to_string());
        }
        if entry.kind == "directory" && self.revision.is_none() {
            return Ok(Wanted { source: Source { url, known: None }, sha256: None });
        }
        let answer = client.again(GET, client.request(Method::HEAD, url.clone())).await;
        let answer = match answer {
            Ok(answer) => answer,
            // A HEAD has no words: they are asked for.
            Err(_) => client.again(GET, client.request(Method::GET, url.clone())).await?,
        };
        let text = |name| answer.headers().get(name).and_then(|text| text.to_str().ok());
        let size = text(CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let known = size.zip(text(ETAG).map(str::to_owned));
        let sha256 = known.as_ref().and_then(|(_, tag)| digest_in(tag));
        Ok(Wanted { source: Source { url, known }, sha256 })
    }

    fn place(&self, entry: &Entry, wanted: &Wanted) -> Result<Place> {
        let path = self.output.clone().unwrap_or_else(|| {
            let mut name = file_name(entry.file_path.as_deref().unwrap_or(&entry.name));
            if entry.kind == "directory" {
                name.push_str(".zip");
            }
            PathBuf::from(name)
        });
        let digest = wanted.sha256.as_deref().unwrap_or(&self.id);
        let short: String = digest.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
        Place::new(&path, &short, self.overwrite)
    }
}

/// The SHA-256 that an ETag of content is, in hexadecimal digits.
fn digest_in(tag: &str) -> Option<String> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| digits.to_owned())
}

/// Compares what came with what it has to be, and puts it in its place.
async fn finish(
    output: Output,
    place: &Place,
    (entry, wanted): (&Entry, &Wanted),
    fetched: u64,
) -> Outcome<Ending> {
    let mut file = File::from_std(place.open(false)?);
    let length = place.waiting()?;
    let mut reading = Transfer::begin(output, "comparing", 0, Some(length));
    let digest = of_file(GET, &place.part, &mut file, &mut reading).await;
    reading.finish();
    let (size, sha256) = digest?;
    let answer = json!({
        "id": entry.id, "name": entry.name, "file": place.path, "size": size, "sha256": sha256,
        "fetched_bytes": fetched, "compared": wanted.sha256.is_some(),
    });
    if let Some(expected) = wanted.sha256.as_deref().filter(|expected| *expected != sha256) {
        // What is wrong is not gone on from.
        place.discard()?;
        let error = Error::new(ErrorKind::Corrupt, GET, "what came is not what the server keeps")
            .with("expected", expected)
            .with("found", &sha256);
        output.warning(&format!("{error}; it was removed, and the same command fetches it anew"));
        output.result(&json!({ "equal": false, "expected": expected, "found": sha256 }), || {
            format!("expected sha256 {expected}\nfound    sha256 {sha256}")
        })?;
        return Ok(Ending::Differ);
    }
    place.settle()?;
    output.result(&answer, || {
        let compared = if wanted.sha256.is_some() {
            "compared"
        } else {
            "not compared: it was made while it was sent"
        };
        let file = place.path.display().to_string();
        format!("{}: {}\nsha256 {sha256}, {compared}", cell(&file), bytes(size))
    })?;
    Ok(Ending::Done)
}
