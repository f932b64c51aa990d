//! Which server, and with which key.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use cli_output::failure::{unreadable, wrong_usage};
use repo_core::Result;
use reqwest::Url;

use crate::client::Client;

/// The variable with the URL of the server, where no flag has it.
const SERVER: &str = "REPO_DATA_SERVER";
/// The variable with the key, where no file has it.
const KEY: &str = "REPO_API_KEY";
/// A key is shorter; what is longer is another file.
const LONGEST_KEY: u64 = 4_096;
const READ: &str = "read the key";
/// About a minute, with the pauses between.
const TRIES: u32 = 10;

/// Flags about the server.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The server: http://HOST:PORT or https://… [default: the variable REPO_DATA_SERVER]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// A file with the API key [default: the variable REPO_API_KEY; none without it]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    api_key_file: Option<PathBuf>,
    /// A file with certificates (PEM) that are trusted besides those of the system
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    ca_file: Option<PathBuf>,
    /// Send the key over plain HTTP to another machine
    #[arg(long, help_heading = "Server")]
    allow_http: bool,
    /// How often what was cut is tried again while nothing gets through
    #[arg(long, value_name = "N", help_heading = "Server", default_value_t = TRIES)]
    retries: u32,
}

impl ServerArgs {
    /// A client of the server.
    ///
    /// # Errors
    /// `ConfigInvalid` without a server, for what is no URL of one, and for a key that would go
    /// over plain HTTP; those of the files.
    pub(crate) fn client(&self) -> Result<Client> {
        let url = self.url()?;
        let key = self.key()?;
        let plain = url.scheme() == "http" && !is_loopback(&url);
        if plain && key.is_some() && !self.allow_http {
            let why = "the key would go over plain HTTP to another machine";
            return Err(wrong_usage("reach the server", why)
                .with("server", &url)
                .hint("use https://, or --allow-http where the network may read the key"));
        }
        let authorities = self.ca_file.as_deref().map(read_file).transpose()?;
        Client::new(url, key, authorities.as_deref(), self.retries)
    }

    fn url(&self) -> Result<Url> {
        let given = self.server.clone().or_else(|| std::env::var(SERVER).ok());
        let given = given.filter(|text| !text.is_empty()).ok_or_else(|| {
            wrong_usage("reach the server", "no server is named")
                .hint(format!("name it with --server URL, or in the variable {SERVER}"))
        })?;
        let refuse = |why: &str| {
            Err(wrong_usage("reach the server", why)
                .with("server", &given)
                .hint("a server is http://HOST:PORT or https://HOST, with or without a path"))
        };
        let Ok(url) = Url::parse(&given) else { return refuse("this is no URL") };
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !web || url.query().is_some() || url.fragment().is_some() {
            return refuse("this is no URL of a server");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("a secret does not belong into the URL");
        }
        Ok(url)
    }

    fn key(&self) -> Result<Option<String>> {
        let text = match &self.api_key_file {
            Some(file) => String::from_utf8(read_file(file)?).map_err(|_| {
                wrong_usage(READ, "the file with the key is no text").with("file", file.display())
            })?,
            None => match std::env::var(KEY) {
                Ok(key) => key,
                Err(_) => return Ok(None),
            },
        };
        let key = text.trim();
        let plain = key.bytes().all(|byte| byte.is_ascii_graphic());
        match key {
            // A variable that is set to nothing is not set.
            "" if self.api_key_file.is_none() => Ok(None),
            key if plain && !key.is_empty() => Ok(Some(key.to_owned())),
            _ => Err(wrong_usage(READ, "this is no API key: it is one word")
                .hint("`repo-server keys create` makes a key")),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| unreadable(READ, path, source);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // Certificates of several authorities are longer than a key.
    file.take(LONGEST_KEY * 256).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, is) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), is, "{url}");
        }
    }
}
