//! What a store cannot do of what is asked, by its capabilities alone.

use repo_core::strategy::{Capabilities, Reach};
use serde::Serialize;

use super::requirements::Requirements;

/// A requirement that a store does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// Its place in the file.
    pub(super) requirement: &'static str,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(requirement: &'static str, reason: impl Into<String>) -> Self {
        Self { requirement, reason: reason.into() }
    }
}

/// All that a store of these capabilities cannot do; empty where it can do everything.
pub(super) fn refusals(wanted: &Requirements, can: &Capabilities, reach: Reach) -> Vec<Refusal> {
    let mut refused = features(wanted, can);
    let needs = &wanted.needs;
    if needs.processes.get() > 1 && !can.multi_process {
        refused.push(Refusal::new("needs.processes", "one process at a time can use it"));
    }
    if needs.hosts.get() > 1 && reach == Reach::Machine {
        let why = "what it holds is in the memory or in files of one machine";
        refused.push(Refusal::new("needs.hosts", why));
    }
    refused.extend(limits(wanted, can));
    refused
}

fn features(wanted: &Requirements, can: &Capabilities) -> Vec<Refusal> {
    let needs = &wanted.needs;
    let asked = [
        (
            needs.durable,
            can.durable,
            "needs.durable",
            "an acknowledged commit does not survive the end of the process",
        ),
        (needs.changes, can.changes, "needs.changes", "it has no change feed"),
        (needs.history, can.history, "needs.history", "it keeps no older versions"),
        (
            needs.moves,
            can.fence,
            "needs.moves",
            "writers cannot be kept out while it hands over to another store",
        ),
        (needs.indexes, can.indexes, "needs.indexes", "each query reads the whole collection"),
        (
            needs.aggregates,
            can.aggregates,
            "needs.aggregates",
            "it does not group by itself: each entity that may match is read",
        ),
    ];
    let missing = asked.into_iter().filter(|(needed, there, ..)| *needed && !there);
    missing.map(|(_, _, requirement, reason)| Refusal::new(requirement, reason)).collect()
}

fn limits(wanted: &Requirements, can: &Capabilities) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let largest = wanted.largest_document();
    if largest > can.max_entity_bytes {
        let most = can.max_entity_bytes;
        let why = format!("a document has at most {most} bytes, see storage.limits");
        refused.push(Refusal::new("data.largest_document_bytes", why));
    }
    if wanted.load.writes_per_second.get() == 0 {
        return refused;
    }
    let keys = wanted.load.keys_per_commit.size();
    if let Some(most) = can.max_commit_keys.filter(|most| keys > *most) {
        let why = format!("one commit holds at most {most} keys");
        refused.push(Refusal::new("load.keys_per_commit", why));
    }
    let bytes = keys.saturating_mul(wanted.data.document_bytes.size());
    if let Some(most) = can.max_commit_bytes.filter(|most| bytes > *most) {
        let why = format!("one commit holds at most {most} bytes, and {bytes} are asked for");
        refused.push(Refusal::new("load.keys_per_commit", why));
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::stores::requirements::from_text;

    fn places(wanted: &Requirements, can: &Capabilities, reach: Reach) -> Vec<&'static str> {
        refusals(wanted, can, reach).into_iter().map(|refusal| refusal.requirement).collect()
    }

    #[test]
    fn each_requirement_that_is_not_met_is_named() {
        let wanted = from_text(
            r#"{"needs": {"durable": true, "processes": 2, "hosts": 2, "changes": true,
                          "history": true, "moves": true, "indexes": true, "aggregates": true},
                "data": {"entities": 1000, "document_bytes": 100, "largest_document_bytes": 2000},
                "load": {"writes_per_second": 1, "keys_per_commit": 60}}"#,
        );
        let can = Capabilities::new(1_000);
        let none = can.with_max_commit_keys(Some(50)).with_max_commit_bytes(Some(5_999));
        let expected = [
            "needs.durable",
            "needs.changes",
            "needs.history",
            "needs.moves",
            "needs.indexes",
            "needs.aggregates",
            "needs.processes",
            "needs.hosts",
            "data.largest_document_bytes",
            "load.keys_per_commit",
            "load.keys_per_commit",
        ];
        assert_eq!(places(&wanted, &none, Reach::Machine), expected);

        let all = Capabilities::new(2_000)
            .with_durable(true)
            .with_multi_process(true)
            .with_changes(true)
            .with_history(true)
            .with_fence(true)
            .with_indexes(true)
            .with_aggregates(true)
            .with_max_commit_keys(Some(60))
            .with_max_commit_bytes(Some(6_000));
        assert!(refusals(&wanted, &all, Reach::Network).is_empty());
        assert_eq!(places(&wanted, &all, Reach::Machine), ["needs.hosts"]);
    }

    #[test]
    fn what_is_not_asked_for_refuses_nothing() {
        let wanted = from_text(
            r#"{"data": {"entities": 1000, "document_bytes": 100},
                "load": {"reads_per_second": 1, "keys_per_commit": 60}}"#,
        );
        let can = Capabilities::new(100).with_max_commit_keys(Some(1));
        assert!(refusals(&wanted, &can, Reach::Machine).is_empty());
    }
}
