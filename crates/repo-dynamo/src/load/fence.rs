//! The age of signatures: how it becomes certain that a request of a load can
//! no longer be accepted.
//!
//! AWS refuses a request whose signature is too old: some of its servers after
//! five minutes, some after fifteen. So no time is waited for; the server is
//! asked, by a read that is signed with the time of the request in question.
//! Nothing depends on the clock of any machine but the server's.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{
    ConfigBag, IdentityCache, Intercept, RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata as _};
use aws_types::sdk_config::TimeSource;
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::catalog::RECORD_KEY;
use crate::item::text;
use crate::layout::STORE_KEY;
use crate::load::locked;
use crate::retry::patiently;
use crate::shared::Shared;

/// How old a signature of a load may be where ages are checked.
pub(crate) const CHECKED_LAG: Duration = Duration::from_secs(30);
/// How long a lost request is waited for where ages are not checked.
pub(crate) const UNCHECKED_WINDOW: Duration = Duration::from_secs(2);

/// How far the clocks of the server's machines may be apart; less where a test
/// has to wait for it.
const SPREAD: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 60 });
/// The pause between two looks at a server that checks the age of signatures.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 5_000 });
/// Older than any server accepts.
const ANCIENT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest that a signature is waited for: fifteen minutes, and as much for a
/// clock that is ahead.
const LONGEST_WAIT: Duration = Duration::from_secs(45 * 60);
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

/// The same client, but for the time that it signs with.
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

impl Shared {
    /// Whether the server refuses old signatures; asked once.
    pub(crate) async fn signature_ages(&self, operation: &'static str) -> Result<Ages> {
        self.ages
            .get_or_try_init(|| async {
                if self.refuses_signature(operation, now().saturating_sub(ANCIENT)).await? {
                    return Ok(Ages::Checked);
                }
                tracing::warn!(
                    store = %self.location,
                    "the server accepts signatures of any age, as DynamoDB Local does, so a request \
                     of a load that arrives more than two seconds late could replace a newer \
                     write: use this server for development and tests"
                );
                Ok(Ages::Ignored)
            })
            .await
            .copied()
    }

    /// Whether the server refuses what is signed with this time as too old.
    async fn refuses_signature(&self, operation: &'static str, time: Timestamp) -> Result<bool> {
        let client = signing_with(&self.client, SigningClock::at(time));
        let scene = self.repeatable(operation, &self.store_table);
        patiently(self.patience, || async {
            let request =
                client.get_item().table_name(&self.store_table).key(STORE_KEY, text(RECORD_KEY));
            match request.send().await {
                Ok(_) => Ok(false),
                Err(error) if error.message().is_some_and(says_expired) => Ok(true),
                Err(error) if error.message().is_some_and(says_not_yet) => Ok(false),
                Err(error) => Err(scene.failure(&error)),
            }
        })
        .await
    }

    /// Whether a request that was signed with `signed`, and of which nothing is
    /// known since `given_up`, can no longer be accepted.
    pub(super) async fn is_past(
        &self,
        operation: &'static str,
        signed: Timestamp,
        given_up: Instant,
    ) -> Result<bool> {
        match self.signature_ages(operation).await? {
            Ages::Ignored => Ok(given_up.elapsed() >= UNCHECKED_WINDOW),
            Ages::Checked => self.refuses_signature(operation, signed.saturating_add(SPREAD)).await,
        }
    }

    /// Pauses before the next look, unless it has been waited for too long.
    pub(super) async fn wait_longer(&self, operation: &'static str, since: Instant) -> Result<()> {
        if since.elapsed() > LONGEST_WAIT {
            let why = "the server still accepts old requests of a load";
            return Err(Error::new(ErrorKind::Unavailable, operation, why)
                .with("store", &self.location)
                .hint("check the clock of the machine that began the load, and try again"));
        }
        let pause = match self.signature_ages(operation).await? {
            Ages::Ignored => Duration::from_millis(50),
            Ages::Checked => PAUSE,
        };
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

fn says_expired(message: &str) -> bool {
    message.contains("Signature expired")
}

fn says_not_yet(message: &str) -> bool {
    message.contains("Signature not yet current")
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
