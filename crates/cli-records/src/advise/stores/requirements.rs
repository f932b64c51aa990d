//! The file of requirements: what a store has to offer, and the load that it is to bear.
//!
//! `schemas/requirements.schema.json` says the same for editors; a test compares both.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cli_output::failure::{unreadable, wrong_usage};
use repo_core::strategy::plain_reason;
use repo_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::bounded::{Bounded, Millis};
use super::object::object;

const OPERATION: &str = "read the requirements";

/// Most bytes of a file.
const MOST_BYTES: u64 = 1_024 * 1_024;
/// Most entities that are written at a moment: `concurrency` times `keys_per_commit`.
pub(super) const MOST_AT_ONCE: usize = 100_000;

/// What is asked of a store.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requirements {
    /// For editors.
    #[serde(rename = "$schema", default, skip_serializing)]
    _schema: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub(super) needs: Needs,
    #[serde(deserialize_with = "object")]
    pub(super) data: Data,
    #[serde(deserialize_with = "object")]
    pub(super) load: Load,
    #[serde(default, deserialize_with = "object")]
    pub(super) latency: Latency,
}

/// What the store has to be able to do; what is left out it need not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Needs {
    /// Acknowledged commits survive the end of the process.
    pub(super) durable: bool,
    /// Processes that use the store at once.
    pub(super) processes: Bounded<1, 1_000_000>,
    /// Machines on which they run.
    pub(super) hosts: Bounded<1, 1_000_000>,
    /// A change feed; it is captured while the store is measured.
    pub(super) changes: bool,
    /// Older versions; they are kept while the store is measured.
    pub(super) history: bool,
    /// Moves while programs use the store.
    pub(super) moves: bool,
    /// Queries by an index instead of reading the whole collection.
    pub(super) indexes: bool,
    /// Groups that the store computes by itself.
    pub(super) aggregates: bool,
}

/// How much there will be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    pub(super) entities: Bounded<1, 1_000_000_000_000>,
    /// Bytes of a document as a rule, by the size formula of the contract.
    pub(super) document_bytes: Bounded<64, 16_777_216>,
    /// Bytes of the largest document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) largest_document_bytes: Option<Bounded<64, 16_777_216>>,
}

/// Operations in a second.
pub(super) type Rate = Bounded<0, 100_000>;

/// What programs do, all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Load {
    /// Operations under way at once.
    pub(super) concurrency: Bounded<1, 256>,
    /// Reads by id.
    pub(super) reads_per_second: Rate,
    /// Commits.
    pub(super) writes_per_second: Rate,
    /// Pages of a query for one value of an indexed field.
    pub(super) queries_per_second: Rate,
    /// Entities that one commit updates.
    pub(super) keys_per_commit: Bounded<1, 10_000>,
    /// Entities that one query finds.
    pub(super) query_results: Bounded<1, 1_000>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            concurrency: Bounded::default(),
            reads_per_second: Rate::default(),
            writes_per_second: Rate::default(),
            queries_per_second: Rate::default(),
            keys_per_commit: Bounded::default(),
            query_results: Bounded::new(20).unwrap_or_default(),
        }
    }
}

/// How long 99 of 100 operations may take, at most.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Latency {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_p99_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) write_p99_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) query_p99_ms: Option<Millis>,
}

/// The whole file.
#[derive(Deserialize)]
#[serde(transparent)]
struct Whole {
    #[serde(deserialize_with = "object")]
    requirements: Requirements,
}

/// Reads a file of requirements.
///
/// # Errors
/// `NotFound`, `PermissionDenied` or `Unavailable` for a file that cannot be read;
/// `ConfigInvalid`, with the place in the file, for one that holds anything else.
pub(super) fn read(path: &Path) -> Result<Requirements> {
    let failed = |source| unreadable(OPERATION, path, source);
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    parse(&bytes).map_err(|error| error.with("file", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Requirements> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(wrong_usage(OPERATION, "the file is longer than 1 MiB"));
    }
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let Whole { requirements } = serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let at = error.path().to_string();
        refused(error.inner()).with("at", at)
    })?;
    text.end().map_err(|error| refused(&error))?;
    requirements.check()?;
    Ok(requirements)
}

fn refused(error: &serde_json::Error) -> Error {
    wrong_usage(OPERATION, "the file does not hold requirements")
        .with("line", error.line())
        .with("column", error.column())
        .with("reason", plain_reason(error))
        .hint("schemas/requirements.schema.json says what may stand there")
}

impl Requirements {
    /// What no single number says.
    fn check(&self) -> Result<()> {
        let wrong = |at: &str, why: String| Err(wrong_usage(OPERATION, why).with("at", at));
        let Self { data, load, .. } = self;
        if load.total() == 0 {
            return wrong("load", "nothing is read, written or queried".to_owned());
        }
        if data.largest_document_bytes.is_some_and(|most| most < data.document_bytes) {
            let why = "the largest document is smaller than the others";
            return wrong("data.largest_document_bytes", why.to_owned());
        }
        let queries = load.queries_per_second.get() > 0;
        if queries && load.query_results.get() > data.entities.get() {
            return wrong("load.query_results", "a query finds more than there is".to_owned());
        }
        let at_once = load.at_once();
        if at_once > MOST_AT_ONCE || at_once as u64 > data.entities.get() {
            let why = format!(
                "{at_once} entities are written at a moment, which is more than there are, or \
                 than {MOST_AT_ONCE}"
            );
            return wrong("load.keys_per_commit", why);
        }
        Ok(())
    }

    /// Bytes of the largest document.
    pub(super) fn largest_document(&self) -> usize {
        self.data.largest_document_bytes.unwrap_or(self.data.document_bytes).size()
    }
}

impl Load {
    /// All operations in a second.
    pub(super) fn total(&self) -> u64 {
        let rates = [self.reads_per_second, self.writes_per_second, self.queries_per_second];
        rates.iter().map(|rate| rate.get()).sum()
    }

    /// Entities that commits may hold at one moment.
    pub(super) fn at_once(&self) -> usize {
        self.concurrency.size().saturating_mul(self.keys_per_commit.size())
    }
}

#[cfg(test)]
pub(super) fn from_text(text: &str) -> Requirements {
    parse(text.as_bytes()).unwrap()
}

#[cfg(test)]
mod tests {
    use repo_core::ErrorKind;

    use super::*;

    const LEAST: &str =
        r#"{"data":{"entities":10,"document_bytes":64},"load":{"reads_per_second":1}}"#;

    #[test]
    fn what_is_left_out_is_not_asked_for() {
        let found = from_text(LEAST);
        assert_eq!(found.needs, Needs::default());
        assert_eq!((found.needs.hosts.get(), found.load.query_results.get()), (1, 20));
        // 20 of 10 entities, but nothing is queried unless somebody says so.
        assert_eq!(found.load.queries_per_second.get(), 0);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, at, words) in [
            (r#"{"data":{"entities":0}}"#, "data.entities", "not from 1"),
            (r#"{"data":{"entities":"x"}}"#, "data.entities", "invalid type"),
            (r#"{"needs":{"durble":true}}"#, "needs.durble", "unknown field"),
            (r#"{"latency":{"read_p99_ms":0}}"#, "latency.read_p99_ms", "more than 0"),
            (r#"{"load":{"concurrency":257}}"#, "load.concurrency", "1 to 256"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{text}");
            assert_eq!(error.context_value("at"), Some(at), "{error}");
            assert_eq!(error.context_value("line"), Some("1"), "{error}");
            assert!(error.context_value("reason").unwrap().contains(words), "{error}");
        }
        for text in ["", "[]", "{}", r#"{"needs":[]}"#, "nonsense", &format!("{LEAST} more")] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().kind(), ErrorKind::ConfigInvalid);
        }
        let long = format!("{LEAST}{}", " ".repeat(2 * 1_024 * 1_024));
        assert!(parse(long.as_bytes()).unwrap_err().message().contains("longer"));
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_refused() {
        let of = |data: &str, load: &str| {
            let text = format!(r#"{{"data":{{{data}}},"load":{{{load}}}}}"#);
            parse(text.as_bytes()).map_err(|error| error.context_value("at").map(str::to_owned))
        };
        let data = r#""entities":10,"document_bytes":100"#;
        for (data, load, at) in [
            (data, "", "load"),
            (data, r#""queries_per_second":1,"query_results":11"#, "load.query_results"),
            (data, r#""writes_per_second":1,"keys_per_commit":11"#, "load.keys_per_commit"),
            (
                r#""entities":1000000,"document_bytes":100"#,
                r#""writes_per_second":1,"concurrency":11,"keys_per_commit":10000"#,
                "load.keys_per_commit",
            ),
            (
                r#""entities":10,"document_bytes":100,"largest_document_bytes":99"#,
                r#""reads_per_second":1"#,
                "data.largest_document_bytes",
            ),
        ] {
            assert_eq!(of(data, load).unwrap_err().as_deref(), Some(at), "{data} {load}");
        }
        of(data, r#""writes_per_second":1,"concurrency":2,"keys_per_commit":5"#).unwrap();
    }
}
