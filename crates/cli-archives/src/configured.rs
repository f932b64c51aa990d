//! The blob store that a configuration names: what the section `server` says of it.

use std::path::PathBuf;

use repo_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::PlaceArg;

/// The blob store of a configuration, where it names one. It is read when it is needed.
pub type Configured = Result<Option<ServerBlobs>>;

/// Where the server of a store keeps its blobs: a part of the section `server`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerBlobs {
    /// The folder for data. The blobs are in its folder `blobs` where none other is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// Where the blobs are: a folder, or `s3://BUCKET/PREFIX`.
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs: Option<String>,
    /// How S3 is reached, where the blobs are there.
    s3: S3Access,
}

/// How S3 is reached. Credentials come from the variables of AWS, or the role of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct S3Access {
    /// The address of the server: `https://HOST:PORT`; Amazon's, or that of
    /// `AWS_ENDPOINT_URL`, without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Whether the bucket is a part of the host name.
    virtual_hosted: bool,
    /// Whether plain HTTP is allowed; to this machine it always is.
    allow_http: bool,
}

impl ServerBlobs {
    /// The store that it names, for every record. The server's own folder, which it takes where
    /// nothing is configured, is not guessed.
    fn place(self) -> Option<PlaceArg> {
        let location = match (self.blobs, self.data) {
            (Some(blobs), _) => blobs,
            (None, Some(data)) => data.join("blobs").display().to_string(),
            (None, None) => return None,
        };
        Some(PlaceArg {
            name: None,
            location,
            endpoint: self.s3.endpoint,
            region: self.s3.region,
            credentials: None,
            virtual_hosted: self.s3.virtual_hosted,
            allow_http: self.s3.allow_http,
        })
    }
}

/// The stores that flags name; without any, that of the configuration.
pub(crate) fn named(
    flags: &[PlaceArg],
    configured: impl FnOnce() -> Configured,
) -> Result<Vec<PlaceArg>> {
    if !flags.is_empty() {
        return Ok(flags.to_vec());
    }
    Ok(configured()?.and_then(ServerBlobs::place).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<PlaceArg> {
        serde_json::from_str::<ServerBlobs>(text).unwrap().place()
    }

    #[test]
    fn a_place_is_where_the_server_says() {
        assert!(read("{}").is_none());
        let within: PlaceArg = "/srv/data/blobs".parse().unwrap();
        assert_eq!(read(r#"{"data":"/srv/data"}"#), Some(within));
        let bucket = r#"{"data":"/srv","blobs":"s3://b/p","s3":{"endpoint":"https://h:1",
            "region":"eu","virtual_hosted":true}}"#;
        let found = read(bucket).unwrap();
        assert!(found.virtual_hosted && !found.allow_http);
        let typed: PlaceArg = "s3://b/p?endpoint=https://h:1&region=eu".parse().unwrap();
        assert_eq!(found, PlaceArg { virtual_hosted: true, ..typed });
    }

    #[test]
    fn flags_go_before_the_configuration() {
        let configured = || Ok(Some(serde_json::from_str(r#"{"blobs":"there"}"#).unwrap()));
        let flags: Vec<PlaceArg> = vec!["main=here".parse().unwrap()];
        assert_eq!(named(&flags, configured).unwrap(), flags);
        let there: Vec<PlaceArg> = vec!["there".parse().unwrap()];
        assert_eq!(named(&[], configured).unwrap(), there);
        assert!(named(&[], || Ok(None)).unwrap().is_empty());
    }
}
