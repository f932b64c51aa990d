//! The suite on a store with small limits: one handle at a time, 100 keys and
//! 4 MB a commit, three segments a scan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use repo_testkit::MemoryPlace;
use support::{Flaw, FlawedPlace};

repo_testkit::conformance!(limited, || async { FlawedPlace(MemoryPlace::default(), Flaw::None) });

repo_testkit::differential!(limits_change_no_answer, || async {
    FlawedPlace(MemoryPlace::default(), Flaw::None)
});
