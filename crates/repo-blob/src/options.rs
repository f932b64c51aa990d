//! What is said of a store beside its location.

use std::fmt;
use std::str::FromStr;

use repo_core::{Error, ErrorKind, Result};
use url::{Host, Url};

/// How a store is opened. All of it is for S3; a folder needs nothing.
#[derive(Debug, Clone)]
pub struct BlobOptions {
    /// Where the server is; Amazon's in that region unless it is given here or in
    /// `AWS_ENDPOINT_URL`.
    pub endpoint: Option<Endpoint>,
    /// The region; else `AWS_REGION`, `AWS_DEFAULT_REGION`, `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is a part of the host name rather than of the path.
    pub virtual_hosted: bool,
    /// Whether plain HTTP is allowed. To this machine it always is.
    pub allow_http: bool,
    /// Who asks; else the variables of AWS (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, web identity), or the role of the machine at Amazon.
    pub credentials: Option<Credentials>,
    /// How often a request that failed in passing is made again: 0 to 255. All of it takes a
    /// minute at most.
    pub retries: u8,
}

impl Default for BlobOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            virtual_hosted: false,
            allow_http: false,
            credentials: None,
            retries: 5,
        }
    }
}

/// The address of an S3 server: `https://host:port`, or `http://`. It holds no login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Whether requests go out as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// # Errors
    /// `ConfigInvalid` for what is no such address, and for one with a login or a query. The
    /// text is not repeated, since it may hold a password.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |message: &str| {
            Error::new(ErrorKind::ConfigInvalid, "open", message)
                .hint("an endpoint is https://HOST or https://HOST:PORT")
        };
        let url = Url::parse(text).map_err(|_| refuse("the endpoint is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("the endpoint is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("the endpoint holds a login: give the credentials by themselves"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("the endpoint has a query or a fragment"));
        }
        Ok(Self(url))
    }
}

/// An access key. It is shown nowhere.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// An access key with its secret.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }

    /// The token of a key that is valid for a time.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    pub(crate) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    pub(crate) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_holds_no_login() {
        for text in
            ["https://me:hunter2@s3.example.com", "https://h/?x=hunter2", "hunter2", "ftp://h"]
        {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn this_machine_is_known() {
        let loopback = |text: &str| text.parse::<Endpoint>().unwrap().is_loopback();
        for text in
            ["http://127.0.0.1:9000", "http://localhost:1", "http://[::1]:1", "http://127.9.9.9"]
        {
            assert!(loopback(text), "{text}");
        }
        for text in ["http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.nip.io"] {
            assert!(!loopback(text), "{text}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let credentials = Credentials::new("AKIAME", "hunter2").with_session_token("hunter3");
        let options = BlobOptions { credentials: Some(credentials), ..BlobOptions::default() };
        let shown = format!("{options:?}");
        assert!(!shown.contains("hunter") && !shown.contains("AKIAME"), "{shown}");
    }
}
