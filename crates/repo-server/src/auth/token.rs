//! Tokens: what a login gives for a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use repo_core::{Clock, EntityId};

const PREFIX: &str = "rst_";
const PURPOSE: &str = "repo-server token 1";

/// Makes tokens, and checks them. A token names a key, which is looked up with each request:
/// with the key its tokens are revoked. Nothing of it is stored, so it is good at every server
/// with the same secret.
#[derive(Clone)]
pub struct Tokens {
    key: [u8; 32],
    clock: Arc<dyn Clock>,
    /// How long they are valid.
    valid: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

impl Tokens {
    /// Tokens signed with a key that is derived from this secret.
    #[must_use]
    pub fn new(secret: &crate::config::Secret, clock: Arc<dyn Clock>, valid: Duration) -> Self {
        Self { key: secret.derive(PURPOSE), clock, valid }
    }

    /// How long a new one is valid.
    #[must_use]
    pub fn valid(&self) -> Duration {
        self.valid
    }

    /// A token for the holder of a key; `None` stands for whoever may do everything where
    /// there are no keys.
    #[must_use]
    pub fn issue(&self, id: Option<&EntityId>) -> String {
        let end = self.clock.now().saturating_add(self.valid).as_micros();
        let text = format!("{end}.{}", id.map_or("", EntityId::as_str));
        let mac = blake3::keyed_hash(&self.key, text.as_bytes());
        let (text, mac) = (text.as_bytes(), mac.as_bytes());
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        format!("{PREFIX}{}.{}", encode(text), encode(mac))
    }

    /// Whether this text has the form of a token.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The id of the key that a valid token was made for; `Some(None)` where there were none.
    #[must_use]
    pub fn check(&self, token: &str) -> Option<Option<EntityId>> {
        let (text, mac) = token.strip_prefix(PREFIX)?.split_once('.')?;
        let text = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let mac: [u8; 32] = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?.try_into().ok()?;
        // The comparison takes the same time whatever differs.
        if blake3::keyed_hash(&self.key, &text) != blake3::Hash::from_bytes(mac) {
            return None;
        }
        let text = String::from_utf8(text).ok()?;
        let (end, id) = text.split_once('.')?;
        let end: i64 = end.parse().ok()?;
        if self.clock.now().as_micros() >= end {
            return None;
        }
        if id.is_empty() { Some(None) } else { EntityId::new(id).ok().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{ManualClock, Timestamp};

    use super::*;

    #[test]
    fn a_token_ends_and_cannot_be_altered() {
        let folder = tempfile::tempdir().unwrap();
        let secret = crate::config::Secret::load(None, folder.path()).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0).unwrap()));
        let tokens = Tokens::new(&secret, clock.clone(), Duration::from_secs(60));
        let id = EntityId::new("0011223344556677").unwrap();
        let token = tokens.issue(Some(&id));
        assert_eq!(tokens.check(&token), Some(Some(id)));
        assert_eq!(tokens.check(&tokens.issue(None)), Some(None));
        let mut altered = token.clone().into_bytes();
        altered[8] ^= 1;
        assert_eq!(tokens.check(&String::from_utf8(altered).unwrap()), None);
        for text in ["", "rst_", "rst_a.b", "rst_AAAA.AAAA"] {
            assert_eq!(tokens.check(text), None, "{text}");
        }
        clock.advance(Duration::from_secs(60));
        assert_eq!(tokens.check(&token), None);
    }
}
