//! The age of signatures: how it becomes certain that a request of a load can
//! no longer be accepted.
//!
//! AWS refuses a request whose signature is too old: some of its servers after
//! five minutes, some after fifteen. So no time is waited for; the server is
//! asked, by a read that is signed with the time of the request in question.
//! Nothing depends on the clock of any machine but the server's.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::item::text;
use crate::layout::{RECORD_KEY, STORE_KEY};
use crate::load::signing::{Ages, SigningClock, now, signing_with};
use crate::retry::patiently;
use crate::shared::Shared;

/// How old a signature of a load may be where ages are checked.
pub(super) const CHECKED_LAG: Duration = Duration::from_secs(30);
/// How long a lost request is waited for where ages are not checked.
pub(super) const UNCHECKED_WINDOW: Duration = Duration::from_secs(2);

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
