//! Who runs a migration, so that a second run can tell whether the first one
//! is still at work.
//!
//! On the machine of the owner the operating system knows. Elsewhere the owner
//! counts as at work until it has not renewed its lease for a while.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repo_core::Timestamp;
use serde::{Deserialize, Serialize};

/// How long an owner counts as at work after it was last heard of.
pub(crate) const LEASE_TIME: Duration = Duration::from_secs(60);

/// The runs of this process that are under way.
static AT_WORK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// One run of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Tells this run from every other, also of the same process.
    pub(crate) token: String,
    pub(crate) host: String,
    pub(crate) process: u32,
    /// When the process started, in the system's own ticks: process numbers
    /// are used again.
    process_started: Option<u64>,
    /// This start of this machine, and this space of process numbers.
    machine: Option<String>,
    pub(crate) renewed_at: Timestamp,
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It is at work, as far as can be told.
    AtWork,
    /// Its process or its run has ended.
    Ended,
    /// Nothing was heard of it for longer than its lease.
    Silent,
}

/// Says that a run of this process is under way, until dropped.
#[derive(Debug)]
pub(crate) struct AtWork(String);

impl AtWork {
    pub(crate) fn new(token: &str) -> Self {
        at_work().insert(token.to_owned());
        Self(token.to_owned())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        at_work().remove(&self.0);
    }
}

fn at_work() -> MutexGuard<'static, BTreeSet<String>> {
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Holder {
    /// A new run of this process.
    pub(crate) fn new(now: Timestamp) -> Self {
        let process = std::process::id();
        Self {
            token: token(),
            host: read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".to_owned()),
            process,
            process_started: started(process),
            machine: machine(),
            renewed_at: now,
        }
    }

    /// Whether it is still at work.
    pub(crate) fn liveness(&self, now: Timestamp) -> Liveness {
        if self.machine.is_some() && self.machine == machine() && !self.runs_here() {
            return Liveness::Ended;
        }
        if now > self.renewed_at.saturating_add(LEASE_TIME) {
            Liveness::Silent
        } else {
            Liveness::AtWork
        }
    }

    fn runs_here(&self) -> bool {
        let same_process = self.process_started == started(self.process);
        if same_process && self.process == std::process::id() {
            return at_work().contains(&self.token);
        }
        self.process_started.is_some() && same_process
    }
}

/// 128 random bits: the standard library seeds its hashers with them.
fn token() -> String {
    let bits = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", bits(), bits())
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn machine() -> Option<String> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", space.display()))
}

/// When a process started; `None` when there is none, or it has ended and
/// nobody has asked how. proc(5): the state is the first field after the name
/// in parentheses, the start the twentieth.
fn started(process: u32) -> Option<u64> {
    let stat = read(&format!("/proc/{process}/stat"))?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn a_run_of_this_process_is_at_work_until_it_is_dropped() {
        let owner = Holder::new(at(0));
        assert_eq!(owner.liveness(at(1)), Liveness::Ended);
        let at_work = AtWork::new(&owner.token);
        assert_eq!(owner.liveness(at(59)), Liveness::AtWork);
        assert_eq!(owner.liveness(at(61)), Liveness::Silent);
        drop(at_work);
        assert_eq!(owner.liveness(at(1)), Liveness::Ended);
        assert_ne!(owner.token, Holder::new(at(0)).token);
    }

    #[test]
    fn a_process_of_this_machine_that_ended_is_known_at_once() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let own = Holder::new(at(0));
        let process = child.id();
        let owner = Holder { process, process_started: started(process), ..own.clone() };
        assert!(owner.process_started.is_some());
        assert_eq!(owner.liveness(at(1)), Liveness::AtWork);
        let other = Holder { process_started: Some(1), ..owner.clone() };
        assert_eq!(other.liveness(at(1)), Liveness::Ended, "the number was given away again");
        child.kill().unwrap();
        // Until somebody asks for its end it is there, and not at work.
        while owner.liveness(at(1)) == Liveness::AtWork {}
        child.wait().unwrap();
        assert_eq!(owner.liveness(at(1)), Liveness::Ended);
    }

    #[test]
    fn of_another_machine_only_the_lease_is_known() {
        let owner = Holder { machine: Some("elsewhere".to_owned()), ..Holder::new(at(0)) };
        assert_eq!(owner.liveness(at(60)), Liveness::AtWork);
        assert_eq!(owner.liveness(at(61)), Liveness::Silent);
    }
}
