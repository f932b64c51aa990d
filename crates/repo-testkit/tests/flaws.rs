//! The differential test sees a flaw, and shows a short history of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use repo_testkit::{MemoryPlace, differential};
use support::{Flaw, FlawedPlace};

/// The message with which the differential test fails.
fn failure(flaw: Flaw) -> String {
    let run = || differential::run(|| async move { FlawedPlace(MemoryPlace::default(), flaw) });
    let panic = std::panic::catch_unwind(run).expect_err("the flaw was not seen");
    panic.downcast_ref::<String>().expect("a message").clone()
}

/// The steps of the history at the end of a failure.
fn steps(failure: &str) -> Vec<&str> {
    let step =
        |line: &&str| line.split_once(". ").is_some_and(|(n, _)| n.trim().parse::<u32>().is_ok());
    failure.lines().filter(step).collect()
}

#[test]
fn an_unchecked_version_is_seen() {
    let failure = failure(Flaw::VersionsUnchecked);
    assert!(steps(&failure).len() <= 3, "{failure}");
    assert!(failure.contains("if St") && failure.contains("expected: Failed("), "{failure}");
}

#[test]
fn a_skipped_entity_is_seen() {
    let failure = failure(Flaw::ShortPages);
    assert!(steps(&failure).len() <= 5, "{failure}");
    assert!(failure.contains("order by") && failure.contains("a page"), "{failure}");
}

#[test]
fn a_lost_tombstone_is_seen() {
    let failure = failure(Flaw::NoTombstones);
    assert!(steps(&failure).len() <= 4, "{failure}");
    assert!(failure.contains("REPO_TESTKIT_SEED="), "{failure}");
}
