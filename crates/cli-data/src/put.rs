//! `repoctl data put`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, unreadable, wrong_usage};
use cli_output::output::{Output, cell};
use cli_output::signals::Interruption;
use cli_output::transfer::{Transfer, bytes};
use repo_core::{Error, ErrorKind, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;

use crate::client::Client;
use crate::digest::{hex, of_file};
use crate::server::ServerArgs;
use crate::upload::{Ended, Plan, Report, upload};

const PUT: &str = "put";

/// What can be typed after `data put`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    /// The file
    file: PathBuf,
    /// What the entry is called [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What is said of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What it is, as a MIME type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The dataset that it goes into
    #[arg(long, value_name = "ID")]
    dataset: Option<String>,
    /// The directory that it goes into
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// The project that it goes into
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// What else is said of it, as a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Store it once more: without, a file that was stored so before is found
    #[arg(long, value_name = "WORD")]
    copy: Option<String>,
}

impl Arguments {
    pub(crate) async fn run(&self, output: Output) -> Outcome<Ending> {
        self.check()?;
        let client = self.server.client()?;
        let interruption = Interruption::listen()?;
        let (mut file, length) = open(&self.file).await?;
        let mut hashing = Transfer::begin(output, "reading", 0, Some(length));
        let digest = of_file(PUT, &self.file, &mut file, &mut hashing).await;
        hashing.finish();
        let (size, sha256) = digest?;
        let said = self.said(&sha256)?;
        let plan = Plan { path: &self.file, size, key: key(&said, size), metadata: header(&said) };
        let mut progress = Transfer::begin(output, "uploading", 0, Some(size));
        let done = upload(&client, &mut file, &plan, (&mut progress, &interruption)).await;
        progress.finish();
        match done.map_err(explained)? {
            Ended::Interrupted(signal) => {
                output.note("interrupted; the same command goes on where this one ended");
                Ok(Ending::Interrupted(signal))
            }
            Ended::Done(report) => told(output, &client, &report, (size, &sha256)).await,
        }
    }

    fn check(&self) -> Result<()> {
        if self.file == Path::new("-") {
            return Err(wrong_usage(
                PUT,
                "standard input cannot be read twice, and an upload that \
                                         was cut is read again",
            )
            .hint("write it into a file first"));
        }
        let is_object = |text: &String| text.trim_start().starts_with('{');
        if self.metadata.as_ref().is_some_and(|text| !is_object(text)) {
            return Err(wrong_usage(PUT, "--metadata is a JSON object"));
        }
        Ok(())
    }

    /// What is said of the file, in an order that is always the same.
    fn said(&self, sha256: &str) -> Result<Vec<(&'static str, String)>> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => {
                let name = self.file.file_name().and_then(std::ffi::OsStr::to_str);
                let nameless = || wrong_usage(PUT, "the name of the file is no text");
                name.map(str::to_owned).ok_or_else(|| nameless().hint("give one with --name"))?
            }
        };
        let tags = (!self.tags.is_empty()).then(|| json!(self.tags).to_string());
        let said = [
            ("name", Some(name)),
            ("sha256", Some(sha256.to_owned())),
            ("description", self.description.clone()),
            ("content_type", self.content_type.clone()),
            ("dataset", self.dataset.clone()),
            ("parent", self.parent.clone()),
            ("project", self.project.clone()),
            ("tags", tags),
            ("metadata", self.metadata.clone()),
            ("copy", self.copy.clone()),
        ];
        Ok(said.into_iter().filter_map(|(key, text)| Some((key, text?))).collect())
    }
}

async fn open(path: &Path) -> Result<(File, u64)> {
    let failed = |source| unreadable(PUT, path, source);
    let file = File::open(path).await.map_err(failed)?;
    let about = file.metadata().await.map_err(failed)?;
    if !about.is_file() {
        return Err(wrong_usage(PUT, "this is no file")
            .with("file", path.display())
            .hint("put the files of a folder one by one, with --parent for their directory"));
    }
    Ok((file, about.len()))
}

/// `Upload-Metadata`.
fn header(said: &[(&'static str, String)]) -> String {
    let pair = |(key, text): &(&str, String)| format!("{key} {}", BASE64_STANDARD.encode(text));
    said.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// The same for the same file with the same words: it finds the upload that was begun before.
fn key(said: &[(&'static str, String)], size: u64) -> String {
    let described = json!(["repoctl data put 1", size, said]).to_string();
    hex(&Sha256::digest(described.as_bytes()))
}

/// What to do about an entry that was stored so, and deleted since.
fn explained(error: Error) -> Error {
    let deleted = error.kind() == ErrorKind::Invalid && error.message().contains("deleted since");
    if !deleted {
        return error;
    }
    match error.context_value("id").map(str::to_owned) {
        Some(id) => error.hint(format!(
            "restore it with `repoctl data restore {id}`, or store it once more with --copy WORD"
        )),
        None => error,
    }
}

async fn told(
    output: Output,
    client: &Client,
    report: &Report,
    (size, sha256): (u64, &str),
) -> Outcome<Ending> {
    let stored = match client.entry(&report.entry).await {
        // A key may write and not read.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        entry => entry?.sha256,
    };
    let answer = json!({
        "id": report.entry, "status": "active", "size": size, "sha256": sha256,
        "sent_bytes": report.sent, "found_bytes": report.found,
    });
    output.result(&answer, || {
        let found = match report.found {
            0 => String::new(),
            found => format!(", {} were there", bytes(found)),
        };
        let (id, size, sent) = (cell(&report.entry), bytes(size), bytes(report.sent));
        format!("{id}: {size} ({sent} sent{found})\nsha256 {sha256}")
    })?;
    // Somebody may have revised it since it was stored so.
    if stored.as_deref().is_none_or(|stored| stored == sha256) {
        return Ok(Ending::Done);
    }
    output.warning("the entry has another content by now: it was revised since it was stored");
    Ok(Ending::Differ)
}
