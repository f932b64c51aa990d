//! The client of an S3 server.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use repo_core::{Error, ErrorKind, Result};

use crate::location::S3Location;
use crate::options::{BlobOptions, Endpoint};

/// All tries of one request.
const TRIES: Duration = Duration::from_secs(60);
/// To reach the server.
const CONNECT: Duration = Duration::from_secs(10);
/// Without a byte from the server; sending a part of 64 MiB counts, too. There is no limit
/// for a whole answer, because whoever reads it may be slow.
const SILENCE: Duration = Duration::from_secs(120);

/// A client for a bucket.
pub(super) fn s3(location: &S3Location, options: &BlobOptions) -> Result<AmazonS3> {
    let mut builder = AmazonS3Builder::from_env();
    let endpoint = match &options.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => builder
            .get_config_value(&AmazonS3ConfigKey::Endpoint)
            .map(|text| text.parse::<Endpoint>())
            .transpose()?,
    };
    let allow_http = endpoint.as_ref().is_some_and(|endpoint| check_plain(endpoint, options));
    if let Some(endpoint) = &endpoint {
        if endpoint.is_plain() && !allow_http {
            return Err(plain(endpoint));
        }
        builder = builder.with_endpoint(endpoint.to_string());
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(credentials) = &options.credentials {
        builder = builder
            .with_access_key_id(credentials.access_key_id())
            .with_secret_access_key(credentials.secret_access_key());
        // A token of the environment belongs to another key.
        builder = match credentials.session_token() {
            Some(token) => builder.with_token(token),
            None => builder.with_config(AmazonS3ConfigKey::Token, ""),
        };
    } else if endpoint.is_some() && !has_credentials(&builder) {
        return Err(Error::new(ErrorKind::ConfigInvalid, "open", "there are no credentials")
            .with("store", location)
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give them in the options"));
    }
    let built = builder
        .with_bucket_name(location.bucket())
        .with_virtual_hosted_style_request(options.virtual_hosted)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // One request a key: not every server knows the other one, and a blob is deleted alone.
        .with_disable_bulk_delete(true)
        .with_retry(retry(options.retries))
        .with_client_options(client(allow_http))
        .build();
    // What is wrong may hold a secret.
    built.map_err(|_| {
        Error::new(ErrorKind::ConfigInvalid, "open", "these settings make no client for S3")
            .with("store", location)
            .hint("check the variables AWS_*, the region and the credentials")
    })
}

/// Whether requests may go out as they are.
fn check_plain(endpoint: &Endpoint, options: &BlobOptions) -> bool {
    endpoint.is_plain() && (options.allow_http || endpoint.is_loopback())
}

fn plain(endpoint: &Endpoint) -> Error {
    let message = "the endpoint is plain HTTP: everybody on the way could read the blobs";
    Error::new(ErrorKind::ConfigInvalid, "open", message)
        .with("endpoint", endpoint)
        .hint("use https, or allow plain HTTP")
}

fn has_credentials(builder: &AmazonS3Builder) -> bool {
    [
        AmazonS3ConfigKey::AccessKeyId,
        AmazonS3ConfigKey::WebIdentityTokenFile,
        AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
        AmazonS3ConfigKey::ContainerCredentialsFullUri,
    ]
    .iter()
    .any(|key| builder.get_config_value(key).is_some_and(|value| !value.is_empty()))
}

fn retry(retries: u8) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: usize::from(retries),
        retry_timeout: TRIES,
    }
}

fn client(allow_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(allow_http)
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        .with_timeout_disabled()
}
