//! Which sources may be named.

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::location::{BucketName, Prefix, TableName};
use super::source::{BucketKind, Source};
use crate::refusal::Refusal;

/// The places that an operator allows. An empty list, as it is without configuration, allows
/// none that is ever read.
///
/// ```json
/// {
///   "buckets": [{"kind": "gcs", "bucket": "raw", "prefixes": ["plates"], "connection": "lab"}],
///   "tables": [{"table": "trajectories", "connection": "archive"}],
///   "bigquery": [{"project": "bigquery-public-data", "dataset": "samples"}]
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AllowList {
    /// Buckets.
    pub buckets: Vec<BucketRule>,
    /// Tables.
    pub tables: Vec<TableRule>,
    /// Tables of BigQuery. Without this any may be named, since none is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bigquery: Option<Vec<BigQueryRule>>,
}

/// A bucket, or parts of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketRule {
    /// Of which service.
    pub kind: BucketKind,
    /// The bucket.
    pub bucket: BucketName,
    /// What is allowed in it, by whole names: `plates` allows `plates/17` and not
    /// `plates-old`. An empty prefix allows the whole bucket; no prefix allows nothing.
    pub prefixes: Vec<Prefix>,
    /// The name of the connection by which it is read. Credentials are there.
    pub connection: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// The table.
    pub table: TableName,
    /// The name of the store by which it is read.
    pub connection: String,
}

/// Tables of BigQuery, of which the names may be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BigQueryRule {
    /// The project.
    pub project: String,
    /// The dataset; nothing for all of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The table; nothing for all of the dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// A source that the list allows. Only [`AllowList::allow`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedSource {
    source: Source,
    connection: Option<String>,
}

impl AllowedSource {
    /// The source.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The name of the connection by which it is read; nothing for what is never read.
    #[must_use]
    pub fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

impl AllowList {
    /// Whether a source may be registered and read. Ask again at each read: the list may
    /// have become shorter since.
    ///
    /// # Errors
    /// `PermissionDenied` for a source that no rule allows. The error does not say what is
    /// allowed.
    pub fn allow(&self, source: &Source) -> Result<AllowedSource> {
        let connection = match source {
            Source::Bucket { kind, bucket, prefix } => self
                .buckets
                .iter()
                .find(|rule| rule.allows(*kind, bucket, prefix))
                .map(|rule| Some(rule.connection.clone())),
            Source::Row { table, .. } => self
                .tables
                .iter()
                .find(|rule| rule.table == *table)
                .map(|rule| Some(rule.connection.clone())),
            Source::BigQuery(named) => {
                let allows = |rule: &&BigQueryRule| {
                    let is = |rule: &Option<String>, name: &str| {
                        rule.as_deref().is_none_or(|rule| rule == name)
                    };
                    rule.project == named.project()
                        && is(&rule.dataset, named.dataset())
                        && is(&rule.table, named.table())
                };
                let listed = self.bigquery.as_ref();
                listed.is_none_or(|rules| rules.iter().any(|rule| allows(&rule))).then_some(None)
            }
            Source::Link(_) => Some(None),
        };
        match connection {
            Some(connection) => Ok(AllowedSource { source: source.clone(), connection }),
            None => {
                let message = "this source is not on the list of allowed sources";
                Err(Refusal::SourceNotAllowed
                    .error("check a source", message)
                    .with("source", source))
            }
        }
    }

    /// Checks the list itself.
    ///
    /// # Errors
    /// `ConfigInvalid` for a rule that allows nothing: a bucket without prefixes, a table of
    /// BigQuery without its dataset, and for a connection without a name.
    pub fn validate(&self) -> Result<()> {
        let refuse = |why: &str, name: &str| {
            Err(Error::new(ErrorKind::ConfigInvalid, "read the allowed sources", why)
                .with("rule", name))
        };
        for rule in &self.buckets {
            if rule.prefixes.is_empty() {
                return refuse("a bucket has prefixes; [\"\"] is all of it", rule.bucket.as_str());
            }
            if rule.connection.is_empty() {
                return refuse("the connection has no name", rule.bucket.as_str());
            }
        }
        for rule in &self.tables {
            if rule.connection.is_empty() {
                return refuse("the connection has no name", rule.table.as_str());
            }
        }
        for rule in self.bigquery.iter().flatten() {
            if rule.dataset.is_none() && rule.table.is_some() {
                return refuse("a table of BigQuery has a dataset", &rule.project);
            }
        }
        Ok(())
    }
}

impl BucketRule {
    fn allows(&self, kind: BucketKind, bucket: &BucketName, prefix: &Prefix) -> bool {
        self.kind == kind
            && self.bucket == *bucket
            && self.prefixes.iter().any(|allowed| allowed.covers(prefix))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use repo_core::Value;

    use super::*;

    fn list() -> AllowList {
        let text = r#"{
            "buckets": [
                {"kind": "gcs", "bucket": "raw", "prefixes": ["a/b", "c/"], "connection": "lab"},
                {"kind": "s3", "bucket": "all", "prefixes": [""], "connection": "minio"}
            ],
            "tables": [{"table": "trajectories", "connection": "archive"}],
            "bigquery": [{"project": "public", "dataset": "samples"}]
        }"#;
        let list: AllowList = serde_json::from_str(text).unwrap();
        list.validate().unwrap();
        list
    }

    fn source(storage_type: &str, metadata: &str) -> Result<Source> {
        Source::parse(storage_type, &Value::parse(metadata).unwrap())
    }

    #[test]
    fn only_listed_sources_are_allowed() {
        let raw = |prefix: &str| {
            source("gcs", &format!(r#"{{"bucket_name":"raw","prefix":"{prefix}"}}"#)).unwrap()
        };
        let allowed = |source: &Source| list().allow(source).is_ok();
        for prefix in ["a/b", "a/b/", "a/b/c", "c/", "c/d"] {
            assert!(allowed(&raw(prefix)), "{prefix}");
        }
        for prefix in ["", "a", "a/", "a/bc", "a/b.txt", "c", "cd", "A/b", "b"] {
            let error = list().allow(&raw(prefix)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{prefix}");
        }
        let other = |kind: &str, metadata: &str| allowed(&source(kind, metadata).unwrap());
        assert!(!other("s3", r#"{"bucket_name":"raw","prefix":"a/b"}"#));
        assert!(!other("gcs", r#"{"bucket_name":"raw"}"#));
        assert!(other("s3", r#"{"bucket_name":"all","prefix":null}"#));
        assert!(other("pg_table", r#"{"table_name":"trajectories","row_id":"1"}"#));
        assert!(!other("pg_table", r#"{"table_name":"users","row_id":"1"}"#));
        let table = |dataset: &str| {
            format!(r#"{{"project_id":"public","dataset_id":"{dataset}","table_id":"x"}}"#)
        };
        assert!(other("bigquery", &table("samples")));
        assert!(!other("bigquery", &table("secrets")));
        assert!(AllowList::default().allow(&raw("a/b")).is_err());
        let public = source("bigquery", &table("secrets")).unwrap();
        assert_eq!(AllowList::default().allow(&public).unwrap().connection(), None);
    }

    #[test]
    fn a_connection_comes_from_the_rule() {
        let row = source("pg_table", r#"{"table_name":"trajectories","row_id":"1"}"#).unwrap();
        assert_eq!(list().allow(&row).unwrap().connection(), Some("archive"));
        let names = r#"{"project_id":"public","dataset_id":"samples","table_id":"x"}"#;
        let table = source("bigquery", names).unwrap();
        assert_eq!(list().allow(&table).unwrap().connection(), None);
    }

    #[test]
    fn what_is_no_source_is_refused() {
        let cases = [
            ("gcs", "{}"),
            ("gcs", "[]"),
            ("gcs", r#"{"bucket_name":"http://169.254.169.254/"}"#),
            ("gcs", r#"{"bucket_name":"raw","prefix":"../x"}"#),
            ("gcs", r#"{"bucket_name":"raw","prefix":"a/../../x"}"#),
            ("gcs", r#"{"bucket_name":"raw","prefix":"/a"}"#),
            ("gcs", r#"{"bucket_name":"raw","prefix":"a//b"}"#),
            ("gcs", r#"{"bucket_name":"raw","prefix":"a\nb"}"#),
            ("gcs", r#"{"bucket_name":"raw","prefix":5}"#),
            ("pg_table", r#"{"table_name":"a; DROP TABLE b","row_id":"1"}"#),
            ("pg_table", r#"{"table_name":"trajectories","row_id":""}"#),
            ("pg_table", r#"{"table_name":"trajectories"}"#),
            ("bigquery", r#"{"project_id":"p","dataset_id":"d"}"#),
        ];
        for (kind, metadata) in cases {
            let error = source(kind, metadata).expect_err(metadata);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{metadata}");
        }
        for kind in ["raw_content", "http", "https://example.com", ""] {
            let error = source(kind, r#"{"url":"http://localhost"}"#).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{kind}");
        }
    }

    #[test]
    fn a_rule_that_allows_nothing_is_refused() {
        let cases = [
            r#"{"buckets":[{"kind":"s3","bucket":"raw","prefixes":[],"connection":"x"}]}"#,
            r#"{"buckets":[{"kind":"s3","bucket":"raw","prefixes":[""],"connection":""}]}"#,
            r#"{"tables":[{"table":"t","connection":""}]}"#,
            r#"{"bigquery":[{"project":"p","table":"t"}]}"#,
        ];
        for text in cases {
            let list: AllowList = serde_json::from_str(text).unwrap();
            assert_eq!(list.validate().unwrap_err().kind(), ErrorKind::ConfigInvalid, "{text}");
        }
        let unreadable = [
            r#"{"urls":["http://x"]}"#,
            r#"{"buckets":[{"kind":"azure","bucket":"raw","prefixes":[""],"connection":"x"}]}"#,
            r#"{"buckets":[{"kind":"s3","bucket":"raw","prefixes":["../"],"connection":"x"}]}"#,
            r#"{"buckets":[{"kind":"s3","bucket":"raw","connection":"x"}]}"#,
        ];
        for text in unreadable {
            assert!(serde_json::from_str::<AllowList>(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// What a prefix covers, object by object.
        #[test]
        fn a_prefix_covers_whole_names(rule in "([ab]{1,2}/?){0,3}", other in "([ab]{1,2}/?){0,3}") {
            let (Ok(rule), Ok(other)) = (rule.parse::<Prefix>(), other.parse::<Prefix>()) else {
                return Ok(());
            };
            if rule.covers(&other) {
                let names = |prefix: &Prefix| {
                    let names = prefix.as_str().split('/').filter(|name| !name.is_empty());
                    names.map(str::to_owned).collect::<Vec<_>>()
                };
                prop_assert!(names(&other).starts_with(&names(&rule)));
            }
        }
    }
}
