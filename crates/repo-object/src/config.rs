//! The settings of the object store strategy.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use repo_blob::{BlobOptions, Credentials, NamedObjects};
use repo_core::strategy::read_settings;
use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::objects::Objects;

/// Where the block stands in the configuration.
pub(crate) const SETTINGS_AT: &str = "storage.object_strategy";

/// The settings under `storage.object_strategy`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ObjectSettings {
    /// Where the objects are: `s3://BUCKET`, `s3://BUCKET/PREFIX`, or `file:///FOLDER`.
    pub location: String,
    /// The address of the S3 server, `https://HOST:PORT`; Amazon's, or that of
    /// `AWS_ENDPOINT_URL`, without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region; else `AWS_REGION`, `AWS_DEFAULT_REGION`, `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the bucket is a part of the host name rather than of the path.
    pub virtual_hosted: bool,
    /// Whether plain HTTP is allowed; to this machine it always is.
    pub allow_http: bool,
    /// The access key; else the variables of AWS, or the role of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// The token of a key that is valid for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// How often a request that failed in passing is made again.
    pub retries: u8,
    /// Seconds after which a request without an answer is given up.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub timeout: NonZeroU32,
    /// Bytes of documents that are kept in memory; 0 keeps none.
    pub cache_bytes: u64,
    /// Most bytes that the index of records takes in memory: about 140 and the id for each
    /// record, and as much for each older version that is kept. A store that has more is not
    /// opened, and a write that would make it more is refused.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub max_index_bytes: NonZeroU64,
    /// Objects of the log after which a checkpoint is made.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub checkpoint_every: NonZeroU32,
}

impl std::fmt::Debug for ObjectSettings {
    // The keys are shown nowhere.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectSettings").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Default for ObjectSettings {
    fn default() -> Self {
        let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            location: String::new(),
            endpoint: None,
            region: None,
            virtual_hosted: false,
            allow_http: false,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            retries: 3,
            timeout: count(30),
            cache_bytes: 64 * 1_024 * 1_024,
            max_index_bytes: NonZeroU64::new(1_024 * 1_024 * 1_024).unwrap_or(NonZeroU64::MIN),
            checkpoint_every: count(256),
        }
    }
}

/// A location, by its kind.
enum Location<'s> {
    S3,
    Folder(&'s str),
}

impl ObjectSettings {
    /// Reads and checks the settings block.
    ///
    /// # Errors
    /// `ConfigInvalid` for an unknown key, a wrong value, and a location that is none;
    /// `Unsupported` for a store of Google or Azure.
    pub fn read(settings: &Json) -> Result<Self> {
        let settings = Self::unchecked(settings)?;
        settings.check()?;
        Ok(settings)
    }

    /// Reads the settings block for who opens the store at once, which checks the values as
    /// well: to check them is to make a client of the server.
    pub(crate) fn unchecked(settings: &Json) -> Result<Self> {
        read_settings(SETTINGS_AT, settings)
    }

    /// Checks settings, also those that a program made.
    pub(crate) fn check(&self) -> Result<()> {
        match self.kind()? {
            Location::Folder(_) => Ok(()),
            // Makes a client, and asks the server nothing.
            Location::S3 => self.objects().map(drop),
        }
    }

    /// Checks that a text is a place of objects, and nothing else.
    pub(crate) fn check_location(location: &str) -> Result<()> {
        kind_of(location).map(drop)
    }

    fn kind(&self) -> Result<Location<'_>> {
        kind_of(&self.location)
    }

    /// The objects of the location. Nothing is asked of a server yet, and nothing is made.
    pub(crate) fn objects(&self) -> Result<Objects> {
        match self.kind()? {
            Location::S3 => Ok(self.over(NamedObjects::open(&self.location, &self.options()?)?)),
            Location::Folder(folder) => Ok(self.over(NamedObjects::in_folder(Path::new(folder))?)),
        }
    }

    /// Objects that are there already.
    pub(crate) fn over(&self, named: NamedObjects) -> Objects {
        let timeout = Duration::from_secs(u64::from(self.timeout.get()));
        Objects::new(named, timeout, self.retries)
    }

    fn options(&self) -> Result<BlobOptions> {
        let credentials = match (&self.access_key_id, &self.secret_access_key) {
            (Some(key), Some(secret)) => {
                let credentials = Credentials::new(key, secret);
                Some(match &self.session_token {
                    Some(token) => credentials.with_session_token(token),
                    None => credentials,
                })
            }
            (None, None) if self.session_token.is_none() => None,
            (None, _) => return Err(refuse("access_key_id", "it is missing beside its secret")),
            (Some(_), None) => {
                return Err(refuse("secret_access_key", "it is missing beside its key"));
            }
        };
        let at = |error: Error| error.with("at", format!("{SETTINGS_AT}.endpoint"));
        Ok(BlobOptions {
            endpoint: self.endpoint.as_deref().map(str::parse).transpose().map_err(at)?,
            region: self.region.clone(),
            virtual_hosted: self.virtual_hosted,
            allow_http: self.allow_http,
            credentials,
            // What is tried again is up to `Objects`.
            retries: 0,
        })
    }
}

/// What kind of place a text is.
fn kind_of(location: &str) -> Result<Location<'_>> {
    if location.starts_with("s3://") {
        return Ok(Location::S3);
    }
    if let Some(folder) = location.strip_prefix("file:") {
        return folder_of(folder).map(Location::Folder);
    }
    let theirs = ["gs://", "az://", "azure://", "adl://", "abfs://", "abfss://"];
    if theirs.iter().any(|scheme| location.starts_with(scheme)) {
        let why = "stores in Google Cloud Storage and Azure are not offered: that they keep \
               what is there when two write at once could not be proved";
        return Err(Error::new(ErrorKind::Unsupported, "read the configuration", why)
            .with("at", format!("{SETTINGS_AT}.location"))
            .hint("use storage that speaks S3, or a folder"));
    }
    // The text is not repeated: somebody may have put a secret into it.
    Err(refuse("location", "this is no place of objects")
        .hint("write s3://BUCKET, s3://BUCKET/PREFIX or file:///FOLDER"))
}

/// The folder of a URL behind `file:`.
fn folder_of(rest: &str) -> Result<&str> {
    let folder = rest.strip_prefix("//").unwrap_or(rest);
    // `file://srv/data` names a host, which is a slip of the pen.
    if rest.starts_with("//") && !folder.starts_with('/') {
        return Err(refuse("location", "a URL of a folder has one slash or three")
            .hint("write file:///FOLDER"));
    }
    if folder.is_empty() || folder.contains('\0') {
        return Err(refuse("location", "the folder has no name").hint("write file:///FOLDER"));
    }
    Ok(folder)
}

fn refuse(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the configuration", why)
        .with("at", format!("{SETTINGS_AT}.{name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_of_both_kinds_are_read() {
        for location in ["file:///srv/data", "file:/srv/data", "file:data", "s3://bucket/a/b"] {
            let mut block = json!({ "location": location, "region": "eu-central-1" });
            if location.starts_with("s3:") {
                block["access_key_id"] = json!("KEY");
                block["secret_access_key"] = json!("hunter2");
                block["endpoint"] = json!("https://s3.example.com");
            }
            let settings = ObjectSettings::read(&block).unwrap();
            assert!(!format!("{settings:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_is_wrong_or_not_offered_is_refused_by_name() {
        let s3 = |more: Json| {
            let mut block = json!({ "location": "s3://bucket" });
            for (name, value) in more.as_object().unwrap() {
                block[name] = value.clone();
            }
            block
        };
        for (block, kind, word) in [
            (json!({}), ErrorKind::ConfigInvalid, "location"),
            (json!({ "location": "hunter2" }), ErrorKind::ConfigInvalid, "location"),
            (json!({ "location": "file:" }), ErrorKind::ConfigInvalid, "location"),
            (json!({ "location": "file://srv/x" }), ErrorKind::ConfigInvalid, "location"),
            (json!({ "location": "s3://Bucket" }), ErrorKind::ConfigInvalid, "bucket"),
            (json!({ "location": "gs://bucket" }), ErrorKind::Unsupported, "Google"),
            (json!({ "location": "az://hunter2" }), ErrorKind::Unsupported, "Azure"),
            (s3(json!({ "secret_access_key": "hunter2" })), ErrorKind::ConfigInvalid, "key"),
            (s3(json!({ "access_key_id": "hunter2" })), ErrorKind::ConfigInvalid, "secret"),
            (s3(json!({ "endpoint": "hunter2" })), ErrorKind::ConfigInvalid, "endpoint"),
            (s3(json!({ "timeout": 0 })), ErrorKind::ConfigInvalid, "timeout"),
            (s3(json!({ "locatoin": "x" })), ErrorKind::ConfigInvalid, "locatoin"),
        ] {
            let error = ObjectSettings::read(&block).unwrap_err();
            assert_eq!(error.kind(), kind, "{block}: {error}");
            assert!(error.to_string().contains(word), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
