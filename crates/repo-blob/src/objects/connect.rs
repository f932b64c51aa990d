//! The client of an S3 server.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, S3ConditionalPut,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig, StaticCredentialProvider};
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
    let builder = AmazonS3Builder::from_env();
    let endpoint = endpoint(&builder, options)?;
    let allow_http = endpoint.as_ref().is_some_and(Endpoint::is_plain);
    let mut builder = with_credentials(builder, options);
    if let Some(endpoint) = &endpoint {
        if options.credentials.is_none() && !has_credentials(&builder) {
            return Err(nobody(location));
        }
        builder = builder.with_endpoint(endpoint.to_string());
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    check_printable(&builder, options)?;
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

/// Where the server is, if that was said: in the options, or in the environment.
///
/// # Errors
/// `ConfigInvalid` for plain HTTP to another machine, unless it is allowed.
fn endpoint(builder: &AmazonS3Builder, options: &BlobOptions) -> Result<Option<Endpoint>> {
    let of_environment = || builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let endpoint = match &options.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => of_environment().map(|text| text.parse()).transpose()?,
    };
    if let Some(endpoint) = &endpoint
        && endpoint.is_plain()
        && !(options.allow_http || endpoint.is_loopback())
    {
        let message = "the endpoint is plain HTTP: everybody on the way could read the blobs";
        return Err(Error::new(ErrorKind::ConfigInvalid, "open", message)
            .with("endpoint", endpoint)
            .hint("use https, or allow plain HTTP"));
    }
    Ok(endpoint)
}

/// In place of what the environment says, a token of which belongs to another key.
fn with_credentials(builder: AmazonS3Builder, options: &BlobOptions) -> AmazonS3Builder {
    let Some(credentials) = &options.credentials else { return builder };
    builder.with_credentials(Arc::new(StaticCredentialProvider::new(AwsCredential {
        key_id: credentials.access_key_id().to_owned(),
        secret_key: credentials.secret_access_key().to_owned(),
        token: credentials.session_token().map(str::to_owned),
    })))
}

/// Refuses what the client would stumble over: these values become headers.
///
/// # Errors
/// `ConfigInvalid`, without the value.
fn check_printable(builder: &AmazonS3Builder, options: &BlobOptions) -> Result<()> {
    let of_builder = |key| builder.get_config_value(&key);
    let given = options.credentials.as_ref();
    let values = [
        ("access key", of_builder(AmazonS3ConfigKey::AccessKeyId)),
        ("session token", of_builder(AmazonS3ConfigKey::Token)),
        ("region", of_builder(AmazonS3ConfigKey::Region)),
        ("access key", given.map(|given| given.access_key_id().to_owned())),
        ("session token", given.and_then(|given| given.session_token().map(str::to_owned))),
    ];
    let bad = |value: &String| !value.bytes().all(|byte| byte.is_ascii_graphic());
    match values.iter().find(|(_, value)| value.as_ref().is_some_and(bad)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the {name} has a character that no {name} has");
            Err(Error::new(ErrorKind::ConfigInvalid, "open", message)
                .hint("check it for a space or a line break"))
        }
    }
}

fn nobody(location: &S3Location) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "open", "there are no credentials")
        .with("store", location)
        .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give them in the options")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Location;
    use crate::options::Credentials;

    fn open(options: &BlobOptions) -> Result<AmazonS3> {
        let Ok(Location::S3(location)) = "s3://bucket".parse() else { panic!("a bucket") };
        s3(&location, options)
    }

    #[test]
    fn what_is_no_header_is_refused_without_repeating_it() {
        let good = Credentials::new("key", "hunter2");
        let options = |credentials: Credentials| BlobOptions {
            endpoint: Some("https://localhost".parse().unwrap()),
            credentials: Some(credentials),
            ..BlobOptions::default()
        };
        open(&options(good.clone())).unwrap();
        let bad = [
            options(Credentials::new("hunter2\n", "secret")),
            options(good.clone().with_session_token("hunter2 ")),
            BlobOptions { region: Some("hunter2\u{e9}".to_owned()), ..options(good) },
        ];
        for options in bad {
            let error = open(&options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
