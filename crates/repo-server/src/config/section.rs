//! The section `server` of a configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use repo_blob::BlobOptions;
use repo_core::{Error, ErrorKind, Result};
use repo_data::sources::{AllowList, BucketKind, BucketRule, TableRule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The section `server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Where it listens: address and port. Port 0 is any free one.
    pub listen: SocketAddr,
    /// The folder for what is kept nowhere else: the store and the blobs where none are
    /// named, and the secret that signs URLs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Where the blobs are: a folder, or `s3://BUCKET/PREFIX`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<String>,
    /// How S3 is reached, where the blobs are there.
    pub s3: S3Config,
    /// The URL that clients reach the server by, for the URLs that it hands out; else what
    /// they call it in `Host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// The secret that signs URLs and tokens, of 32 to 128 characters. Several servers of one
    /// store need the same one. Without it a file in the data folder holds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Names that requests may give in `Host`, besides this machine's own where there are no
    /// keys. With keys every name is taken if none is listed.
    pub allowed_hosts: Vec<String>,
    /// Whether the routes of MADSci need no key where there are keys: its client sends none.
    pub madsci_without_key: bool,
    /// Which outside sources may be registered; none unless they are listed.
    pub sources: SourcesConfig,
    /// How long what was deleted can be restored, in hours.
    pub retention_hours: NonZeroU64,
    /// Most bytes of uploads that wait in the data folder until they are whole.
    pub spool_bytes: NonZeroU64,
    /// How long a token from a login is valid, in seconds.
    pub token_seconds: NonZeroU64,
    /// The pages at `/console`.
    pub console: ConsoleMode,
    /// Limits of requests and connections.
    pub limits: LimitsConfig,
}

/// What the pages at `/console` offer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleMode {
    /// There are none.
    Off,
    /// They show, and change nothing.
    ReadOnly,
    /// They also change what the key of who is signed in may change.
    #[default]
    Full,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            data: None,
            blobs: None,
            s3: S3Config::default(),
            public_url: None,
            secret: None,
            allowed_hosts: Vec::new(),
            madsci_without_key: false,
            sources: SourcesConfig::default(),
            retention_hours: NonZeroU64::MIN.saturating_add(7 * 24 - 1),
            spool_bytes: NonZeroU64::MIN.saturating_add((10 << 30) - 1),
            token_seconds: NonZeroU64::MIN.saturating_add(3_599),
            console: ConsoleMode::default(),
            limits: LimitsConfig::default(),
        }
    }
}

/// Which outside sources may be registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourcesConfig {
    /// Buckets.
    pub buckets: Vec<BucketConfig>,
    /// Tables of PostgreSQL.
    pub tables: Vec<String>,
}

/// A bucket, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// Its name.
    pub name: String,
    /// What names in it have to begin with; all of it without one.
    #[serde(default)]
    pub prefix: String,
    /// How it is reached.
    #[serde(default)]
    pub s3: S3Config,
}

impl SourcesConfig {
    /// As the list of the data service. A bucket is allowed whichever of the two services a client
    /// calls it one of.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no name of a bucket, no prefix or no name of a table.
    pub fn allow_list(&self) -> Result<AllowList> {
        let mut list = AllowList::default();
        for bucket in &self.buckets {
            for kind in [BucketKind::S3, BucketKind::Gcs] {
                list.buckets.push(BucketRule {
                    kind,
                    bucket: bucket.name.parse().map_err(invalid)?,
                    prefixes: vec![bucket.prefix.parse().map_err(invalid)?],
                    connection: bucket.name.clone(),
                });
            }
        }
        for table in &self.tables {
            let connection = "the store of the server".to_owned();
            list.tables.push(TableRule { table: table.parse().map_err(invalid)?, connection });
        }
        list.validate()?;
        Ok(list)
    }
}

fn invalid(error: Error) -> Error {
    error.into_kind(ErrorKind::ConfigInvalid)
}

/// How S3 is reached. Credentials come from the variables of AWS, or the role of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The address of the server: `https://HOST:PORT`; Amazon's, or that of
    /// `AWS_ENDPOINT_URL`, without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the bucket is a part of the host name.
    pub virtual_hosted: bool,
    /// Whether plain HTTP is allowed; to this machine it always is.
    pub allow_http: bool,
}

impl S3Config {
    /// As options of a store of blobs.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no address.
    pub fn options(&self) -> Result<BlobOptions> {
        Ok(BlobOptions {
            endpoint: self.endpoint.as_deref().map(str::parse).transpose()?,
            region: self.region.clone(),
            virtual_hosted: self.virtual_hosted,
            allow_http: self.allow_http,
            ..BlobOptions::default()
        })
    }
}

/// A span of time in milliseconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Milliseconds(NonZeroU64);

impl Milliseconds {
    const fn seconds(seconds: u64) -> Self {
        Self(match NonZeroU64::new(seconds * 1_000) {
            Some(milliseconds) => milliseconds,
            None => NonZeroU64::MIN,
        })
    }

    /// As a duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.0.get())
    }
}

/// Limits of requests and connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Most bytes of a body that is JSON or a form.
    pub max_json_bytes: NonZeroU64,
    /// Most bytes of one upload, or of one part of it.
    pub max_upload_bytes: NonZeroU64,
    /// How long a request may take until its answer begins; uploads and downloads may take
    /// longer.
    pub request_timeout_ms: Milliseconds,
    /// How long a connection may be idle: between requests, while a body arrives, and while
    /// an answer is not taken.
    pub idle_timeout_ms: Milliseconds,
    /// How long requests may go on once the server was asked to stop.
    pub drain_timeout_ms: Milliseconds,
    /// Connections at a time.
    pub max_connections: NonZeroUsize,
    /// Requests at a time.
    pub max_requests: NonZeroUsize,
    /// Uploads at a time.
    pub max_uploads: NonZeroUsize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let bytes = |number| NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN);
        let count = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            max_json_bytes: bytes(16 << 20),
            max_upload_bytes: bytes(5 << 40),
            request_timeout_ms: Milliseconds::seconds(30),
            idle_timeout_ms: Milliseconds::seconds(60),
            drain_timeout_ms: Milliseconds::seconds(30),
            max_connections: count(1_024),
            max_requests: count(256),
            max_uploads: count(64),
        }
    }
}
