//! The contract, on DynamoDB Local.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::DynamoPlace;

repo_testkit::conformance!(dynamodb, || async { DynamoPlace::new() });
repo_testkit::differential!(answers_as_the_reference_does, || async { DynamoPlace::new() });
