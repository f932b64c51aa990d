//! Processes that contend for one lease, on each store that several processes may use.
//!
//! One is stopped by the system (SIGSTOP) for longer than its lease lasts, and goes on after
//! another one has taken the lease over: what it sends then is refused. And some raise one
//! counter, each under the lease and without any other condition, while processes are stopped
//! and killed at random and some are late on purpose: the counter never breaks, which it does
//! as soon as two hold the lease at once.
//!
//! `REPO_TESTKIT_SECONDS` says for how long; 3 seconds a store without it.
//! `scripts/lease-endurance` runs it for a minute a store.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod counting;
mod stopped;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use common::{Site, Store, open};
use repo_lease::LeaseTtl;
use repo_testkit::Process;

const STORE: &str = "REPO_LEASE_STORE";
const ACCESS_KEY: &str = "REPO_LEASE_ACCESS_KEY";
const FOLDER: &str = "REPO_LEASE_FOLDER";

/// The time of the leases here: short, since it is waited for.
const TTL: Duration = Duration::from_millis(250);

fn ttl() -> LeaseTtl {
    LeaseTtl::new(TTL).unwrap()
}

/// What a child process is told.
fn told(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// The store of a child process; `None` in the process of the tests.
async fn told_store() -> Option<Store> {
    Some(open(&told(STORE)?, &told(ACCESS_KEY)?).await)
}

/// Starts one of the tests that are processes of others.
fn start(role: &str, site: &Site) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", role])
        .env(STORE, &site.url)
        .env(ACCESS_KEY, site.access_key())
        .env(FOLDER, site.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    Process::start(&mut command)
}

/// What a line begins with that a child process says; others are of the test harness.
const SAYS: &str = "@ ";

/// Says something to the process of the test, past what the harness captures.
fn say(text: &str) {
    let line = format!("\n{SAYS}{text}\n");
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What a child process says next.
fn said(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let said = lines.map(Result::unwrap).find_map(|line| {
        let text = line.strip_prefix(SAYS)?;
        Some(text.to_owned())
    });
    said.expect("the process says something")
}

fn lines_of(process: &mut Process) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(process.stdout()).lines()
}
