//! From the settings to a connected client.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::Client;
use aws_types::service_config::ServiceConfigKey;
use repo_core::{Error, ErrorKind, Result};

use crate::config::{DynamoSettings, SETTINGS_AT};
use crate::errors;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest one request may take, its answer included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that AWS's default chain is asked for a region, and for
/// credentials: a container or a metadata service may not answer.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration of the AWS clients that the settings ask for: region,
/// profile and credentials by the default chain where they say nothing.
///
/// # Errors
/// `ConfigInvalid` when the chain finds no region in time.
pub(crate) async fn load(settings: &DynamoSettings) -> Result<SdkConfig> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    tokio::time::timeout(CHAIN_TIMEOUT, loader.load()).await.map_err(|_| no_region())
}

fn no_region() -> Error {
    Error::new(ErrorKind::ConfigInvalid, "open", "there is no AWS region")
        .with("at", format!("{SETTINGS_AT}.region"))
        .hint("set region, or AWS_REGION in the environment")
}

/// A client for DynamoDB.
///
/// # Errors
/// `ConfigInvalid` without a region, `PermissionDenied` without credentials.
pub(crate) async fn connect(config: &SdkConfig) -> Result<Client> {
    if config.region().is_none_or(|region| region.as_ref().is_empty()) {
        return Err(no_region());
    }
    if let Some(provider) = config.credentials_provider() {
        tokio::time::timeout(CHAIN_TIMEOUT, provider.provide_credentials())
            .await
            .unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(CHAIN_TIMEOUT)))
            .map_err(|source| errors::credentials("open", &source))?;
    }
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Ok(Client::from_conf(config))
}

/// Where a store is, without anything secret: region or endpoint, profile and
/// prefix.
pub(crate) fn location(settings: &DynamoSettings, config: &SdkConfig) -> String {
    let region = config.region().map_or("", Region::as_ref);
    let place = match endpoint(config) {
        None => region.to_owned(),
        Some(url) => format!("{}/{region}", without_login(url.trim_end_matches('/'))),
    };
    let profile = settings.profile.as_ref().map_or(String::new(), |name| format!("{name}@"));
    format!("dynamodb:{profile}{place}/{}", settings.table_prefix)
}

/// The endpoint that the client uses, if it is not AWS's own: that of the
/// settings, else that of the environment or the profile, the one for DynamoDB
/// first.
fn endpoint(config: &SdkConfig) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder()
        .service_id("DynamoDB")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok();
    key.and_then(|key| config.service_config()?.load_config(key)).or_else(general)
}

/// A URL without user and password.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_holds_no_login() {
        assert_eq!(without_login("http://me:hunter2@host:8000/x@y"), "http://host:8000/x@y");
        assert_eq!(without_login("https://host"), "https://host");
    }
}
