//! URLs that carry a permission of our own.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use hmac::{Hmac, KeyInit as _, Mac as _};
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::key::BlobKey;

/// Bytes of a key of a signer.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=128;

/// Says what is signed, so that no other use of the key makes the same text.
const PURPOSE: &str = "repo-blob url 1";

/// What a signed URL lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedMethod {
    /// Read; a server takes `HEAD` for it, too.
    Get,
    /// Write.
    Put,
    /// Begin to write.
    Post,
}

impl SignedMethod {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }
}

/// The name that a download has: 1 to 255 bytes, no separator of folders, no control
/// character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// A name.
    ///
    /// # Errors
    /// `Invalid` for a name that breaks the rule, and for `.` and `..`.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let bad = |character: char| character.is_control() || matches!(character, '/' | '\\');
        if !(1..=255).contains(&name.len()) || matches!(&*name, "." | "..") || name.contains(bad) {
            let message =
                "the name of a file has 1 to 255 bytes, no slash and no control character";
            return Err(Error::new(ErrorKind::Invalid, "sign", message));
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a signature is given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub method: SignedMethod,
    /// With which blob.
    pub key: BlobKey,
    /// Until when, in whole seconds; what is less is cut off. Before 1970 is 1970.
    pub expires: Timestamp,
    /// What a download is called.
    pub file_name: Option<FileName>,
}

/// Signs URLs, and checks what it signed, with HMAC-SHA256 and a key of its own. Whoever has
/// such a URL may do what it says until it expires, without any other permission.
///
/// ```
/// use repo_blob::{BlobKey, Grant, SignedMethod, UrlSigner};
/// use repo_core::Timestamp;
///
/// let signer = UrlSigner::new(&[7; 32])?;
/// let (key, expires) = (BlobKey::random()?, Timestamp::parse("2026-11-30T12:00:00Z")?);
/// let grant = Grant { method: SignedMethod::Get, key, expires, file_name: None };
/// let query = signer.sign(&grant);
///
/// let now = Timestamp::parse("2026-11-30T11:00:00Z")?;
/// assert!(signer.check(SignedMethod::Get, &key, &query, now).is_ok());
/// assert!(signer.check(SignedMethod::Put, &key, &query, now).is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Clone)]
pub struct UrlSigner {
    mac: Hmac<sha2::Sha256>,
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSigner(hidden)")
    }
}

impl UrlSigner {
    /// A signer with a secret key of 32 to 128 bytes, which should be random.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key of another length.
    pub fn new(key: &[u8]) -> Result<Self> {
        let mac = Some(key).filter(|key| KEY_BYTES.contains(&key.len()));
        mac.and_then(|key| Hmac::new_from_slice(key).ok()).map(|mac| Self { mac }).ok_or_else(
            || {
                let message = "the key that signs URLs has 32 to 128 bytes";
                Error::new(ErrorKind::ConfigInvalid, "sign", message)
            },
        )
    }

    /// The query of a URL: `expires`, `name` where there is one, and `signature`. Path and
    /// host are not signed; the path has to name the key, so that the server knows it.
    #[must_use]
    pub fn sign(&self, grant: &Grant) -> String {
        let expires = seconds(grant.expires);
        let name = grant.file_name.as_ref().map(FileName::as_str);
        let signature = self.mac(grant.method, &grant.key, expires, name).finalize().into_bytes();
        let mut query = Serializer::new(String::new());
        query.append_pair("expires", &expires.to_string());
        if let Some(name) = name {
            query.append_pair("name", name);
        }
        query.append_pair("signature", &BASE64_URL_SAFE_NO_PAD.encode(signature));
        query.finish()
    }

    /// Checks the query of a request, and gives the name of the file in it. Other parameters
    /// are not looked at. The comparison takes the same time whatever differs.
    ///
    /// # Errors
    /// `PermissionDenied`: the signature is not ours for this method and key, or, where it
    /// is, it has expired. `reason` in the context is `signature` or `expired`.
    pub fn check(
        &self,
        method: SignedMethod,
        key: &BlobKey,
        query: &str,
        now: Timestamp,
    ) -> Result<Option<FileName>> {
        let signed = Signed::parse(query).ok_or_else(forged)?;
        let mac = self.mac(method, key, signed.expires, signed.name.as_deref());
        mac.verify_slice(&signed.signature).map_err(|_| forged())?;
        // Only now it is known that the time is the one that was signed.
        if seconds(now) >= signed.expires {
            return Err(Error::new(ErrorKind::PermissionDenied, "check", "the URL has expired")
                .with("reason", "expired")
                .hint("ask for a new one"));
        }
        signed.name.map(FileName::new).transpose()
    }

    /// Each field with its length, so that no two grants make one text.
    fn mac(
        &self,
        method: SignedMethod,
        key: &BlobKey,
        expires: u64,
        name: Option<&str>,
    ) -> Hmac<sha2::Sha256> {
        let (key, expires) = (key.to_string(), expires.to_string());
        let has_name = if name.is_some() { "named" } else { "unnamed" };
        let fields = [PURPOSE, method.as_str(), &key, &expires, has_name, name.unwrap_or_default()];
        let mut mac = self.mac.clone();
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field.as_bytes());
        }
        mac
    }
}

/// The parameters of a query, each at most once.
struct Signed {
    expires: u64,
    name: Option<String>,
    signature: Vec<u8>,
}

impl Signed {
    fn parse(query: &str) -> Option<Self> {
        let (mut expires, mut name, mut signature) = (None, None, None);
        for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*parameter {
                "expires" => &mut expires,
                "name" => &mut name,
                "signature" => &mut signature,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        let expires: String = expires?;
        let number: u64 = expires.parse().ok()?;
        // One number has one text.
        (number.to_string() == expires).then_some(())?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature?).ok()?;
        Some(Self { expires: number, name, signature })
    }
}

fn forged() -> Error {
    let message = "the signature of the URL is not valid for this request";
    Error::new(ErrorKind::PermissionDenied, "check", message).with("reason", "signature")
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_micros() / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPIRES: u64 = 1_800_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(i64::try_from(seconds).unwrap() * 1_000_000).unwrap()
    }

    fn grant(name: Option<&str>) -> Grant {
        Grant {
            method: SignedMethod::Get,
            key: "00112233445566778899aabbccddeeff".parse().unwrap(),
            expires: at(EXPIRES),
            file_name: name.map(|name| FileName::new(name).unwrap()),
        }
    }

    fn signer() -> UrlSigner {
        UrlSigner::new(&[1; 32]).unwrap()
    }

    fn reason(checked: Result<Option<FileName>>) -> Option<String> {
        let error = checked.err()?;
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        error.context_value("reason").map(str::to_owned)
    }

    #[test]
    fn expired_and_forged_are_told_apart() {
        let (signer, grant) = (signer(), grant(None));
        let query = signer.sign(&grant);
        let check =
            |query: &str, now| reason(signer.check(grant.method, &grant.key, query, at(now)));
        assert_eq!(check(&query, EXPIRES - 1), None);
        assert_eq!(check(&query, EXPIRES).as_deref(), Some("expired"));
        // Who moves the end forges; who comes late and forges, too, forges.
        let later = query.replace("1800000000", "1900000000");
        for query in [&later, "", "expires=1800000000", &format!("{query}&expires=1900000000")] {
            assert_eq!(check(query, EXPIRES + 1).as_deref(), Some("signature"), "{query}");
        }
        assert_eq!(check(&format!("{query}&x=y"), EXPIRES - 1), None);
        assert_eq!(
            check(&query.replace("expires=", "expires=%2B"), 1).as_deref(),
            Some("signature")
        );
    }

    #[test]
    fn a_signature_is_for_one_method_key_name_and_signer() {
        let (signer, grant) = (signer(), grant(Some("a b&c=\u{e9}.csv")));
        let query = signer.sign(&grant);
        let name = signer.check(grant.method, &grant.key, &query, at(1)).unwrap();
        assert_eq!(name, grant.file_name);
        let other = BlobKey::random().unwrap();
        let denied = [
            signer.check(SignedMethod::Put, &grant.key, &query, at(1)),
            signer.check(grant.method, &other, &query, at(1)),
            signer.check(grant.method, &grant.key, &query.replace(".csv", ".exe"), at(1)),
            UrlSigner::new(&[2; 32]).unwrap().check(grant.method, &grant.key, &query, at(1)),
        ];
        for checked in denied {
            assert_eq!(reason(checked).as_deref(), Some("signature"));
        }
    }

    #[test]
    fn weak_keys_and_names_of_folders_are_refused() {
        assert_eq!(UrlSigner::new(&[1; 31]).unwrap_err().kind(), ErrorKind::ConfigInvalid);
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            assert!(FileName::new(name).is_err(), "{name:?}");
        }
        assert_eq!(format!("{:?}", signer()), "UrlSigner(hidden)");
    }

    proptest! {
        #[test]
        fn no_other_query_passes(
            query in "[ -~]{0,80}|expires=[0-9]{1,12}&signature=[A-Za-z0-9_-]{43}",
        ) {
            let grant = grant(None);
            let checked = signer().check(grant.method, &grant.key, &query, at(1));
            prop_assert_eq!(reason(checked), Some("signature".to_owned()));
        }
    }
}
