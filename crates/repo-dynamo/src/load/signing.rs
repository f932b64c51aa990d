//! Requests that are signed with a given time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{
    ConfigBag, IdentityCache, Intercept, RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::error::BoxError;
use aws_types::sdk_config::TimeSource;
use repo_core::Timestamp;

use crate::load::lock::locked;

/// Credentials that expire within this time are renewed first: the clock of a
/// load is behind.
const CREDENTIALS_LAG: Duration = Duration::from_secs(120);

const DATE: &str = "x-amz-date";

/// Whether the server refuses old signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ages {
    /// As AWS does.
    Checked,
    /// As DynamoDB Local does, which is for development and tests.
    Ignored,
}

/// The time that requests are signed with.
#[derive(Debug, Default, Clone)]
pub(super) struct SigningClock(Arc<Mutex<Times>>);

#[derive(Debug, Default, Clone, Copy)]
struct Times {
    now: Option<Timestamp>,
    latest: Option<Timestamp>,
}

/// The time by the machine's clock, to the second, as signatures have it.
pub(super) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

impl SigningClock {
    pub(super) fn at(time: Timestamp) -> Self {
        let clock = Self::default();
        clock.set(time);
        clock
    }

    pub(super) fn set(&self, time: Timestamp) {
        let mut times = locked(&self.0);
        times.now = Some(time);
        times.latest = times.latest.max(Some(time));
    }

    /// The latest time that it ever had.
    pub(super) fn latest(&self) -> Timestamp {
        locked(&self.0).latest.unwrap_or_else(now)
    }
}

impl TimeSource for SigningClock {
    fn now(&self) -> SystemTime {
        let micros = locked(&self.0).now.map_or(0, Timestamp::as_micros);
        let since = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        SystemTime::UNIX_EPOCH + since
    }
}

/// Stops a request that a driver signed with a later time than it was given:
/// one that corrects differences to the server's clock would.
#[derive(Debug)]
struct NotLater(SigningClock);

impl Intercept for NotLater {
    fn name(&self) -> &'static str {
        "NotLater"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let latest = signed_form(self.0.latest());
        match context.request().headers().get(DATE) {
            Some(date) if date <= latest.as_str() => Ok(()),
            _ => Err("the request of a load is not signed with the time of the load".into()),
        }
    }
}

/// A time as it stands in a signed request: `20260131T235959Z`.
fn signed_form(time: Timestamp) -> String {
    let text = time.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    let mut form: String = seconds.chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    form.push('Z');
    form
}

/// The same client, which signs with the time of `clock`.
pub(super) fn signing_with(client: &Client, clock: SigningClock) -> Client {
    let credentials = IdentityCache::lazy().buffer_time(CREDENTIALS_LAG).build();
    let config = client
        .config()
        .to_builder()
        .identity_cache(credentials)
        // It would measure by the clock that stands still.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(NotLater(clock.clone()))
        .time_source(clock)
        .build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_form_of_a_signature() {
        let time = Timestamp::parse("2026-01-31T23:59:59.987654Z").unwrap();
        assert_eq!(signed_form(time), "20260131T235959Z");
        assert_eq!(signed_form(Timestamp::from_micros(0).unwrap()), "19700101T000000Z");
    }

    /// As a driver does that corrects the difference to the server's clock.
    #[tokio::test]
    async fn a_request_that_is_signed_later_is_not_sent() {
        let credentials = aws_credential_types::Credentials::new("a", "b", None, None, "a test");
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
            .endpoint_url("http://127.0.0.1:1")
            .credentials_provider(credentials)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        let clock = SigningClock::at(Timestamp::from_micros(1_000_000).unwrap());
        let client = signing_with(&Client::from_conf(config), clock);
        let in_time = client.list_tables().send().await.unwrap_err();
        let text = |error: &dyn std::error::Error| format!("{error:?}");
        assert!(!text(&in_time).contains("NotLater"), "{in_time:?}");
        let corrected = aws_sdk_dynamodb::Config::builder()
            .time_source(SigningClock::at(Timestamp::from_micros(9_000_000).unwrap()));
        let later = client.list_tables().customize().config_override(corrected);
        let later = later.send().await.unwrap_err();
        assert!(text(&later).contains("NotLater"), "{later:?}");
    }

    /// A clock that goes back signs with the earlier time, but what was signed
    /// before is not forgotten.
    #[test]
    fn the_latest_time_is_kept() {
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let clock = SigningClock::at(at(5));
        clock.set(at(3));
        assert_eq!(clock.latest(), at(5));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_micros(3));
    }
}
