//! API keys, and what of them is stored.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use repo_core::{EntityId, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};

/// What a key lets its holder do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read documents and blobs.
    Read,
    /// Write and delete them.
    Write,
    /// Make collections; and everything else.
    Admin,
}

impl Scope {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A stored key: everything but the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What it is known by; a part of the key.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is: what is stored with it belongs to this user.
    pub owner: String,
    /// BLAKE3 of the whole key, in hex.
    pub hash: String,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is of no use.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it lets its holder do this.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether this is the key. Takes the same time whatever differs.
    #[must_use]
    pub fn is(&self, given: &KeyText) -> bool {
        let stored = blake3::Hash::from_hex(&self.hash);
        stored.is_ok_and(|stored| stored == given.hash())
    }
}

const PREFIX: &str = "rsk_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A key as its holder has it: `rsk_ID_SECRET`. It is shown once, when it is made.
#[derive(Clone)]
pub struct KeyText {
    text: String,
    id: EntityId,
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}, hidden)", self.id)
    }
}

impl KeyText {
    /// A new one.
    ///
    /// # Errors
    /// `Unavailable` where the system has no random bytes.
    pub fn random() -> Result<Self> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        let filled = getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut secret));
        filled.map_err(|source| {
            let why = "the system has no random bytes";
            Error::new(ErrorKind::Unavailable, "make a key", why).with("reason", source)
        })?;
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{PREFIX}{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(secret)).parse()
    }

    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// The key. For who asked for it alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored of it. The key holds 256 random bits, so a fast hash is enough: nobody
    /// finds it by trying.
    #[must_use]
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(self.text.as_bytes())
    }
}

impl FromStr for KeyText {
    type Err = Error;

    /// # Errors
    /// `Invalid` for what is no key. The text is not repeated.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.strip_prefix(PREFIX).and_then(|rest| {
            let (id, secret) = rest.split_once('_')?;
            let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|b| b.is_ascii_hexdigit());
            let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
            (is_id && secret.len() == SECRET_BYTES).then_some(id)
        });
        let not_one = || Error::new(ErrorKind::Invalid, "read a key", "this is no key");
        let id = EntityId::new(parsed.ok_or_else(not_one)?)?;
        Ok(Self { text: text.to_owned(), id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_id_and_proved_by_its_hash() {
        let (key, other) = (KeyText::random().unwrap(), KeyText::random().unwrap());
        let again: KeyText = key.reveal().parse().unwrap();
        assert_eq!(again.id(), key.id());
        let stored = ApiKey {
            id: key.id().to_string(),
            name: "a".to_owned(),
            owner: "a".to_owned(),
            hash: key.hash().to_string(),
            scopes: [Scope::Write].into(),
            created_at: Timestamp::from_micros(0).unwrap(),
            revoked_at: None,
        };
        assert!(stored.is(&again) && !stored.is(&other));
        assert!(stored.allows(Scope::Write) && !stored.allows(Scope::Read));
        assert!(!stored.allows(Scope::Admin));
        assert!(!format!("{key:?}").contains(key.reveal()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "rsk_", "rsk_0011223344556677_short", "xyz_0011223344556677_A"] {
            assert!(text.parse::<KeyText>().is_err(), "{text}");
        }
    }
}
