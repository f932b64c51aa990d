//! The servers that tests talk to, started by `scripts/services`.

mod dynamodb;

pub use dynamodb::{AccessKey, access_key, call_dynamodb, dynamodb, new_access_key};

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

/// The parts of [`postgres`]: host, port, user, password, database.
///
/// # Panics
/// Without a server, or when its URL has another form.
#[must_use]
pub fn postgres_parts() -> [String; 5] {
    let url = postgres();
    let parts = url.split_once("://").and_then(|(_, rest)| {
        let (login, place) = rest.split_once('@')?;
        let (user, password) = login.split_once(':')?;
        let (server, database) = place.split_once('/')?;
        let (host, port) = server.split_once(':')?;
        Some([host, port, user, password, database].map(str::to_owned))
    });
    parts.expect("REPO_TEST_POSTGRES_URL is postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
}

/// A name that no other test has: a letter, then letters and digits.
#[must_use]
pub fn unique_name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("t{:x}x{nanos:x}x{made:x}", std::process::id())
}
