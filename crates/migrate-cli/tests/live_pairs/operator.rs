//! The command line, as an operator types it; some of its processes are killed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use repo_testkit::Process;

use crate::cli_support::{Place, Run};

/// How long a move may take to come to a phase.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Operator<'a> {
    place: &'a Place,
    stores: String,
    mover: Process,
    /// Pauses of switches that nobody disturbed, in milliseconds.
    pub(crate) pauses: Vec<u64>,
    pub(crate) killed_movers: usize,
    pub(crate) killed_switches: usize,
    /// Which store is the authority after the last switch that was made.
    pub(crate) is_away: bool,
}

impl<'a> Operator<'a> {
    pub(crate) fn start(place: &'a Place, source: &str, target: &str) -> Self {
        let stores = format!("--source {source} --target {target}");
        let mover = start(place, &stores);
        let (pauses, killed_movers, killed_switches) = (Vec::new(), 0, 0);
        let mut operator =
            Self { place, stores, mover, pauses, killed_movers, killed_switches, is_away: false };
        operator.until("ready");
        operator
    }

    /// Kills the process that copies and follows, and types its command again.
    pub(crate) fn kill_mover(&mut self) {
        self.mover.still_runs();
        self.mover.kill();
        self.mover = start(self.place, &self.stores);
        self.killed_movers += 1;
    }

    /// Makes the other store the authority. `after` says when the first try is killed.
    pub(crate) fn switch(&mut self, after: Option<Duration>) {
        if let Some(after) = after {
            let mut switch = Process::start(self.command("").stdout(Stdio::null()));
            std::thread::sleep(after);
            switch.kill();
            self.killed_switches += 1;
        }
        let begun = Instant::now();
        loop {
            let before = self.status();
            if before["phase"] == if self.is_away { "ready" } else { "switched" } {
                // The killed one had come to its end.
                break;
            }
            let run = Run::of(&mut self.command("json"));
            if run.code == Some(0) {
                let report = run.json();
                assert_eq!(
                    (&report["switched"], &report["differences"]),
                    (&true.into(), &0.into())
                );
                if after.is_none() {
                    self.pauses.push(report["pause_ms"].as_u64().unwrap());
                }
                break;
            }
            // Too early, a pause that would be too long, a lost connection: it is typed again.
            println!("  not switched: {}", run.stderr.lines().next().unwrap_or_default());
            let kinds = ["Locked", "Unavailable", "OutcomeUnknown"];
            let kind = run.json()["error"]["kind"].as_str().unwrap_or_default().to_owned();
            assert!(kinds.contains(&kind.as_str()), "{run:#?}");
            assert!(begun.elapsed() < PATIENCE, "{run:#?} {before}");
            self.mover.still_runs();
        }
        self.is_away = !self.is_away;
    }

    fn command(&self, format: &str) -> std::process::Command {
        let verb = if self.is_away { "back" } else { "switch" };
        let mut line = format!("live {verb} {}", self.stores);
        if !format.is_empty() {
            line.push_str(&format!(" --format {format}"));
        }
        let mut command = self.place.command("repoctl");
        command.args(line.split_whitespace());
        command
    }

    fn status(&self) -> Json {
        let line = format!("live status {} --format json", self.stores);
        let begun = Instant::now();
        loop {
            let run = self.place.line(&line);
            match run.code {
                Some(0) => return run.json(),
                _ => assert!(begun.elapsed() < PATIENCE, "{run:#?}"),
            }
        }
    }

    fn until(&mut self, phase: &str) {
        let begun = Instant::now();
        loop {
            let line = format!("live status {} --format json", self.stores);
            let run = self.place.line(&line);
            if run.code == Some(0) && run.json()["phase"] == phase {
                return;
            }
            self.mover.still_runs();
            assert!(begun.elapsed() < PATIENCE, "never {phase}: {run:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the move, once both stores are equal; nobody writes any more.
    pub(crate) fn finish(mut self) -> Self {
        if !self.is_away {
            self.switch(None);
        }
        let line = format!("live verify {} --format json", self.stores);
        let found = self.place.line(&line).ok().json();
        assert_eq!((&found["differences"], &found["finished"]), (&0.into(), &true.into()));
        self.place.line(&format!("live finish {}", self.stores)).ok();
        assert!(self.mover.wait().success());
        self
    }
}

fn start(place: &Place, stores: &str) -> Process {
    let line = format!("live start {stores} --quiet");
    Process::start(place.command("repoctl").args(line.split_whitespace()))
}
