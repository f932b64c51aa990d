//! The servers that tests talk to, started by `scripts/services`.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The address of the test server that `variable` names.
///
/// # Panics
/// Without one: a missing server fails the tests.
#[must_use]
pub fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: start the servers with `scripts/services up` and take their \
             addresses with `eval \"$(scripts/services env)\"`"
        )
    })
}

/// The URL of the PostgreSQL server, of its database for all tests.
///
/// # Panics
/// Without one.
#[must_use]
pub fn postgres() -> String {
    address("REPO_TEST_POSTGRES_URL")
}

/// The URL of DynamoDB Local.
///
/// # Panics
/// Without one.
#[must_use]
pub fn dynamodb() -> String {
    address("REPO_TEST_DYNAMODB_URL")
}

/// An AWS access key that means nothing and that nobody else has. DynamoDB
/// Local keeps a database with a thread of its own for each access key: so
/// tests do not wait for each other, nor pay for each other's tables.
#[must_use]
pub fn new_access_key() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("TEST{:X}X{nanos:X}X{made:X}", std::process::id())
}

/// The access key of this process.
#[must_use]
pub fn access_key() -> &'static str {
    static KEY: LazyLock<String> = LazyLock::new(new_access_key);
    &KEY
}
